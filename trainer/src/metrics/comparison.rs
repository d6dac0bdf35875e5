//! Whether one model ranks the same molecules better than another: paired bootstrap of the difference.

use serde::{Deserialize, Serialize};
use shared_model::metrics::{Estimate, RESAMPLES, Resampler, TaskPredictions, stream};
use shared_model::schema::Task;

use super::bootstrap::ranking_metrics;
use super::predictions_of_tasks;
use crate::labels::LabelMatrix;
use crate::weighting::bitmask_ids;

/// Average precision and ROC AUC of two models, and other minus reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the task; none: the mean over all tasks.
    pub task: Option<String>,
    /// Average precision.
    pub average_precision: Difference,
    /// Area under the ROC curve.
    pub roc_auc: Difference,
}

/// A metric of two models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Of the reference.
    pub reference: f64,
    /// Of the other model.
    pub other: f64,
    /// Other minus reference, with its paired 95 % interval.
    pub difference: Estimate,
}

/// Compares two models by their predictions `[M, T]`, repeat by repeat, of the same labels `[M, T]`: first the mean
/// over the tasks, then each task.
///
/// Both models get the same draws of molecules, so what makes a molecule easy or hard for both cancels. For a task
/// its classes are resampled apart, for the mean the combinations of labels. The intervals tell what other molecules
/// would have changed, not what another seed would have.
///
/// # Panics
/// If predictions or weights are not of the labels' shape.
pub fn compare(
    tasks: &[Task],
    labels: LabelMatrix,
    [reference, other]: [&[&[f32]]; 2],
    weights: &[f32],
    seed: u64,
) -> Vec<Comparison> {
    let [reference, other] =
        [reference, other].map(|repeats| predictions_of_tasks(tasks, labels, repeats, weights));
    let combinations = Resampler::of_combinations(&bitmask_ids(labels));
    let mean = difference(None, [&reference, &other], &combinations, seed, tasks.len());
    let each = tasks.iter().enumerate().map(|(index, task)| {
        let models = [&reference[index..=index], &other[index..=index]];
        difference(Some(task.name.clone()), models, &models[0][0].resampler(), seed, index)
    });
    std::iter::once(mean).chain(each).collect()
}

/// The difference of the mean over some tasks.
fn difference(
    task: Option<String>,
    models: [&[TaskPredictions]; 2],
    resampler: &Resampler,
    seed: u64,
    number: usize,
) -> Comparison {
    let mut random = stream(seed, number);
    let resamples: Vec<[f64; 2]> = (0..RESAMPLES)
        .map(|_| {
            let draws = resampler.draw(&mut random);
            let [reference, other] = models.map(|model| ranking_metrics(model, Some(&draws)));
            [0, 1].map(|metric| other[metric] - reference[metric])
        })
        .collect();
    let [reference, other] = models.map(|model| ranking_metrics(model, None));
    let [average_precision, roc_auc] = [0, 1].map(|metric| Difference {
        reference: reference[metric],
        other: other[metric],
        difference: Estimate::new(
            other[metric] - reference[metric],
            resamples.iter().map(|row| row[metric]).collect(),
        ),
    });
    Comparison { task, average_precision, roc_auc }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use shared_model::schema::TaskSchema;

    use super::*;
    use crate::metrics::macro_estimates;

    const MOLECULES: usize = 150;

    fn scores(labels: &[bool], shift: f32, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let score = |&label: &bool| random.random_range(0.0f32..1.0) + if label { shift } else { 0.0 };
        labels.iter().map(score).collect()
    }

    fn compared(reference: &[f32], other: &[f32], labels: &[bool]) -> Vec<Comparison> {
        let tasks = &TaskSchema::euos25().tasks[..2];
        let weights = vec![1.0; labels.len()];
        compare(tasks, LabelMatrix::new(labels, 2), [&[reference], &[other]], &weights, 4)
    }

    fn labels() -> Vec<bool> {
        (0..2 * MOLECULES).map(|cell| cell % 7 == 0 || cell % 11 == 3).collect()
    }

    #[test]
    fn a_model_differs_from_itself_by_nothing_at_all() {
        let labels = labels();
        let scores = scores(&labels, 0.2, 1);
        for comparison in compared(&scores, &scores, &labels) {
            let zero = Estimate::new(0.0, vec![0.0]);
            assert_eq!(comparison.average_precision.difference, zero);
            assert_eq!(comparison.roc_auc.difference, zero);
        }
    }

    #[test]
    fn a_much_better_model_shows_and_pairs_of_like_models_are_sharper_than_either() {
        let labels = labels();
        let (poor, good) = (scores(&labels, 0.05, 1), scores(&labels, 0.6, 2));
        let comparisons = compared(&poor, &good, &labels);
        assert_eq!(comparisons.len(), 3);
        assert_eq!(comparisons[0].task, None);
        for comparison in &comparisons {
            let gain = comparison.roc_auc.difference;
            assert!(gain.interval.low > 0.0 && gain.interval.high < 1.0, "{comparison:?}");
            let exact = comparison.roc_auc.other - comparison.roc_auc.reference;
            assert_eq!(gain.value, exact);
        }
        let tasks = (comparisons[1].average_precision.other + comparisons[2].average_precision.other) / 2.0;
        assert!((comparisons[0].average_precision.other - tasks).abs() < 1e-12);

        // The same model with a trace of noise: the difference is far surer than the metric.
        let noisy: Vec<f32> = good.iter().zip(&poor).map(|(good, noise)| good + 0.02 * noise).collect();
        let paired = compared(&good, &noisy, &labels)[0].roc_auc.difference.interval;
        let tasks = &TaskSchema::euos25().tasks[..2];
        let [_, alone] =
            macro_estimates(tasks, LabelMatrix::new(&labels, 2), &[&good], &vec![1.0; labels.len()], 4);
        assert!(5.0 * (paired.high - paired.low) < alone.interval.high - alone.interval.low);
    }
}
