//! Predictions of one task, once or repeatedly, for the same molecules.

use shared_model::schema::Task;

use super::resampling::Resampler;
use super::{Ranking, Scored};
use crate::labels::LabelMatrix;

/// Labels and weights of M molecules for one task, and R predictions of each: repeats of a cross-validation.
///
/// A metric is computed for each repeat and averaged. Molecules are what is resampled, all repeats of one together,
/// since repeats of a molecule are not independent.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPredictions {
    positive: Vec<bool>,
    weights: Vec<f64>,
    scores: Vec<Vec<f64>>,
    /// The molecules of each repeat, highest score first: in order already, a resample costs no sorting.
    order: Vec<Vec<usize>>,
}

impl TaskPredictions {
    /// Predictions of a task from the repeats' matrices `[M, T]`. The weights `[M, T]` count if the task has
    /// [`Task::weighted_metrics`]; elsewhere every molecule weighs 1.
    ///
    /// # Panics
    /// If there is no repeat, or predictions or weights are not of the labels' shape.
    pub fn of_task(
        task: &Task,
        index: usize,
        labels: LabelMatrix,
        repeats: &[&[f32]],
        weights: &[f32],
    ) -> Self {
        let (molecules, tasks) = (labels.molecules(), labels.tasks());
        assert!(!repeats.is_empty(), "at least one repeat");
        assert_eq!(weights.len(), molecules * tasks, "one weight per label");
        let column = |values: &[f32]| -> Vec<f64> {
            assert_eq!(values.len(), molecules * tasks, "one prediction per label");
            values.iter().skip(index).step_by(tasks).map(|&value| value.into()).collect()
        };
        let scores: Vec<Vec<f64>> = repeats.iter().map(|values| column(values)).collect();
        let order = |scores: &Vec<f64>| {
            let mut order: Vec<usize> = (0..molecules).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order
        };
        Self {
            positive: (0..molecules).map(|row| labels.is_positive(row, index)).collect(),
            weights: if task.weighted_metrics { column(weights) } else { vec![1.0; molecules] },
            order: scores.iter().map(order).collect(),
            scores,
        }
    }

    /// Predictions of every task, see [`of_task`](Self::of_task).
    ///
    /// # Panics
    /// As [`of_task`](Self::of_task).
    pub fn of_tasks(tasks: &[Task], labels: LabelMatrix, repeats: &[&[f32]], weights: &[f32]) -> Vec<Self> {
        let of_task = |(index, task)| Self::of_task(task, index, labels, repeats, weights);
        tasks.iter().enumerate().map(of_task).collect()
    }

    /// Number of molecules, M.
    pub fn molecules(&self) -> usize {
        self.positive.len()
    }

    /// Number of positive molecules, whatever they weigh.
    pub fn positives(&self) -> usize {
        self.positive.iter().filter(|&&positive| positive).count()
    }

    /// Number of repeats, R.
    pub fn repeats(&self) -> usize {
        self.scores.len()
    }

    /// The molecules of one repeat, highest score first, each drawn so many times; `None`: once each.
    pub fn scored<'a>(
        &'a self,
        repeat: usize,
        draws: Option<&'a [u32]>,
    ) -> impl Iterator<Item = Scored> + 'a {
        self.order[repeat].iter().map(move |&row| Scored {
            positive: self.positive[row],
            score: self.scores[repeat][row],
            weight: self.weights[row] * draws.map_or(1.0, |draws| f64::from(draws[row])),
        })
    }

    /// The ranking of each repeat.
    pub fn rankings(&self, draws: Option<&[u32]>) -> Vec<Ranking> {
        (0..self.repeats()).map(|repeat| Ranking::new(self.scored(repeat, draws))).collect()
    }

    /// Draws molecules class by class.
    pub fn resampler(&self) -> Resampler {
        Resampler::of_classes(&self.positive, &self.order[0])
    }

    /// Share of the molecules whose class is told by whether their score is at least 0.5; the mean over repeats.
    pub fn accuracy(&self) -> f64 {
        let right = |repeat: usize| {
            let (right, all) = self.scored(repeat, None).fold((0.0, 0.0), |(right, all), molecule| {
                let hit = (molecule.score >= 0.5) == molecule.positive;
                (right + if hit { molecule.weight } else { 0.0 }, all + molecule.weight)
            });
            right / all
        };
        mean_of((0..self.repeats()).map(right))
    }
}

/// Mean of at least one number.
pub(super) fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
