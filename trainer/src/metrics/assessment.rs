//! Everything that is told of the predictions of one task, with bootstrap intervals.

use rand_chacha::ChaCha8Rng;

use super::Ranking;
use super::bootstrap::stream;
use super::calibration::{ReliabilityBin, brier_score, expected_calibration_error, reliability};
use super::curves::{grid, precision_at_recalls, true_positive_rates};
use super::resampling::{Estimate, RESAMPLES, Resampler};
use super::task_predictions::{TaskPredictions, mean_of};

/// Shares of the molecules, ranked highest, whose enrichment is told.
pub const ENRICHMENT_FRACTIONS: [f64; 2] = [0.01, 0.05];

/// Bins of a histogram of probabilities.
pub const HISTOGRAM_BINS: usize = 25;

/// A curve with its 95 % band, point by point.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Recall, or false positive rate.
    pub x: Vec<f64>,
    /// Precision, or true positive rate, with its interval.
    pub y: Vec<Estimate>,
}

/// Numbers of predictions by probability, in bins of equal width, of each class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Predictions of positives in each bin.
    pub positives: Vec<usize>,
    /// Predictions of negatives in each bin.
    pub negatives: Vec<usize>,
}

/// What is told of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Molecules, M.
    pub molecules: usize,
    /// Positive molecules.
    pub positives: usize,
    /// Predictions of each molecule.
    pub repeats: usize,
    /// Share of positives, weighted as the metrics are: the average precision of a model without skill.
    pub prevalence: f64,
    /// Average precision.
    pub average_precision: Estimate,
    /// Average precision over prevalence.
    pub lift: Estimate,
    /// Area under the ROC curve.
    pub roc_auc: Estimate,
    /// Enrichment factors at [`ENRICHMENT_FRACTIONS`].
    pub enrichment: [Estimate; 2],
    /// Mean squared error of the probabilities.
    pub brier: Estimate,
    /// Expected calibration error.
    pub calibration_error: Estimate,
    /// Precision over recall.
    pub precision_recall: Curve,
    /// True over false positive rate.
    pub roc: Curve,
    /// Reliability bins that hold predictions.
    pub reliability: Vec<ReliabilityBin>,
    /// Probabilities by class.
    pub histogram: Histogram,
}

impl Assessment {
    /// Assesses the predictions of the task of this index; positives and negatives are resampled apart, and the same
    /// seed gives the same intervals, those of [`summarise`](super::summarise).
    pub fn new(predictions: &TaskPredictions, task: usize, seed: u64) -> Self {
        let resampler = predictions.resampler();
        let numbers = numbers(predictions, None);
        let resamples = resample(predictions, &resampler, &mut stream(seed, task));
        // Transposed: the resamples of each number.
        let estimate = |index: usize| {
            Estimate::new(numbers[index], resamples.iter().map(|resample| resample[index]).collect())
        };
        let x = grid();
        let curve = |from: usize| Curve {
            x: x.clone(),
            y: (0..x.len()).map(|point| estimate(SCALARS + from * x.len() + point)).collect(),
        };
        let all = || (0..predictions.repeats()).flat_map(|repeat| predictions.scored(repeat, None));
        Self {
            molecules: predictions.molecules(),
            positives: predictions.positives(),
            repeats: predictions.repeats(),
            prevalence: predictions.rankings(None)[0].prevalence(),
            average_precision: estimate(0),
            roc_auc: estimate(1),
            lift: estimate(2),
            enrichment: [estimate(3), estimate(4)],
            brier: estimate(5),
            calibration_error: estimate(6),
            precision_recall: curve(0),
            roc: curve(1),
            reliability: reliability(all(), predictions.repeats()),
            histogram: histogram(all().map(|molecule| (molecule.positive, molecule.score))),
        }
    }

    /// Whether both classes are there: otherwise there is nothing to rank.
    pub fn has_both_classes(&self) -> bool {
        self.positives > 0 && self.positives < self.molecules
    }
}

/// Numbers before those of the curves.
const SCALARS: usize = 7;

/// Everything that has an interval, mean over the repeats, in one list: the scalars, then the curves.
fn numbers(predictions: &TaskPredictions, draws: Option<&[u32]>) -> Vec<f64> {
    let rankings = predictions.rankings(draws);
    let mean = |metric: &dyn Fn(&Ranking) -> f64| mean_of(rankings.iter().map(metric));
    let by_repeat = |metric: &dyn Fn(usize) -> f64| mean_of((0..predictions.repeats()).map(metric));
    let lift = |ranking: &Ranking| {
        if ranking.prevalence() == 0.0 { 0.0 } else { ranking.average_precision() / ranking.prevalence() }
    };
    let mut numbers = vec![
        mean(&Ranking::average_precision),
        mean(&Ranking::roc_auc),
        mean(&lift),
        mean(&|ranking| ranking.enrichment(ENRICHMENT_FRACTIONS[0])),
        mean(&|ranking| ranking.enrichment(ENRICHMENT_FRACTIONS[1])),
        by_repeat(&|repeat| brier_score(predictions.scored(repeat, draws))),
        by_repeat(&|repeat| expected_calibration_error(&reliability(predictions.scored(repeat, draws), 1))),
    ];
    for curve in [precision_at_recalls, true_positive_rates] {
        let curves: Vec<Vec<f64>> = rankings.iter().map(curve).collect();
        numbers.extend((0..curves[0].len()).map(|point| mean_of(curves.iter().map(|curve| curve[point]))));
    }
    numbers
}

fn resample(predictions: &TaskPredictions, resampler: &Resampler, random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    (0..RESAMPLES).map(|_| numbers(predictions, Some(&resampler.draw(random)))).collect()
}

fn histogram(predictions: impl Iterator<Item = (bool, f64)>) -> Histogram {
    let mut histogram = Histogram { positives: vec![0; HISTOGRAM_BINS], negatives: vec![0; HISTOGRAM_BINS] };
    for (positive, score) in predictions {
        let class = if positive { &mut histogram.positives } else { &mut histogram.negatives };
        class[((score * HISTOGRAM_BINS as f64) as usize).min(HISTOGRAM_BINS - 1)] += 1;
    }
    histogram
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use shared_model::schema::TaskSchema;

    use super::*;
    use crate::labels::LabelMatrix;
    use crate::metrics::summarise;

    fn assessed(repeats: usize) -> (Assessment, shared_model::bundle::TaskMetrics) {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let labels: Vec<bool> = (0..120).map(|row| row % 6 == 0).collect();
        let mut predictions = || -> Vec<f32> {
            let shift = |positive: bool| if positive { 0.3 } else { 0.0 };
            labels.iter().map(|&label| shift(label) + random.random_range(0.0f32..0.7)).collect()
        };
        let scores: Vec<Vec<f32>> = (0..repeats).map(|_| predictions()).collect();
        let repeats: Vec<&[f32]> = scores.iter().map(Vec::as_slice).collect();
        let tasks = &TaskSchema::euos25().tasks[..1];
        let labels = LabelMatrix::new(&labels, 1);
        let task = TaskPredictions::of_task(&tasks[0], 0, labels, &repeats, &[1.0; 120]);
        let summary = summarise(tasks, labels, repeats[0], &[1.0; 120], 9).remove(0);
        (Assessment::new(&task, 0, 9), summary)
    }

    #[test]
    fn it_tells_what_the_summary_tells_and_is_consistent_in_itself() {
        let (found, summary) = assessed(1);
        assert_eq!((found.positives, found.molecules, found.prevalence), (20, 120, 1.0 / 6.0));
        assert_eq!(found.average_precision.value, summary.average_precision);
        assert_eq!(found.average_precision.interval, summary.average_precision_interval);
        assert_eq!(found.roc_auc.interval, summary.roc_auc_interval);
        assert!((found.lift.value - 6.0 * summary.average_precision).abs() < 1e-12);
        let counts = |bins: &[usize]| bins.iter().sum::<usize>();
        assert_eq!((counts(&found.histogram.positives), counts(&found.histogram.negatives)), (20, 100));
        assert_eq!(found.reliability.iter().map(|bin| bin.count).sum::<usize>(), 120);
        for curve in [&found.precision_recall, &found.roc] {
            assert!(curve.y.iter().all(|y| y.interval.low <= y.interval.high));
        }
    }

    #[test]
    fn repeats_are_averaged_and_do_not_count_as_more_molecules() {
        let (once, thrice) = (assessed(1).0, assessed(3).0);
        assert_eq!((thrice.molecules, thrice.positives), (120, 20));
        assert_ne!(once.roc_auc.value, thrice.roc_auc.value);
        let width = |found: &Assessment| found.roc_auc.interval.high - found.roc_auc.interval.low;
        assert!(width(&thrice) > 0.4 * width(&once), "{} {}", width(&thrice), width(&once));
    }
}
