//! Whether probabilities mean what they say: reliability bins, Brier score, expected calibration error.

use serde::{Deserialize, Serialize};

use crate::bundle::Interval;

use super::Scored;

/// Bins of equal width between probability 0 and 1.
pub const BINS: usize = 10;

/// Molecules whose predicted probabilities lie close together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Predictions in the bin.
    pub count: usize,
    /// Those of positives.
    pub positives: usize,
    /// Share of the bin in all weight.
    pub share: f64,
    /// Mean predicted probability, weighted.
    pub predicted: f64,
    /// Share of positives, weighted.
    pub observed: f64,
    /// 95 % Wilson interval of that share.
    pub interval: Interval,
}

/// Wilson's 95 % score interval of a share that was observed in `count` trials (Wilson 1927).
///
/// `count` may be an effective number and need not be whole; without a trial the share can be anything.
pub fn wilson_interval(share: f64, count: f64) -> Interval {
    const Z: f64 = 1.959_963_984_540_054;
    if count <= 0.0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let spread = Z * Z / count;
    let middle = (share + spread / 2.0) / (1.0 + spread);
    let half = Z / (1.0 + spread) * (share * (1.0 - share) / count + spread / (4.0 * count)).sqrt();
    Interval { low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
}

/// Mean squared difference of probability and label (Brier 1950); 0 without weight.
pub fn brier_score(molecules: impl Iterator<Item = Scored>) -> f64 {
    let (sum, all) = molecules.fold((0.0, 0.0), |(sum, all), molecule| {
        let label = if molecule.positive { 1.0 } else { 0.0 };
        (sum + molecule.weight * (molecule.score - label).powi(2), all + molecule.weight)
    });
    if all == 0.0 { 0.0 } else { sum / all }
}

/// Sums over the molecules of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: usize,
    positives: usize,
    weight: f64,
    squared_weight: f64,
    predicted: f64,
    observed: f64,
}

/// The bins that hold molecules, lowest probability first.
///
/// The intervals rest on Kish's effective number of molecules, (Σw)² / Σw², which is their number where all weigh the
/// same; with `repeats` predictions a molecule it is divided by these.
pub fn reliability(molecules: impl Iterator<Item = Scored>, repeats: usize) -> Vec<ReliabilityBin> {
    let mut bins = [Sums::default(); BINS];
    for molecule in molecules.filter(|molecule| molecule.weight > 0.0) {
        let bin = &mut bins[((molecule.score * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.weight += molecule.weight;
        bin.squared_weight += molecule.weight.powi(2);
        bin.predicted += molecule.weight * molecule.score;
        if molecule.positive {
            bin.positives += 1;
            bin.observed += molecule.weight;
        }
    }
    let all: f64 = bins.iter().map(|bin| bin.weight).sum();
    let held = bins.iter().filter(|bin| bin.count > 0);
    held.map(|bin| {
        let observed = bin.observed / bin.weight;
        ReliabilityBin {
            count: bin.count,
            positives: bin.positives,
            share: bin.weight / all,
            predicted: bin.predicted / bin.weight,
            observed,
            interval: wilson_interval(
                observed,
                bin.weight.powi(2) / bin.squared_weight / repeats.max(1) as f64,
            ),
        }
    })
    .collect()
}

/// Expected calibration error: mean distance of predicted and observed over the bins, weighted by their shares
/// (Naeini et al. 2015).
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    bins.iter().map(|bin| bin.share * (bin.observed - bin.predicted).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn molecule(positive: bool, score: f64, weight: f64) -> Scored {
        Scored { positive, score, weight }
    }

    #[test]
    fn the_wilson_interval_is_where_the_score_test_turns() {
        // Its ends p are the solutions of |share − p| = z·√(p(1 − p) / n).
        for (share, count) in [(0.0, 10.0), (0.1, 10.0), (0.5, 3.0), (0.98, 500.0), (1.0, 4.5)] {
            let interval = wilson_interval(share, count);
            for end in [interval.low, interval.high] {
                let gap: f64 = share - end;
                let bound = 1.959_963_984_540_054 * (end * (1.0 - end) / count).sqrt();
                assert!((gap.abs() - bound).abs() < 1e-9, "{share} of {count}: {end}");
            }
            assert!(interval.low <= share && share <= interval.high);
        }
        assert_eq!(wilson_interval(0.0, 0.0), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_brier_score_is_the_weighted_mean_square() {
        let molecules = [molecule(true, 0.8, 1.0), molecule(false, 0.4, 3.0)];
        assert!((brier_score(molecules.into_iter()) - (0.04 + 3.0 * 0.16) / 4.0).abs() < 1e-15);
        assert_eq!(brier_score([molecule(true, 0.5, 0.0)].into_iter()), 0.0);
    }

    #[test]
    fn bins_hold_each_molecule_once_and_give_the_calibration_error() {
        let molecules = [
            molecule(false, 0.0, 1.0),
            molecule(true, 0.05, 1.0),
            molecule(false, 0.1, 2.0),
            molecule(true, 1.0, 1.0),
            molecule(true, 0.15, 0.0),
        ];
        let bins = reliability(molecules.into_iter(), 1);
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(bins.iter().map(|bin| bin.positives).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!((bins[0].predicted, bins[0].observed, bins[0].share), (0.025, 0.5, 0.4));
        let error = 0.4 * 0.475 + 0.4 * 0.1 + 0.2 * 0.0;
        assert!((expected_calibration_error(&bins) - error).abs() < 1e-15);
    }

    #[test]
    fn unequal_weights_and_repeats_make_a_bin_less_sure() {
        let width = |weights: [f64; 4], repeats| {
            let molecules = weights.into_iter().enumerate().map(|(row, w)| molecule(row % 2 == 0, 0.5, w));
            let interval = reliability(molecules, repeats)[0].interval;
            interval.high - interval.low
        };
        assert!(width([1.0; 4], 1) < width([1.0, 1.0, 0.1, 0.1], 1));
        assert!((width([1.0; 4], 1) - width([7.0; 4], 1)).abs() < 1e-15);
        assert!(width([1.0; 4], 1) < width([1.0; 4], 2));
    }
}
