//! `optimil import`

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shared_model::bundle::{BundleContents, ModelEntry};

use super::tables::{FeatureArgs, note, schema};
use crate::bundle_file;
use crate::checkpoint::LightningCheckpoint;
use crate::data::{Labels, Splits};
use crate::device::{Device, DeviceModel};
use crate::import::imported_model;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// A PyTorch Lightning checkpoint, or a state dict in safetensors with --hyper-parameters
    checkpoint: PathBuf,
    /// The model's hyper-parameters (JSON), for a state dict in safetensors
    #[arg(long, value_name = "FILE")]
    hyper_parameters: Option<PathBuf>,
    #[command(flatten)]
    features: FeatureArgs,
    /// Labels, splits and structures of the molecules that travel with the model
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Split whose molecules travel with the model [default: all molecules of the tables]
    #[arg(long, value_name = "NAME", requires = "labels")]
    split: Option<String>,
    /// Task schema (TOML) [default: the four EUOS25 tasks]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Coordinates of the conformers (SD file, may be gzipped; properties ID and conf_id), to travel in the bundle
    #[arg(long, value_name = "FILE")]
    conformers: Option<PathBuf>,
    /// The bundle to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let schema = schema(args.schema.as_ref())?;
    let checkpoint = read_checkpoint(args)?;
    let in_checkpoint = || format!("{}", args.checkpoint.display());
    let imported = imported_model(checkpoint, &schema).with_context(in_checkpoint)?;

    let splits = args.split.as_ref().map_or(Splits::All, |split| Splits::named([split.as_str()]));
    let dataset = args.features.load(args.labels.as_ref(), &schema, &splits, Labels::Optional)?;
    imported.check_widths(dataset.names_2d().len(), dataset.names_3d().len()).with_context(in_checkpoint)?;
    note(dataset.report().dropped_notice());
    // Builds the network once: a state dict that does not fit must not become a bundle.
    DeviceModel::load(&imported.config, &imported.weights, &Device::Cpu).with_context(in_checkpoint)?;

    let rows: Vec<usize> = (0..dataset.len()).collect();
    let (molecules, bags) = bundle_file::molecules(&dataset, &rows);
    let conformers =
        args.conformers.as_deref().map(|path| bundle_file::read_conformers(path, &molecules)).transpose()?;
    let model = ModelEntry {
        bitmask_groups: imported.bitmask_groups,
        parameters: imported.hyper_parameters.into(),
        ..ModelEntry::new(imported.config)
    };
    let contents = BundleContents {
        manifest: bundle_file::manifest(&schema, dataset.names_2d(), dataset.names_3d(), None),
        models: vec![(model, imported.weights)],
        molecules: Some((molecules, bags)),
        conformers,
    };
    bundle_file::write(&args.out, &contents)
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    println!("imported {} with {} molecules: {}", args.checkpoint.display(), rows.len(), args.out.display());
    Ok(())
}

fn read_checkpoint(args: &ImportArgs) -> anyhow::Result<LightningCheckpoint> {
    let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
    let bytes = read(&args.checkpoint)?;
    let checkpoint = match &args.hyper_parameters {
        Some(path) => LightningCheckpoint::from_safetensors(&bytes, &read(path)?),
        None => LightningCheckpoint::from_bytes(&bytes),
    };
    checkpoint.with_context(|| args.checkpoint.display().to_string())
}
