//! `optimil predict`

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use shared_model::bags::Bags;
use shared_model::bundle::{BundleReader, Molecule};
use shared_model::ensemble;
use shared_model::schema::TaskSchema;

use super::tables::{FeatureArgs, note};
use crate::attention_table::{AttentionRow, AttentionTable};
use crate::bundle_file;
use crate::column_table::Format;
use crate::data::{Labels, Splits};
use crate::device::{self, DeviceChoice, DeviceModel};

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The model bundle
    bundle: PathBuf,
    /// Table that names the molecules and their splits; labels may be missing
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    #[command(flatten)]
    features: FeatureArgs,
    /// Split to predict [default: all molecules of the label table]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Device: auto, cpu, wgpu or cuda, or one of several as wgpu:1 (see `optimil devices`)
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// For an ensemble: write what each member says, too
    #[arg(long)]
    members: bool,
    /// Where to write the predictions: NAME.csv or NAME.parquet
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    // Before the work, not after it.
    Format::of(&args.out)?;
    let in_bundle = || format!("{}", args.bundle.display());
    let bytes = fs::read(&args.bundle).with_context(in_bundle)?;
    let bundle = BundleReader::open(&bytes).with_context(in_bundle)?;
    let manifest = bundle.manifest();
    let count = manifest.models.len();
    ensure!(
        !args.members || count > 1,
        "{} holds one model, not an ensemble: leave --members out",
        args.bundle.display()
    );
    let device = device::select(args.device)?;
    let models = manifest.models.iter().map(|model| DeviceModel::read(&bundle, model, &device.device));
    let models: Vec<DeviceModel> = models.collect::<Result<_, _>>().with_context(in_bundle)?;

    let splits = args.split.as_ref().map_or(Splits::All, |split| Splits::named([split.as_str()]));
    let dataset = args.features.load(Some(&args.labels), &manifest.schema, &splits, Labels::Optional)?;
    dataset.check_features(&manifest.features_2d, &manifest.features_3d)?;
    note(dataset.report().dropped_notice());
    let rows: Vec<usize> = (0..dataset.len()).collect();
    let (molecules, bags) = bundle_file::molecules(&dataset, &rows);
    let names = manifest.models.iter().map(|model| &*model.name).filter(|_| args.members);
    let table = attention_table(&models, &names.collect::<Vec<_>>(), &manifest.schema, &molecules, &bags)?;
    table.write(&args.out)?;
    println!(
        "predicted {} molecules ({} conformers){} on {}: {}",
        molecules.len(),
        table.rows.len(),
        if count > 1 { format!(" by {count} models") } else { String::new() },
        device.description,
        args.out.display()
    );
    Ok(())
}

/// Predicts molecules with a model, or with the members of an ensemble; members that are named have columns of their
/// own.
pub(super) fn attention_table(
    members: &[DeviceModel],
    names: &[&str],
    schema: &TaskSchema,
    molecules: &[Molecule],
    bags: &Bags,
) -> anyhow::Result<AttentionTable> {
    let bar = progress_bar(members.len());
    let mut predictions = Vec::with_capacity(members.len());
    for model in members {
        predictions.push(model.predict(bags)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let tasks: Vec<String> = schema.tasks.iter().map(|task| task.name.clone()).collect();
    let column = |kind: &'static str, member: String| {
        tasks.iter().map(move |task| format!("{kind}{task}{member}")).collect::<Vec<_>>()
    };
    let mut additional = Vec::new();
    if members.len() > 1 {
        additional
            .extend(["pred_std_", "attn_std_"].into_iter().flat_map(|kind| column(kind, String::new())));
    }
    for name in names {
        additional.extend(["pred_", "attn_"].into_iter().flat_map(|kind| column(kind, format!("[{name}]"))));
    }
    let predictions = ensemble::combine(predictions);
    let rows = molecules.iter().zip(&predictions).flat_map(|(molecule, prediction)| {
        let count = molecule.conformers.len();
        molecule.conformers.iter().enumerate().map(move |(index, conformer)| {
            let of_conformer = |attention: &[f32]| -> Vec<f32> {
                attention.iter().skip(index).step_by(count).copied().collect()
            };
            let mut additional = Vec::new();
            if let Some(spread) = &prediction.spread {
                additional.extend_from_slice(&spread.probabilities);
                additional.extend(of_conformer(&spread.attention));
            }
            for member in &prediction.members[..names.len()] {
                additional.extend_from_slice(&member.probabilities);
                additional.extend(of_conformer(&member.attention));
            }
            AttentionRow {
                id: molecule.id.clone(),
                conf_id: conformer.clone(),
                probabilities: prediction.probabilities.clone(),
                attention: of_conformer(&prediction.attention),
                additional,
            }
        })
    });
    Ok(AttentionTable { rows: rows.collect(), tasks, additional })
}

/// Progress through the members of an ensemble; nothing for a single model.
fn progress_bar(members: usize) -> ProgressBar {
    if members < 2 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(members as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} models  elapsed {elapsed}, {eta} left");
    bar.set_style(style.expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
