//! How sure a metric is: percentile bootstrap intervals (Efron 1979) over molecules, in strata.

use crate::bundle::Interval;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples of an interval: the ends of a 95 % interval rest on the 25 outermost.
pub const RESAMPLES: usize = 1000;

/// A number with its 95 % bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Between which ends it lies.
    #[serde(flatten)]
    pub interval: Interval,
}

impl Estimate {
    /// A number with the 2.5th and the 97.5th percentile of what the resamples gave for it.
    ///
    /// # Panics
    /// Without a resample.
    pub fn new(value: f64, resamples: Vec<f64>) -> Self {
        Self { value, interval: percentiles(resamples) }
    }
}

/// Draws molecules with replacement, as many of each stratum as it has.
///
/// The strata are the classes, which keeps the prevalence: with a handful of positives a plain bootstrap would often
/// draw none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resampler {
    strata: Vec<Vec<usize>>,
    molecules: usize,
}

impl Resampler {
    /// Strata of fewer molecules than this are drawn from together: one alone would be drawn every time.
    const SMALLEST_STRATUM: usize = 5;

    /// The strata are the two classes of one task; `order` lists every molecule once.
    pub(super) fn of_classes(positive: &[bool], order: &[usize]) -> Self {
        let class = |wanted| order.iter().copied().filter(|&row| positive[row] == wanted).collect();
        Self { strata: vec![class(true), class(false)], molecules: positive.len() }
    }

    /// The strata are the combinations of labels, given as one number a molecule; combinations of fewer than five molecules form one stratum.
    pub fn of_combinations(combinations: &[u32]) -> Self {
        let mut known: Vec<u32> = combinations.to_vec();
        known.sort_unstable();
        known.dedup();
        let stratum = |&id: &u32| -> Vec<usize> {
            (0..combinations.len()).filter(|&row| combinations[row] == id).collect()
        };
        let (mut strata, small): (Vec<_>, Vec<_>) =
            known.iter().map(stratum).partition(|rows| rows.len() >= Self::SMALLEST_STRATUM);
        strata.push(small.concat());
        Self { strata, molecules: combinations.len() }
    }

    /// How often each molecule is drawn in one resample.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Vec<u32> {
        let mut draws = vec![0; self.molecules];
        for stratum in self.strata.iter().filter(|stratum| !stratum.is_empty()) {
            for _ in stratum {
                draws[stratum[random.random_range(..stratum.len())]] += 1;
            }
        }
        draws
    }
}

/// The random stream of a task's intervals.
pub fn stream(seed: u64, task: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(task as u64);
    random
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

    #[test]
    fn every_stratum_keeps_its_size() {
        let combinations: Vec<u32> = (0..100).map(|row| if row < 3 { row } else { 10 + row % 2 }).collect();
        let resampler = Resampler::of_combinations(&combinations);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut lone = [0; 3];
        for _ in 0..50 {
            let draws = resampler.draw(&mut random);
            let drawn = |of: fn(u32) -> bool| -> u32 {
                draws.iter().zip(&combinations).filter(|&(_, &id)| of(id)).map(|(&count, _)| count).sum()
            };
            assert_eq!(drawn(|id| id == 10), combinations.iter().filter(|&&id| id == 10).count() as u32);
            assert_eq!(drawn(|id| id < 10), 3, "rare combinations are one stratum");
            for (row, count) in lone.iter_mut().enumerate() {
                *count += u32::from(draws[row] == 0);
            }
        }
        assert!(lone.iter().all(|&absent| absent > 0), "a combination of its own is not drawn every time");
    }

    #[test]
    fn an_interval_is_between_the_outer_percentiles() {
        let estimate = Estimate::new(0.5, (0..=1000).rev().map(f64::from).collect());
        assert_eq!((estimate.interval.low, estimate.interval.high), (25.0, 975.0));
    }
}
