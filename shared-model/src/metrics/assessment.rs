//! Everything that is told of the predictions of one task, with bootstrap intervals.

use rand_chacha::ChaCha8Rng;

use serde::{Deserialize, Serialize};

use super::Ranking;
use super::calibration::{ReliabilityBin, brier_score, expected_calibration_error, reliability};
use super::curves::{found_shares, grid, precision_at_recalls, true_positive_rates};
use super::resampling::{Estimate, RESAMPLES, Resampler, stream};
use super::task_predictions::{TaskPredictions, mean_of};

/// Shares of the molecules, ranked highest, whose enrichment is told.
pub const ENRICHMENT_FRACTIONS: [f64; 3] = [0.01, 0.05, 0.1];

/// Bins of a histogram of probabilities.
pub const HISTOGRAM_BINS: usize = 25;

/// A curve with its 95 % band, point by point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Recall, false positive rate, or share of the molecules.
    pub x: Vec<f64>,
    /// Precision, true positive rate, or share of the positives, with its interval.
    pub y: Vec<Estimate>,
}

/// Numbers of predictions by probability, in bins of equal width, of each class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// Predictions of positives in each bin.
    pub positives: Vec<usize>,
    /// Predictions of negatives in each bin.
    pub negatives: Vec<usize>,
}

/// What is told of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub enrichment: [Estimate; 3],
    /// Mean squared error of the probabilities.
    pub brier: Estimate,
    /// Expected calibration error.
    pub calibration_error: Estimate,
    /// Precision over recall.
    pub precision_recall: Curve,
    /// True over false positive rate.
    pub roc: Curve,
    /// Share of the positives over share of the molecules, ranked highest first.
    pub found: Curve,
    /// Reliability bins that hold predictions.
    pub reliability: Vec<ReliabilityBin>,
    /// Probabilities by class.
    pub histogram: Histogram,
}

impl Assessment {
    /// Assesses the predictions of the task of this index; positives and negatives are resampled apart, and the same
    /// seed gives the same intervals.
    pub fn new(predictions: &TaskPredictions, task: usize, seed: u64) -> Self {
        let mut assessing = Assessing::new(predictions, task, seed);
        while assessing.resample() < RESAMPLES {}
        assessing.finish()
    }

    /// Whether both classes are there: otherwise there is nothing to rank.
    pub fn has_both_classes(&self) -> bool {
        self.positives > 0 && self.positives < self.molecules
    }
}

/// An assessment on its way, one resample after another: for callers that must not stand still for long.
#[derive(Debug)]
pub struct Assessing<'a> {
    predictions: &'a TaskPredictions,
    resampler: Resampler,
    random: ChaCha8Rng,
    resamples: Vec<Vec<f64>>,
}

impl<'a> Assessing<'a> {
    /// Before the first resample, see [`Assessment::new`].
    pub fn new(predictions: &'a TaskPredictions, task: usize, seed: u64) -> Self {
        let resamples = Vec::with_capacity(RESAMPLES);
        Self { predictions, resampler: predictions.resampler(), random: stream(seed, task), resamples }
    }

    /// Draws one resample; returns how many there are now. [`RESAMPLES`] are wanted.
    pub fn resample(&mut self) -> usize {
        self.resamples.push(numbers(self.predictions, Some(&self.resampler.draw(&mut self.random))));
        self.resamples.len()
    }

    /// The assessment, with intervals from the resamples so far.
    ///
    /// # Panics
    /// Without a resample.
    pub fn finish(self) -> Assessment {
        let Self { predictions, resamples, .. } = self;
        let numbers = numbers(predictions, None);
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
        Assessment {
            molecules: predictions.molecules(),
            positives: predictions.positives(),
            repeats: predictions.repeats(),
            prevalence: predictions.rankings(None)[0].prevalence(),
            average_precision: estimate(0),
            roc_auc: estimate(1),
            lift: estimate(2),
            enrichment: [estimate(3), estimate(4), estimate(5)],
            brier: estimate(6),
            calibration_error: estimate(7),
            precision_recall: curve(0),
            roc: curve(1),
            found: curve(2),
            reliability: reliability(all(), predictions.repeats()),
            histogram: histogram(all().map(|molecule| (molecule.positive, molecule.score))),
        }
    }
}

/// Numbers before those of the curves.
const SCALARS: usize = 8;

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
        mean(&|ranking| ranking.enrichment(ENRICHMENT_FRACTIONS[2])),
        by_repeat(&|repeat| brier_score(predictions.scored(repeat, draws))),
        by_repeat(&|repeat| expected_calibration_error(&reliability(predictions.scored(repeat, draws), 1))),
    ];
    for curve in [precision_at_recalls, true_positive_rates, found_shares] {
        let curves: Vec<Vec<f64>> = rankings.iter().map(curve).collect();
        numbers.extend((0..curves[0].len()).map(|point| mean_of(curves.iter().map(|curve| curve[point]))));
    }
    numbers
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

    use super::*;

    fn predictions(repeats: usize) -> TaskPredictions {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let labels: Vec<bool> = (0..120).map(|row| row % 6 == 0).collect();
        let shift = |positive: bool| if positive { 0.3 } else { 0.0 };
        let mut scores =
            || labels.iter().map(|&label| shift(label) + random.random_range(0.0..0.7)).collect();
        let scores = (0..repeats).map(|_| scores()).collect();
        TaskPredictions::new(labels.clone(), vec![1.0; 120], scores)
    }

    fn assessed(repeats: usize) -> Assessment {
        Assessment::new(&predictions(repeats), 0, 9)
    }

    #[test]
    fn it_is_consistent_in_itself() {
        let found = assessed(1);
        assert_eq!((found.positives, found.molecules, found.prevalence), (20, 120, 1.0 / 6.0));
        assert!((found.lift.value - 6.0 * found.average_precision.value).abs() < 1e-12);
        let counts = |bins: &[usize]| bins.iter().sum::<usize>();
        assert_eq!((counts(&found.histogram.positives), counts(&found.histogram.negatives)), (20, 100));
        assert_eq!(found.reliability.iter().map(|bin| bin.count).sum::<usize>(), 120);
        for curve in [&found.precision_recall, &found.roc, &found.found] {
            assert!(curve.y.iter().all(|y| y.interval.low <= y.interval.high));
        }
        // A tenth of the molecules holds so many times its share of the positives.
        assert!((found.found.y[20].value - 0.1 * found.enrichment[2].value).abs() < 1e-12);
    }

    #[test]
    fn one_resample_after_another_is_the_same_as_all_at_once() {
        let predictions = predictions(1);
        let mut assessing = Assessing::new(&predictions, 0, 9);
        for count in 1..=RESAMPLES {
            assert_eq!(assessing.resample(), count);
        }
        assert_eq!(assessing.finish(), assessed(1));
    }

    #[test]
    fn repeats_are_averaged_and_do_not_count_as_more_molecules() {
        let (once, thrice) = (assessed(1), assessed(3));
        assert_eq!((thrice.molecules, thrice.positives), (120, 20));
        assert_ne!(once.roc_auc.value, thrice.roc_auc.value);
        let width = |found: &Assessment| found.roc_auc.interval.high - found.roc_auc.interval.low;
        assert!(width(&thrice) > 0.4 * width(&once), "{} {}", width(&thrice), width(&once));
    }
}
