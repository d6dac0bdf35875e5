//! Folds on disk: an interrupted cross-validation goes on where it was, with the finished folds and the last whole
//! epoch of the one that was not finished.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_model::bundle::MixedPrecision;

use super::CrossValidationError;
use crate::atomic_file;
use crate::column_table::Format;
use crate::file_error::FileError;
use crate::prediction_table::{FoldKey, PredictionTable};

/// Folder of the finished folds of one model variant.
#[derive(Debug, Clone)]
pub struct FoldStore {
    folder: PathBuf,
}

/// What a finished fold is known by, beside its predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldRecord {
    /// Which fold.
    #[serde(flatten)]
    pub key: FoldKey,
    /// Seed of its training.
    pub seed: u64,
    /// Epochs run.
    pub epochs: usize,
    /// Epoch, counted from 1, whose weights and predictions were kept.
    pub best_epoch: usize,
    /// How training computed, where not all of it was in float32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_precision: Option<MixedPrecision>,
}

/// The file that says what a cross-validation is of, and that a folder holds one.
const IDENTITY: &str = "cv.json";
/// Written last: with it a fold is finished.
const RECORD: &str = "fold.json";
const PREDICTIONS: &str = "predictions.csv";

impl FoldStore {
    /// The folds of the variant in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.join("folds") }
    }

    /// Claims a run folder for the cross-validation that `identity` describes, or goes on with it.
    ///
    /// # Errors
    /// If the folder cannot be written; if it holds a cross-validation and `resume` is not set; if it holds another
    /// one.
    pub fn claim(folder: &Path, identity: &Value, resume: bool) -> Result<(), CrossValidationError> {
        let path = folder.join(IDENTITY);
        let unwritable = |error| FileError::unwritable(&path, error);
        fs::create_dir_all(folder).map_err(|error| FileError::unwritable(folder, error))?;
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(write_json(&path, identity).map_err(unwritable)?)
            }
            Err(error) => Err(FileError::unreadable(&path, error).into()),
            Ok(_) if !resume => Err(CrossValidationError::Occupied { folder: folder.into() }),
            Ok(bytes) => {
                let known: Value =
                    serde_json::from_slice(&bytes).map_err(|error| FileError::unreadable(&path, error))?;
                let differing = differing_names(&known, identity);
                if differing.is_empty() {
                    return Ok(());
                }
                Err(CrossValidationError::OtherRun { folder: folder.into(), differing: differing.join(", ") })
            }
        }
    }

    /// Whether a run folder was claimed for a cross-validation.
    pub fn is_claimed(folder: &Path) -> bool {
        folder.join(IDENTITY).exists()
    }

    /// Folder of a fold.
    pub fn fold(&self, key: FoldKey) -> PathBuf {
        self.folder.join(format!("repeat-{}-fold-{}", key.repeat, key.fold))
    }

    /// A finished fold; `None` if it is not.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub fn load(&self, key: FoldKey) -> Result<Option<(FoldRecord, PredictionTable)>, CrossValidationError> {
        let path = self.fold(key).join(RECORD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::unreadable(&path, error).into()),
        };
        let record = serde_json::from_slice(&bytes).map_err(|error| FileError::unreadable(&path, error))?;
        Ok(Some((record, PredictionTable::read_csv(&self.fold(key).join(PREDICTIONS))?)))
    }

    /// Keeps a fold: its predictions and whatever `more` writes into its folder, then the record that finishes it.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(
        &self,
        record: &FoldRecord,
        predictions: &PredictionTable,
        more: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), CrossValidationError> {
        let folder = self.fold(record.key);
        let unwritable = |error| FileError::unwritable(&folder, error);
        fs::create_dir_all(&folder).map_err(unwritable)?;
        predictions.write(&folder.join(PREDICTIONS), Format::Csv).map_err(unwritable)?;
        more(&folder).map_err(unwritable)?;
        Ok(write_json(&folder.join(RECORD), record).map_err(unwritable)?)
    }
}

/// Names whose values differ between two JSON objects, one level into objects.
pub(crate) fn differing_names(known: &Value, wanted: &Value) -> Vec<String> {
    let (Some(known), Some(wanted)) = (known.as_object(), wanted.as_object()) else {
        return vec!["everything".into()];
    };
    let mut names: Vec<&String> = known.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    let differ = |name: &&String| known.get(*name) != wanted.get(*name);
    let inner = |name: &String| match (known.get(name), wanted.get(name)) {
        (Some(known @ Value::Object(_)), Some(wanted @ Value::Object(_))) => differing_names(known, wanted),
        _ => vec![name.clone()],
    };
    names.into_iter().filter(differ).flat_map(inner).collect()
}

/// Writes a value as JSON for people.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    atomic_file::write(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}
