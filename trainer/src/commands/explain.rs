//! `optimil explain`

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use shared_model::bags::Bags;
use shared_model::bundle::{BundleReader, Molecule};

use super::progress;
use super::tables::{FeatureArgs, note};
use crate::bundle_file;
use crate::column_table::{ColumnTable, Format};
use crate::data::{Labels, Splits};
use crate::device::{self, DeviceChoice, DeviceModels};
use crate::explanation_tables::{Explained, conformers, curves, summary};
use crate::suggestion::did_you_mean;

#[derive(Debug, Args)]
// Without tables, the molecules of the bundle are explained.
#[command(mut_arg("feat3d", |feat3d| feat3d.required(false).requires("labels")))]
#[command(mut_arg("feat2d", |feat2d| feat2d.requires("feat3d")))]
#[command(mut_arg("feat3d_qm", |feat3d_qm| feat3d_qm.requires("feat3d")))]
#[command(mut_arg("cache", |cache| cache.requires("feat3d")))]
#[command(mut_arg("no_cache", |no_cache| no_cache.requires("feat3d")))]
pub(super) struct ExplainArgs {
    /// The model bundle
    bundle: PathBuf,
    /// Table that names the molecules and their splits [default: the molecules in the bundle]
    #[arg(long, value_name = "FILE", requires = "feat3d")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    features: Option<FeatureArgs>,
    /// Split to explain [default: all molecules]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Molecule to explain, by its ID; may be given several times [default: all molecules]
    #[arg(long = "molecule", value_name = "ID")]
    molecules: Vec<String>,
    /// Device: auto, cpu, wgpu or cuda, or one of several as wgpu:1 (see `optimil devices`)
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Seed of the random orders of molecules with many conformers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write the points of the deletion and insertion curves, too: NAME_curves beside the others
    #[arg(long)]
    curves: bool,
    /// Where to write the conformers, NAME.csv or NAME.parquet; NAME_summary beside it has a row a molecule and task
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    // Before the work, not after it.
    let format = Format::of(&args.out)?;
    let in_bundle = || format!("{}", args.bundle.display());
    let bytes = fs::read(&args.bundle).with_context(in_bundle)?;
    let bundle = BundleReader::open(&bytes).with_context(in_bundle)?;
    let (molecules, bags) = match &args.features {
        Some(features) => of_tables(args, features, &bundle)?,
        None => of_bundle(args, &bundle)?,
    };
    let wanted = wanted(args, &molecules)?;
    let device = device::select(args.device)?;
    let models = DeviceModels::read(&bundle, &device.device).with_context(in_bundle)?;

    let bar = progress::bar();
    bar.set_length(wanted.len() as u64);
    let mut explained: Vec<Explained> = Vec::with_capacity(wanted.len());
    for &position in &wanted {
        let molecule = &molecules[position];
        bar.set_message(format!("explaining {}", molecule.id));
        explained.push((molecule, models.explain(&bags, position, args.seed)?));
        bar.inc(1);
    }
    bar.finish_and_clear();

    let manifest = bundle.manifest();
    let tasks: Vec<&str> = manifest.schema.tasks.iter().map(|task| task.name.as_str()).collect();
    let write = |path: &Path, table: ColumnTable| {
        table.write(path, format).with_context(|| format!("{} cannot be written", path.display()))
    };
    let beside = beside(&args.out, "summary");
    write(&args.out, conformers(&tasks, &explained))?;
    write(&beside, summary(&tasks, &explained))?;
    let mut written = format!("{}, {}", args.out.display(), beside.display());
    if args.curves {
        let path = self::beside(&args.out, "curves");
        write(&path, curves(&tasks, &explained))?;
        written += &format!(", {}", path.display());
    }
    println!(
        "explained {} molecules ({} conformers){} on {}: {written}",
        wanted.len(),
        explained.iter().map(|(molecule, _)| molecule.conformers.len()).sum::<usize>(),
        if manifest.models.len() > 1 {
            format!(" by {} models", manifest.models.len())
        } else {
            String::new()
        },
        device.description,
    );
    Ok(())
}

/// The molecules of tables.
fn of_tables(
    args: &ExplainArgs,
    features: &FeatureArgs,
    bundle: &BundleReader,
) -> anyhow::Result<(Vec<Molecule>, Bags)> {
    let manifest = bundle.manifest();
    let splits = args.split.as_ref().map_or(Splits::All, |split| Splits::named([split.as_str()]));
    let dataset = features.load(args.labels.as_ref(), &manifest.schema, &splits, Labels::Optional)?;
    dataset.check_features(&manifest.features_2d, &manifest.features_3d)?;
    note(dataset.report().dropped_notice());
    let rows: Vec<usize> = (0..dataset.len()).collect();
    Ok(bundle_file::molecules(&dataset, &rows))
}

/// The molecules that travel with the model.
fn of_bundle(args: &ExplainArgs, bundle: &BundleReader) -> anyhow::Result<(Vec<Molecule>, Bags)> {
    let name = args.bundle.display();
    let molecules = bundle.molecules().with_context(|| name.to_string())?;
    let features = bundle.features().with_context(|| name.to_string())?;
    match (molecules, features) {
        (Some(molecules), Some(bags)) => Ok((molecules, bags)),
        (Some(_), None) => bail!(
            "the molecules in {name} travel without their features: name tables with --labels, --feat2d and --feat3d"
        ),
        (None, _) => bail!("{name} has no molecules in it: name tables with --labels, --feat2d and --feat3d"),
    }
}

/// Positions of the molecules to explain: those that were named, in the order of their names, or all of the split.
fn wanted(args: &ExplainArgs, molecules: &[Molecule]) -> anyhow::Result<Vec<usize>> {
    let in_split = |molecule: &Molecule| args.split.is_none() || molecule.split == args.split;
    let place = if args.features.is_some() { "the tables".into() } else { args.bundle.display().to_string() };
    if args.molecules.is_empty() {
        let all: Vec<usize> = (0..molecules.len()).filter(|&at| in_split(&molecules[at])).collect();
        let split = args.split.as_deref().unwrap_or_default();
        ensure!(!all.is_empty(), "no molecule in {place} is of the split \"{split}\"");
        return Ok(all);
    }
    let positions: HashMap<&str, usize> = molecules
        .iter()
        .enumerate()
        .filter(|(_, molecule)| in_split(molecule))
        .map(|(position, molecule)| (molecule.id.as_str(), position))
        .collect();
    let known = || molecules.iter().map(|molecule| molecule.id.as_str());
    let mut wanted: Vec<usize> = Vec::with_capacity(args.molecules.len());
    for id in &args.molecules {
        let Some(&position) = positions.get(id.as_str()) else {
            let split = args.split.as_ref().map_or_else(String::new, |split| format!(", split \"{split}\""));
            bail!("--molecule: there is no \"{id}\" in {place}{split}{}", did_you_mean(id, known()));
        };
        ensure!(!wanted.contains(&position), "--molecule: \"{id}\" is named twice: name it once");
        wanted.push(position);
    }
    Ok(wanted)
}

/// NAME_PART.EXT for NAME.EXT.
fn beside(path: &Path, part: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_{part}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
