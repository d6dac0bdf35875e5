//! `optimil predict`

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shared_model::bags::Bags;
use shared_model::bundle::{BundleReader, Molecule};
use shared_model::schema::TaskSchema;

use super::tables::{FeatureArgs, note};
use crate::attention_table::{AttentionRow, AttentionTable};
use crate::data::{self, Labels, Splits};
use crate::device::{self, DeviceChoice, DeviceModel};
use crate::{attention_table, bundle_file};

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
    /// Where to write the predictions: NAME.csv or NAME.parquet
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    // Before the work, not after it.
    attention_table::Format::of(&args.out)?;
    let in_bundle = || format!("{}", args.bundle.display());
    let bytes = fs::read(&args.bundle).with_context(in_bundle)?;
    let bundle = BundleReader::open(&bytes).with_context(in_bundle)?;
    let weights = bundle.weights().with_context(in_bundle)?;
    let manifest = bundle.manifest();
    let device = device::select(args.device)?;
    let model = DeviceModel::load(&manifest.model, &weights, &device.device).with_context(in_bundle)?;

    let splits = args.split.as_ref().map_or(Splits::All, |split| Splits::named([split.as_str()]));
    let tables = args.features.tables(Some(&args.labels));
    let dataset = data::load(&tables, &manifest.schema, &splits, Labels::Optional)?;
    dataset.check_features(&manifest.features_2d, &manifest.features_3d)?;
    note(dataset.report().dropped_notice());
    let rows: Vec<usize> = (0..dataset.len()).collect();
    let (molecules, bags) = bundle_file::molecules(&dataset, &rows);
    let table = attention_table(&model, &manifest.schema, &molecules, &bags)?;
    table.write(&args.out)?;
    println!(
        "predicted {} molecules ({} conformers) on {}: {}",
        molecules.len(),
        table.rows.len(),
        device.description,
        args.out.display()
    );
    Ok(())
}

/// Predicts molecules on the device of the model.
pub(super) fn attention_table(
    model: &DeviceModel,
    schema: &TaskSchema,
    molecules: &[Molecule],
    bags: &Bags,
) -> anyhow::Result<AttentionTable> {
    let predictions = model.predict(bags)?;
    let rows = molecules.iter().zip(&predictions).flat_map(|(molecule, prediction)| {
        let count = molecule.conformers.len();
        molecule.conformers.iter().enumerate().map(move |(index, conformer)| AttentionRow {
            id: molecule.id.clone(),
            conf_id: conformer.clone(),
            probabilities: prediction.probabilities.clone(),
            attention: prediction.attention.iter().skip(index).step_by(count).copied().collect(),
        })
    });
    Ok(AttentionTable { tasks: schema.tasks.iter().map(|t| t.name.clone()).collect(), rows: rows.collect() })
}
