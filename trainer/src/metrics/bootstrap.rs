//! Average precision and ROC AUC of each task with their intervals.

use rand_chacha::ChaCha8Rng;
use shared_model::bundle::TaskMetrics as TaskSummary;
use shared_model::metrics::{Estimate, RESAMPLES, Ranking, Resampler, TaskPredictions, mean_of, stream};
use shared_model::schema::Task;

use super::{predictions_of_task, predictions_of_tasks};
use crate::labels::LabelMatrix;
use crate::weighting::bitmask_ids;

/// Metrics of each task with 95 % intervals, for predictions [M, T] of the labels [M, T].
///
/// Positives and negatives are resampled apart. The same seed gives the same intervals.
///
/// # Panics
/// If predictions or weights are not of the labels' shape.
pub fn summarise(
    tasks: &[Task],
    labels: LabelMatrix,
    predictions: &[f32],
    weights: &[f32],
    seed: u64,
) -> Vec<TaskSummary> {
    let summary = |(index, task): (usize, &Task)| {
        let predictions = predictions_of_task(task, index, labels, &[predictions], weights);
        let [precision, area] = task_estimates(&predictions, index, seed);
        TaskSummary {
            task: task.name.clone(),
            positives: predictions.positives(),
            average_precision: precision.value,
            average_precision_interval: precision.interval,
            roc_auc: area.value,
            roc_auc_interval: area.interval,
        }
    };
    tasks.iter().enumerate().map(summary).collect()
}

/// Average precision and ROC AUC of the task of this index with 95 % intervals, as [`summarise`] computes them.
pub fn task_estimates(predictions: &TaskPredictions, task: usize, seed: u64) -> [Estimate; 2] {
    let resampler = predictions.resampler();
    ranking_estimates(std::slice::from_ref(predictions), &resampler, &mut stream(seed, task))
}

/// Average precision and ROC AUC of one or several tasks: the mean over these, for each resample of the molecules.
pub(super) fn ranking_estimates(
    tasks: &[TaskPredictions],
    resampler: &Resampler,
    random: &mut ChaCha8Rng,
) -> [Estimate; 2] {
    let resamples: Vec<[f64; 2]> =
        (0..RESAMPLES).map(|_| ranking_metrics(tasks, Some(&resampler.draw(random)))).collect();
    let values = ranking_metrics(tasks, None);
    [0, 1].map(|metric| Estimate::new(values[metric], resamples.iter().map(|row| row[metric]).collect()))
}

/// Average precision and ROC AUC: means over tasks and their repeats.
pub(super) fn ranking_metrics(tasks: &[TaskPredictions], draws: Option<&[u32]>) -> [f64; 2] {
    let rankings: Vec<Vec<Ranking>> = tasks.iter().map(|task| task.rankings(draws)).collect();
    [Ranking::average_precision, Ranking::roc_auc]
        .map(|metric| mean_of(rankings.iter().map(|repeats| mean_of(repeats.iter().map(metric)))))
}

/// Average precision and ROC AUC of the mean over the tasks, with intervals; the combinations of labels are resampled
/// apart.
///
/// # Panics
/// If predictions or weights are not of the labels' shape.
pub fn macro_estimates(
    tasks: &[Task],
    labels: LabelMatrix,
    repeats: &[&[f32]],
    weights: &[f32],
    seed: u64,
) -> [Estimate; 2] {
    let predictions = predictions_of_tasks(tasks, labels, repeats, weights);
    let resampler = Resampler::of_combinations(&bitmask_ids(labels));
    ranking_estimates(&predictions, &resampler, &mut stream(seed, tasks.len()))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use shared_model::metrics::Assessment;
    use shared_model::schema::TaskSchema;

    use super::*;

    fn summary_of(molecules: usize, seed: u64) -> TaskSummary {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let labels: Vec<bool> = (0..molecules).map(|row| row % 5 == 0).collect();
        let shift = |positive: bool| if positive { 0.5 } else { 0.0 };
        let predictions: Vec<f32> =
            labels.iter().map(|&label| shift(label) + random.random_range(0.0f32..1.0)).collect();
        let tasks = &TaskSchema::euos25().tasks[..1];
        summarise(tasks, LabelMatrix::new(&labels, 1), &predictions, &vec![1.0; molecules], seed).remove(0)
    }

    #[test]
    fn intervals_hold_the_estimate_and_narrow_with_more_molecules() {
        let (few, many) = (summary_of(50, 0), summary_of(5000, 0));
        for summary in [&few, &many] {
            let (ap, auc) = (summary.average_precision_interval, summary.roc_auc_interval);
            assert!(ap.low < summary.average_precision && summary.average_precision < ap.high);
            assert!(auc.low < summary.roc_auc && summary.roc_auc < auc.high);
        }
        let width = |summary: &TaskSummary| summary.roc_auc_interval.high - summary.roc_auc_interval.low;
        assert!(width(&few) > 5.0 * width(&many), "{} {}", width(&few), width(&many));
    }

    #[test]
    fn the_summary_is_what_the_assessment_tells() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let labels: Vec<bool> = (0..120).map(|row| row % 6 == 0).collect();
        let shift = |positive: bool| if positive { 0.3 } else { 0.0 };
        let scores: Vec<f32> =
            labels.iter().map(|&label| shift(label) + random.random_range(0.0f32..0.7)).collect();
        let tasks = &TaskSchema::euos25().tasks[..1];
        let (labels, weights) = (LabelMatrix::new(&labels, 1), [1.0; 120]);
        let summary = summarise(tasks, labels, &scores, &weights, 9).remove(0);
        let predictions = predictions_of_task(&tasks[0], 0, labels, &[&scores], &weights);
        let found = Assessment::new(&predictions, 0, 9);
        assert_eq!(found.average_precision.value, summary.average_precision);
        assert_eq!(found.average_precision.interval, summary.average_precision_interval);
        assert_eq!(found.roc_auc.interval, summary.roc_auc_interval);
    }

    #[test]
    fn the_same_seed_gives_the_same_intervals() {
        assert_eq!(summary_of(50, 3), summary_of(50, 3));
        assert_ne!(summary_of(50, 3), summary_of(50, 4));
    }
}
