//! Metrics of matrices of predictions, and of one model against another; the formulas are `shared_model::metrics`.

mod bootstrap;
mod comparison;
mod task_predictions;

pub use bootstrap::{macro_estimates, summarise, task_estimates};
pub use comparison::{Comparison, Difference, compare};
pub use task_predictions::{predictions_of_task, predictions_of_tasks};

use shared_model::metrics::{Ranking, Scored};
use shared_model::schema::Task;

use crate::labels::LabelMatrix;

/// Metrics of each task, in task order.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMetrics {
    /// Average precision; 0 for a task without positives.
    pub average_precision: Vec<f64>,
    /// Area under the ROC curve; 0.5 for a task with one class only.
    pub roc_auc: Vec<f64>,
}

impl TaskMetrics {
    /// Mean average precision over the tasks.
    pub fn macro_ap(&self) -> f64 {
        mean(&self.average_precision)
    }

    /// Average precision of the worst task.
    pub fn min_ap(&self) -> f64 {
        self.average_precision.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Mean ROC AUC over the tasks.
    pub fn macro_roc_auc(&self) -> f64 {
        mean(&self.roc_auc)
    }

    /// ROC AUC of the worst task.
    pub fn min_roc_auc(&self) -> f64 {
        self.roc_auc.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The score of a fold in the hyper-parameter search, `(1 - min_w)·macro AP + min_w·min AP`.
    pub fn fold_score(&self, min_w: f64) -> f64 {
        (1.0 - min_w) * self.macro_ap() + min_w * self.min_ap()
    }
}

/// Metrics of the predictions `[M, T]` for the labels `[M, T]`.
///
/// The sample weights `[M, T]` count only for tasks with [`Task::weighted_metrics`]; elsewhere every molecule
/// weighs 1. A NaN prediction counts as 0, +∞ as 1 and −∞ as 0.
///
/// # Panics
/// If there is not one task per column, or predictions or weights are not of the labels' shape.
pub fn evaluate<P, W>(tasks: &[Task], labels: LabelMatrix, predictions: &[P], weights: &[W]) -> TaskMetrics
where
    P: Copy + Into<f64>,
    W: Copy + Into<f64>,
{
    let cells = labels.molecules() * labels.tasks();
    assert_eq!(tasks.len(), labels.tasks(), "one task per column of the labels");
    assert_eq!(predictions.len(), cells, "one prediction per label");
    assert_eq!(weights.len(), cells, "one weight per label");
    let (average_precision, roc_auc) = tasks
        .iter()
        .enumerate()
        .map(|(task, description)| {
            let ranking = Ranking::new((0..labels.molecules()).map(|row| {
                let cell = row * labels.tasks() + task;
                Scored {
                    positive: labels.is_positive(row, task),
                    score: predictions[cell].into(),
                    weight: if description.weighted_metrics { weights[cell].into() } else { 1.0 },
                }
            }));
            (ranking.average_precision(), ranking.roc_auc())
        })
        .unzip();
    TaskMetrics { average_precision, roc_auc }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
