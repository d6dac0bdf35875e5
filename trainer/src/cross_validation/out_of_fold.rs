//! What all folds say together.

use shared_model::metrics::TaskPredictions;

use super::FoldResult;
use super::plan::{FoldPlan, Round};
use crate::data::Dataset;
use crate::labels::LabelMatrix;
use crate::metrics::{self, TaskMetrics};
use crate::prediction_table::{FoldKey, Parts, PredictionTable};

/// Predictions of every molecule by the models that were not trained on it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFold {
    /// Rows of the data set, ascending.
    pub rows: Vec<usize>,
    /// Labels `[M, T]` of these rows.
    pub labels: Vec<bool>,
    /// Label weights `[M, T]`.
    pub weights: Vec<f32>,
    /// Probabilities `[M, T]` of each repeat.
    pub repeats: Vec<Vec<f32>>,
    /// Fold of each row in each repeat.
    folds: Vec<Vec<FoldKey>>,
}

impl OutOfFold {
    /// Puts the folds together.
    ///
    /// # Panics
    /// If the results are not those of the plan.
    pub fn new(dataset: &Dataset, plan: &FoldPlan, results: &[FoldResult]) -> Self {
        let (rows, tasks) = (plan.validated_rows(), dataset.schema().task_count());
        let nothing = FoldKey { repeat: 0, fold: 0 };
        let mut repeats = vec![vec![0.0; rows.len() * tasks]; plan.repeats() as usize];
        let mut folds = vec![vec![nothing; rows.len()]; plan.repeats() as usize];
        assert_eq!(plan.rounds().len(), results.len(), "one result a round");
        for (round, result) in plan.rounds().iter().zip(results) {
            let repeat = round.key.repeat as usize;
            for (row, probabilities) in
                round.fold.validation.iter().zip(result.probabilities.chunks_exact(tasks))
            {
                let at = rows.binary_search(row).expect("every repeat validates the same molecules");
                repeats[repeat][at * tasks..(at + 1) * tasks].copy_from_slice(probabilities);
                folds[repeat][at] = round.key;
            }
        }
        Self {
            labels: rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect(),
            weights: rows.iter().flat_map(|&row| dataset.weights().row(row)).copied().collect(),
            rows,
            repeats,
            folds,
        }
    }

    /// The repeats as matrices.
    pub fn matrices(&self) -> Vec<&[f32]> {
        self.repeats.iter().map(Vec::as_slice).collect()
    }

    /// All predictions, repeat after repeat.
    pub fn table(&self, dataset: &Dataset) -> PredictionTable {
        let rows: Vec<usize> = self.repeats.iter().flat_map(|_| &self.rows).copied().collect();
        PredictionTable::of_rows(dataset, &rows, Parts::Folds(self.folds.concat()), self.repeats.concat())
    }
}

/// How well one fold went.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldMetrics {
    /// Molecules validated.
    pub molecules: usize,
    /// Positives of each task among them.
    pub positives: Vec<usize>,
    /// Average precision and ROC AUC of each task.
    pub metrics: TaskMetrics,
    /// Accuracy of each task at probability 0.5.
    pub accuracy: Vec<f64>,
    /// The score of the fold, `(1 - min_w)·macro AP + min_w·min AP`.
    pub score: f64,
}

impl FoldMetrics {
    /// Computes the metrics of a fold.
    ///
    /// # Panics
    /// If the result is of another fold.
    pub fn new(dataset: &Dataset, round: &Round, result: &FoldResult, min_w: f64) -> Self {
        let tasks = &dataset.schema().tasks;
        let rows = &round.fold.validation;
        let labels: Vec<bool> = rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect();
        let weights: Vec<f32> = rows.iter().flat_map(|&row| dataset.weights().row(row)).copied().collect();
        let labels = LabelMatrix::new(&labels, tasks.len());
        let metrics = metrics::evaluate(tasks, labels, &result.probabilities, &weights);
        let predictions = metrics::predictions_of_tasks(tasks, labels, &[&result.probabilities], &weights);
        Self {
            molecules: rows.len(),
            positives: labels.positives(),
            accuracy: predictions.iter().map(TaskPredictions::accuracy).collect(),
            score: metrics.fold_score(min_w),
            metrics,
        }
    }

    /// Whether the fold has both classes of a task, without which there is nothing to rank.
    pub fn ranks(&self, task: usize) -> bool {
        self.positives[task] > 0 && self.positives[task] < self.molecules
    }
}
