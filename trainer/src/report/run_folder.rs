//! What a run left behind, read from its folder alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shared_model::bundle::{BundleReader, TrainingSummary};
use shared_model::schema::TaskSchema;

use super::ReportError;
use crate::cross_validation::CvSummary;
use crate::data::DatasetSummary;
use crate::file_error::FileError;
use crate::prediction_table::{Parts, PredictionTable};
use crate::search::SearchRecord;

/// A run, as its folder tells it.
#[derive(Debug)]
pub(super) struct RunFolder {
    pub kind: Kind,
    pub producer: String,
    pub created: String,
    pub data_sha256: String,
    pub device: String,
    pub seed: u64,
    pub schema: TaskSchema,
    pub parameters: Value,
    pub predictions: PredictionTable,
    /// Numbers per epoch: of the run, or of each fold.
    pub histories: Vec<History>,
    pub data: Option<DatasetSummary>,
    /// The search that the parameters come from.
    pub search: Option<SearchRecord>,
    /// SHA-256 of the files that count.
    pub hashes: Vec<(String, String)>,
}

/// What kind of run it was.
#[derive(Debug)]
pub(super) enum Kind {
    Training(Box<TrainingSummary>),
    CrossValidation(Box<CvSummary>),
}

/// `metrics.csv`.
#[derive(Debug)]
pub(super) struct History {
    /// Name of the fold; empty for a run without folds.
    pub name: String,
    /// Epoch, counted from 1, whose weights were kept.
    pub best_epoch: usize,
    columns: BTreeMap<String, Vec<f64>>,
}

impl History {
    /// The numbers of a column by epoch; none if there is no such column.
    pub fn column(&self, name: &str) -> Option<Vec<(f64, f64)>> {
        let epochs = self.columns.get("epoch")?;
        Some(epochs.iter().copied().zip(self.columns.get(name)?.iter().copied()).collect())
    }

    fn read(path: &Path, name: String, best_epoch: usize) -> Result<Self, ReportError> {
        let unreadable = |error: csv::Error| FileError::unreadable(path, error);
        let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
        let header = reader.headers().map_err(unreadable)?.clone();
        let mut columns: BTreeMap<String, Vec<f64>> =
            header.iter().map(|name| (name.to_owned(), Vec::new())).collect();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            for (name, cell) in header.iter().zip(&record) {
                // A column may be empty in some epochs.
                let number = cell.parse().unwrap_or(f64::NAN);
                columns.get_mut(name).expect("the columns are those of the header").push(number);
            }
        }
        Ok(Self { name, best_epoch, columns })
    }
}

impl RunFolder {
    /// Reads the folder of `optimil train` or `optimil cv`.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        if folder.join(CvSummary::FILE).is_file() {
            Self::read_cross_validation(folder)
        } else if folder.join("predictions.csv").is_file() && folder.join("model.optimil").is_file() {
            Self::read_training(folder)
        } else {
            Err(ReportError::NoRun { folder: folder.into() })
        }
    }

    fn read_training(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join("model.optimil");
        let bytes = read(&path)?;
        let bundle = BundleReader::open(&bytes).map_err(|error| FileError::unreadable(&path, error))?;
        let manifest = bundle.manifest();
        let model = &manifest.models[0];
        let training = model
            .training
            .clone()
            .ok_or_else(|| FileError::unreadable(&path, "the bundle does not say how it was trained"))?;
        let data = json(&folder.join(DatasetSummary::FILE))?;
        let history = History::read(&folder.join("metrics.csv"), String::new(), training.best_epoch)?;
        Ok(Self {
            producer: manifest.producer.clone(),
            created: manifest.created.clone(),
            data_sha256: training.data_sha256.clone(),
            device: training.device.clone(),
            seed: training.seed,
            schema: manifest.schema.clone(),
            parameters: model.parameters.clone(),
            predictions: predictions(&folder.join("predictions.csv"), &manifest.schema)?,
            histories: vec![history],
            data: serde_json::from_value(data).ok(),
            search: search_record(folder)?,
            hashes: hashes(folder, &["model.optimil", "predictions.csv", "metrics.csv"])?,
            kind: Kind::Training(Box::new(training)),
        })
    }

    fn read_cross_validation(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join(CvSummary::FILE);
        let summary: CvSummary =
            serde_json::from_slice(&read(&path)?).map_err(|error| FileError::unreadable(&path, error))?;
        let predictions = predictions(&folder.join("oof_predictions.csv"), &summary.schema)?;
        let mut histories = Vec::new();
        let Parts::Folds(keys) = &predictions.parts else {
            return Err(ReportError::NoRun { folder: folder.into() });
        };
        let mut keys = keys.clone();
        keys.sort_unstable();
        keys.dedup();
        let store = crate::cross_validation::FoldStore::new(folder);
        for key in keys {
            let fold = store.fold(key);
            let record = json(&fold.join("fold.json"))?;
            let best_epoch = record["best_epoch"].as_u64().unwrap_or(0) as usize;
            let name = match summary.repeats {
                1 => format!("fold {}", key.fold),
                _ => format!("repeat {}, fold {}", key.repeat, key.fold),
            };
            histories.push(History::read(&fold.join("metrics.csv"), name, best_epoch)?);
        }
        Ok(Self {
            producer: summary.producer.clone(),
            created: summary.created.clone(),
            data_sha256: summary.data_sha256.clone(),
            device: summary.device.clone(),
            seed: summary.seed,
            schema: summary.schema.clone(),
            parameters: summary.parameters.clone(),
            predictions,
            histories,
            data: Some(summary.data.clone()),
            search: None,
            hashes: hashes(folder, &[CvSummary::FILE, "oof_predictions.csv", "folds.csv"])?,
            kind: Kind::CrossValidation(Box::new(summary)),
        })
    }

    /// Label matrix, weights and the probabilities of each repeat, whose molecules stand in one order.
    pub fn repeats(&self) -> Vec<&[f32]> {
        let tasks = self.predictions.tasks.len();
        let repeats = match &self.predictions.parts {
            Parts::Splits(_) => 1,
            Parts::Folds(keys) => keys.iter().map(|key| key.repeat as usize + 1).max().unwrap_or(1),
        };
        let molecules = self.predictions.len() / repeats;
        self.predictions.probabilities.chunks_exact(molecules * tasks).collect()
    }
}

/// Predictions of the tasks of the schema, every repeat of the same molecules.
fn predictions(path: &Path, schema: &TaskSchema) -> Result<PredictionTable, ReportError> {
    let table = PredictionTable::read_csv(path)?;
    let foreign = |reason: &str| ReportError::from(FileError::unreadable(path, reason));
    if table.is_empty() || !table.tasks.iter().eq(schema.tasks.iter().map(|task| &task.name)) {
        return Err(foreign("it does not hold predictions of the tasks of the run"));
    }
    if let Parts::Folds(keys) = &table.parts {
        let repeats = keys.iter().map(|key| key.repeat as usize + 1).max().unwrap_or(1);
        let molecules = table.len() / repeats;
        let same = table.len().is_multiple_of(repeats)
            && table.ids.chunks(molecules).all(|ids| ids == &table.ids[..molecules])
            && keys
                .chunks(molecules)
                .enumerate()
                .all(|(repeat, keys)| keys.iter().all(|key| key.repeat as usize == repeat));
        if !same {
            return Err(foreign("its repeats are not predictions of the same molecules"));
        }
    }
    Ok(table)
}

/// What a search left in the folder, if there was one.
pub(super) fn search_record(folder: &Path) -> Result<Option<SearchRecord>, FileError> {
    let path = folder.join(SearchRecord::FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let record = serde_json::from_slice(&read(&path)?);
    record.map(Some).map_err(|error| FileError::unreadable(&path, error))
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::unreadable(path, error))
}

fn json(path: &Path) -> Result<Value, FileError> {
    serde_json::from_slice(&read(path)?).map_err(|error| FileError::unreadable(path, error))
}

fn hashes(folder: &Path, names: &[&str]) -> Result<Vec<(String, String)>, FileError> {
    let hash = |name: &&str| {
        let digest = Sha256::digest(read(&folder.join(name))?);
        Ok(((*name).to_owned(), digest.iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    names.iter().map(hash).collect()
}
