//! What happened in each epoch, and the table of it.

use std::io;
use std::path::Path;

use burn::tensor::{Tensor, backend::Backend};
use shared_model::schema::TaskSchema;

use crate::atomic_file;
use crate::metrics::TaskMetrics;

/// The losses of an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct LossValues {
    /// The whole objective.
    pub total: f32,
    /// Classification.
    pub classification: f32,
    /// Absorbance regression.
    pub absorbance: f32,
    /// Fluorescence regression.
    pub fluorescence: f32,
    /// Bitmask cross entropy.
    pub bitmask: f32,
    /// Focal loss of each task.
    pub per_task: Vec<f32>,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochRecord {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Seconds since training began.
    pub seconds: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean losses of the training batches.
    pub train_losses: LossValues,
    /// Mean losses on the validation molecules.
    pub validation_losses: LossValues,
    /// Metrics on the validation molecules.
    pub metrics: TaskMetrics,
}

impl LossValues {
    /// Reads back a vector made by [`Losses::to_vector`](crate::losses::Losses::to_vector).
    pub(super) fn from_vector<B: Backend>(vector: Tensor<B, 1>) -> Self {
        let values: Vec<f32> = vector.into_data().to_vec().expect("float32");
        let [total, classification, absorbance, fluorescence, bitmask, ref per_task @ ..] = values[..] else {
            unreachable!("a vector of losses has five entries before the tasks'");
        };
        Self { total, classification, absorbance, fluorescence, bitmask, per_task: per_task.to_vec() }
    }

    /// Parts before the whole: the part says more about what went wrong.
    pub(super) const NAMES: [&str; 5] = ["classification", "absorbance", "fluorescence", "bitmask", "total"];

    /// The losses in the order of their names.
    pub(super) fn values(&self) -> [f32; 5] {
        [self.classification, self.absorbance, self.fluorescence, self.bitmask, self.total]
    }

    /// The first loss that is NaN or infinite.
    pub(super) fn not_finite(&self) -> Option<(&'static str, f32)> {
        Self::NAMES.into_iter().zip(self.values()).find(|(_, value)| !value.is_finite())
    }
}

impl EpochRecord {
    /// All numbers of an epoch with T tasks: 3 + 2·(5 + T) + 2·T.
    pub(super) fn to_numbers(&self) -> Vec<f64> {
        let mut numbers = vec![self.epoch as f64, self.seconds, self.lr];
        for losses in [&self.train_losses, &self.validation_losses] {
            numbers.extend(losses.values().iter().chain(&losses.per_task).map(|&loss| f64::from(loss)));
        }
        numbers.extend(self.metrics.average_precision.iter().chain(&self.metrics.roc_auc));
        numbers
    }

    /// Takes up what [`to_numbers`](Self::to_numbers) gave; none for another number of tasks.
    pub(super) fn from_numbers(numbers: &[f64], tasks: usize) -> Option<Self> {
        let (&[epoch, seconds, lr], rest) = numbers.split_first_chunk()?;
        let (train, rest) = rest.split_at_checked(5 + tasks)?;
        let (validation, rest) = rest.split_at_checked(5 + tasks)?;
        let (average_precision, roc_auc) = rest.split_at_checked(tasks)?;
        let losses = |numbers: &[f64]| {
            let values: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
            let [classification, absorbance, fluorescence, bitmask, total, ref per_task @ ..] = values[..]
            else {
                unreachable!("five and the tasks'")
            };
            LossValues {
                total,
                classification,
                absorbance,
                fluorescence,
                bitmask,
                per_task: per_task.to_vec(),
            }
        };
        (roc_auc.len() == tasks).then(|| Self {
            epoch: epoch as usize,
            seconds,
            lr,
            train_losses: losses(train),
            validation_losses: losses(validation),
            metrics: TaskMetrics { average_precision: average_precision.to_vec(), roc_auc: roc_auc.to_vec() },
        })
    }
}

/// Writes the history as CSV, one row an epoch.
///
/// # Errors
/// If the file cannot be written.
pub fn write_history(path: &Path, schema: &TaskSchema, history: &[EpochRecord]) -> io::Result<()> {
    atomic_file::write(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(header(schema))?;
        for record in history {
            table.write_record(row(record))?;
        }
        table.flush()
    })
}

fn header(schema: &TaskSchema) -> Vec<String> {
    let tasks = |prefix: &str| -> Vec<String> {
        schema.tasks.iter().map(|task| format!("{prefix}_{}", task.name)).collect()
    };
    let mut header = ["epoch", "seconds", "lr"].map(String::from).to_vec();
    for part in ["train", "val"] {
        header.extend(LossValues::NAMES.map(|loss| format!("{part}_loss_{loss}")));
        header.extend(tasks(&format!("{part}_loss")));
    }
    header.extend(["val_macro_ap", "val_min_ap", "val_macro_roc_auc", "val_min_roc_auc"].map(String::from));
    header.extend(tasks("val_ap"));
    header.extend(tasks("val_roc_auc"));
    header
}

fn row(record: &EpochRecord) -> Vec<String> {
    let mut row = vec![record.epoch.to_string(), format!("{:.3}", record.seconds), record.lr.to_string()];
    for losses in [&record.train_losses, &record.validation_losses] {
        row.extend(losses.values().iter().chain(&losses.per_task).map(f32::to_string));
    }
    let metrics = &record.metrics;
    let overall = [metrics.macro_ap(), metrics.min_ap(), metrics.macro_roc_auc(), metrics.min_roc_auc()];
    let numbers = overall.iter().chain(&metrics.average_precision).chain(&metrics.roc_auc);
    row.extend(numbers.map(f64::to_string));
    row
}
