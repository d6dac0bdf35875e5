//! Options of every command that trains, and what they resolve to.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value};
use shared_model::schema::TaskSchema;

use super::config_file::{ConfigFile, ResolvedOptions};
use super::tables::{FeatureArgs, note, schema};
use crate::atomic_file;
use crate::data::{Dataset, Labels, Splits};
use crate::device::{self, DeviceChoice, Precision, SelectedDevice};
use crate::parameters::{self, RunParameters};
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
    /// Parameters of the run (JSON), or the run folder of a search [default: the built-in ones]
    #[arg(long, value_name = "FILE", alias = "best-params-json")]
    pub params: Option<PathBuf>,
    /// One parameter, over those of files; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, Value)>,
    /// Options of this command and a table [parameters] (TOML); what is typed goes before what it says
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Standardise raw features by statistics of the training molecules, which become part of the model
    #[arg(long)]
    pub scale_features: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Most epochs
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_epochs: u32,
    /// Epochs without a better macro average precision before training stops
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub patience: u32,
    /// Device: auto, cpu, wgpu or cuda, or one of several as wgpu:1 (see `optimil devices`)
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Arithmetic of training: 32-true, 16-mixed or bf16-mixed, where the device has it (see `optimil devices`)
    #[arg(long, value_name = "PRECISION", default_value = "32-true")]
    pub precision: Precision,
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
    /// Parameters as files give them, without defaults and `--set`.
    pub given: Map<String, Value>,
    /// Hash of the data of the run that is repeated, if one is.
    expected_data: Option<String>,
}

impl RunArgs {
    /// Reads schema and parameters and finds the device.
    pub fn resolve(&self) -> anyhow::Result<Run> {
        self.resolve_over(None)
    }

    /// As [`resolve`](Self::resolve); without `--params`, the best parameters that a search left in the run folder are
    /// taken.
    pub fn resolve_in(&self, folder: &Path) -> anyhow::Result<Run> {
        let best = match &self.params {
            None => best_parameters_in(folder)?,
            Some(_) => None,
        };
        note(best.as_ref().map(|best| format!("parameters {}, as the search left them", best.display())));
        self.resolve_over(best.as_deref())
    }

    fn resolve_over(&self, best: Option<&Path>) -> anyhow::Result<Run> {
        let schema = schema(self.schema.as_ref())?;
        let config = self.config.as_deref().map(ConfigFile::read).transpose()?;
        let mut given = best.map(read_parameters).transpose()?.unwrap_or_default();
        given.extend(self.given(config.as_ref())?);
        let parameters = self.parameters(given.clone(), &schema)?;
        let device = device::select(self.device)?;
        device.check(self.precision)?;
        let expected_data = config.and_then(|config| config.data_sha256);
        Ok(Run { schema, parameters, device, given, expected_data })
    }

    /// Parameters from files; of two that give the same one, the typed one wins.
    fn given(&self, config: Option<&ConfigFile>) -> anyhow::Result<Map<String, Value>> {
        let file = self.params.as_deref().map(read_parameters).transpose()?;
        let table = config.map(|config| config.parameters.clone());
        let file_is_typed =
            self.params != config.and_then(|c| c.file("params").or(c.file("best-params-json")));
        let (weaker, stronger) = if file_is_typed { (table, file) } else { (file, table) };
        let mut parameters = weaker.unwrap_or_default();
        parameters.extend(stronger.unwrap_or_default());
        if self.scale_features {
            parameters.insert("scaled_features".into(), true.into());
        }
        Ok(parameters)
    }

    /// Parameters from files and options.
    fn parameters(
        &self,
        mut parameters: Map<String, Value>,
        schema: &TaskSchema,
    ) -> anyhow::Result<RunParameters> {
        parameters.extend(self.set.iter().cloned());
        let sources = [self.params.as_deref(), self.config.as_deref()];
        let sources: Vec<String> = sources.iter().flatten().map(|path| path.display().to_string()).collect();
        RunParameters::from_json(&Value::Object(parameters), schema)
            .with_context(|| format!("parameters {}", sources.join(" and ")).trim_end().to_owned())
    }

    /// The configuration of a run, complete, as the text of a configuration file.
    pub fn configuration(
        &self,
        command: &str,
        options: &ResolvedOptions,
        run: &Run,
        dataset: &Dataset,
    ) -> String {
        let recorded = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("data_sha256", &dataset.sha256()),
            ("device", &run.device.description),
        ];
        let device = run.device.choice.to_string();
        options.to_toml(command, &device, &run.parameters.resolved, &recorded)
    }

    /// Writes the configuration of a run as `run.toml` into its folder.
    pub fn write_configuration(
        &self,
        folder: &Path,
        command: &str,
        options: &ResolvedOptions,
        run: &Run,
        dataset: &Dataset,
    ) -> anyhow::Result<()> {
        let path = folder.join("run.toml");
        let text = self.configuration(command, options, run, dataset);
        atomic_file::write(&path, |file| file.write_all(text.as_bytes()))
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Loads the molecules of some splits, and tells what was left out.
    pub fn load(&self, run: &Run, splits: &Splits) -> anyhow::Result<Dataset> {
        let dataset = self.features.load(Some(&self.labels), &run.schema, splits, Labels::Required)?;
        note(dataset.report().dropped_notice());
        note(dataset.report().absent_columns_notice());
        note(run.expected_data.as_ref().filter(|expected| **expected != dataset.sha256()).map(|_| {
            "the tables hold other data than those of the run that wrote the configuration".to_owned()
        }));
        Ok(dataset)
    }

    /// Seed, limits and device of the training loop.
    pub fn settings(&self, run: &Run) -> TrainSettings {
        TrainSettings {
            seed: self.seed,
            max_epochs: self.max_epochs as usize,
            patience: self.patience as usize,
            device: run.device.device.clone(),
            precision: self.precision,
        }
    }
}

/// Ending of the files with the best parameters of a search.
pub(super) const BEST_PARAMETERS: &str = "_best_params.json";

/// The best parameters that a search left in a run folder; none if there was no search.
fn best_parameters_in(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(None) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(BEST_PARAMETERS)).collect();
    found.sort();
    anyhow::ensure!(
        found.len() < 2,
        "{} holds the best parameters of several studies ({}): give one of these files as --params",
        folder.display(),
        found.join(", ")
    );
    Ok(found.pop().map(|name| folder.join(name)))
}

/// Reads a file of parameters, or the best parameters in the run folder of a search.
pub(super) fn read_parameters(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let path = match path.is_dir() {
        false => path.to_owned(),
        true => best_parameters_in(path)?.with_context(|| {
            format!(
                "{} is a folder without the best parameters of a search (…{BEST_PARAMETERS})",
                path.display()
            )
        })?,
    };
    let in_file = || format!("parameters {}", path.display());
    let text = fs::read(&path).with_context(in_file)?;
    let value = serde_json::from_slice(&text).context("not valid JSON").with_context(in_file)?;
    Ok(parameters::flat(&value).with_context(in_file)?.clone())
}

/// `NAME=VALUE`, the value a JSON one or else a text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.trim().into(), serde_json::from_str(value).unwrap_or_else(|_| value.trim().into())))
}
