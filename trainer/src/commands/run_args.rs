//! Options of every command that trains, and what they resolve to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use shared_model::schema::TaskSchema;

use super::tables::{FeatureArgs, note, schema};
use crate::data::{self, Dataset, Labels, Splits};
use crate::device::{self, DeviceChoice, SelectedDevice};
use crate::parameters::RunParameters;
use crate::training::TrainSettings;

/// What to train on, how, and where.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    /// Labels, splits and weights, one row a molecule (CSV, CSV.gz or Parquet)
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    #[command(flatten)]
    pub features: FeatureArgs,
    /// Task schema (TOML) [default: the four EUOS25 tasks]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Parameters of the run (JSON), as a search wrote them [default: the built-in ones]
    #[arg(long, value_name = "FILE", alias = "best-params-json")]
    pub params: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Most epochs
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_epochs: u32,
    /// Epochs without a better macro average precision before training stops
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub patience: u32,
    /// Device: auto, cpu, wgpu or cuda
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

/// What is known before the tables are read.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Tasks and columns.
    pub schema: TaskSchema,
    /// Parameters, defaults included.
    pub parameters: RunParameters,
    /// The device, which is there.
    pub device: SelectedDevice,
}

impl RunArgs {
    /// Reads schema and parameters and finds the device.
    pub fn resolve(&self) -> anyhow::Result<Run> {
        let schema = schema(self.schema.as_ref())?;
        let parameters = read_parameters(self.params.as_deref(), &schema)?;
        let device = device::select(self.device)?;
        Ok(Run { schema, parameters, device })
    }

    /// Loads the molecules of some splits, and tells what was left out.
    pub fn load(&self, run: &Run, splits: &Splits) -> anyhow::Result<Dataset> {
        let tables = self.features.tables(Some(&self.labels));
        let dataset = data::load(&tables, &run.schema, splits, Labels::Required)?;
        anyhow::ensure!(
            !dataset.names_2d().is_empty(),
            "there are no 2D features, without which the network cannot be trained: give their table with --feat2d"
        );
        note(dataset.report().dropped_notice());
        note(dataset.report().absent_columns_notice());
        Ok(dataset)
    }

    /// Seed, limits and device of the training loop.
    pub fn settings(&self, run: &Run) -> TrainSettings {
        TrainSettings {
            seed: self.seed,
            max_epochs: self.max_epochs as usize,
            patience: self.patience as usize,
            device: run.device.device.clone(),
        }
    }
}

fn read_parameters(path: Option<&Path>, schema: &TaskSchema) -> anyhow::Result<RunParameters> {
    let Some(path) = path else { return Ok(RunParameters::from_json(&json!({}), schema)?) };
    let in_file = || format!("parameters {}", path.display());
    let text = fs::read(path).with_context(in_file)?;
    let value = serde_json::from_slice(&text).context("not valid JSON").with_context(in_file)?;
    RunParameters::from_json(&value, schema).with_context(in_file)
}
