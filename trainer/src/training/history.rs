//! What happened in each epoch, and the table of it.

use std::io::Write;
use std::path::Path;

use burn::Dispatch;
use burn::tensor::Tensor;
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
    /// Mean losses of the training batches.
    pub train_losses: LossValues,
    /// Mean losses on the validation molecules.
    pub validation_losses: LossValues,
    /// Metrics on the validation molecules.
    pub metrics: TaskMetrics,
}

impl LossValues {
    /// Reads back a vector made by [`Losses::to_vector`](crate::losses::Losses::to_vector).
    pub(super) fn from_vector(vector: Tensor<Dispatch, 1>) -> Self {
        let values: Vec<f32> = vector.into_data().to_vec().expect("float32");
        let [total, classification, absorbance, fluorescence, bitmask, ref per_task @ ..] = values[..] else {
            unreachable!("a vector of losses has five entries before the tasks'");
        };
        Self { total, classification, absorbance, fluorescence, bitmask, per_task: per_task.to_vec() }
    }

    /// The first loss that is NaN or infinite.
    pub(super) fn not_finite(&self) -> Option<(&'static str, f32)> {
        self.named().into_iter().find(|(_, value)| !value.is_finite())
    }

    /// Parts before the whole: the part says more about what went wrong.
    fn named(&self) -> [(&'static str, f32); 5] {
        [
            ("classification", self.classification),
            ("absorbance", self.absorbance),
            ("fluorescence", self.fluorescence),
            ("bitmask", self.bitmask),
            ("total", self.total),
        ]
    }
}

/// Writes the history as CSV, one row an epoch.
///
/// # Errors
/// If the file cannot be written.
pub fn write_history(path: &Path, schema: &TaskSchema, history: &[EpochRecord]) -> std::io::Result<()> {
    let tasks = || schema.tasks.iter().map(|task| &task.name);
    atomic_file::write(path, |file| {
        write!(file, "epoch,seconds")?;
        for part in ["train", "val"] {
            for loss in ["classification", "absorbance", "fluorescence", "bitmask", "total"] {
                write!(file, ",{part}_loss_{loss}")?;
            }
            for task in tasks() {
                write!(file, ",{part}_loss_{task}")?;
            }
        }
        write!(file, ",val_macro_ap,val_min_ap,val_macro_roc_auc,val_min_roc_auc")?;
        for metric in ["ap", "roc_auc"] {
            for task in tasks() {
                write!(file, ",val_{metric}_{task}")?;
            }
        }
        writeln!(file)?;
        for record in history {
            write!(file, "{},{:.3}", record.epoch, record.seconds)?;
            for losses in [&record.train_losses, &record.validation_losses] {
                for value in losses.named().iter().map(|(_, value)| value).chain(&losses.per_task) {
                    write!(file, ",{value}")?;
                }
            }
            let m = &record.metrics;
            write!(file, ",{},{},{},{}", m.macro_ap(), m.min_ap(), m.macro_roc_auc(), m.min_roc_auc())?;
            for value in m.average_precision.iter().chain(&m.roc_auc) {
                write!(file, ",{value}")?;
            }
            writeln!(file)?;
        }
        Ok(())
    })
}
