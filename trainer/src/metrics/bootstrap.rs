//! How sure a metric is: percentile bootstrap intervals (Efron 1979).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared_model::bundle::{Interval, TaskMetrics as TaskSummary};
use shared_model::schema::Task;

use super::{Ranking, Scored};
use crate::labels::LabelMatrix;

/// Resamples of an interval: the ends of a 95 % interval rest on the 25 outermost.
const RESAMPLES: usize = 1000;

/// Metrics of each task with 95 % intervals, for predictions [M, T] of the labels [M, T].
///
/// Positives and negatives are resampled apart, which keeps the prevalence: with a handful of positives a plain
/// bootstrap would often draw none. The same seed gives the same intervals.
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
        let mut molecules: Vec<Scored> = (0..labels.molecules())
            .map(|row| {
                let cell = row * labels.tasks() + index;
                let weight = if task.weighted_metrics { weights[cell].into() } else { 1.0 };
                Scored { positive: labels.is_positive(row, index), score: predictions[cell].into(), weight }
            })
            .collect();
        // A ranking sorts by score: in order already, each resample costs no sorting.
        molecules.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(index as u64);
        let (average_precision_interval, roc_auc_interval) = intervals(&molecules, &mut random);
        let ranking = Ranking::new(molecules.iter().copied());
        TaskSummary {
            task: task.name.clone(),
            positives: labels.positives()[index],
            average_precision: ranking.average_precision(),
            average_precision_interval,
            roc_auc: ranking.roc_auc(),
            roc_auc_interval,
        }
    };
    tasks.iter().enumerate().map(summary).collect()
}

/// Intervals of average precision and ROC AUC.
fn intervals(molecules: &[Scored], random: &mut ChaCha8Rng) -> (Interval, Interval) {
    let of_class = |positive| -> Vec<usize> {
        (0..molecules.len()).filter(|&index| molecules[index].positive == positive).collect()
    };
    let classes = [of_class(true), of_class(false)];
    let (mut precisions, mut areas) = (Vec::new(), Vec::new());
    for _ in 0..RESAMPLES {
        let mut draws = vec![0u32; molecules.len()];
        for class in classes.iter().filter(|class| !class.is_empty()) {
            for _ in class {
                draws[class[random.random_range(..class.len())]] += 1;
            }
        }
        let resample = molecules
            .iter()
            .zip(&draws)
            .map(|(molecule, &count)| Scored { weight: molecule.weight * f64::from(count), ..*molecule });
        let ranking = Ranking::new(resample);
        precisions.push(ranking.average_precision());
        areas.push(ranking.roc_auc());
    }
    (percentiles(precisions), percentiles(areas))
}

/// The interval between the 2.5th and the 97.5th percentile.
fn percentiles(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    Interval { low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_model::schema::TaskSchema;

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
    fn the_same_seed_gives_the_same_intervals() {
        assert_eq!(summary_of(50, 3), summary_of(50, 3));
        assert_ne!(summary_of(50, 3), summary_of(50, 4));
    }
}
