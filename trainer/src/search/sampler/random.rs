//! Uniformly at random.

use rand::RngExt;

use super::unit_interval::from_unit_interval;
use super::{Draw, Sampler};
use crate::search::History;
use crate::study::Distribution;

/// Every parameter by itself, uniformly on its scale: what any other sampler has to beat.
#[derive(Debug, Clone)]
pub struct RandomSampler {
    seed: u64,
}

impl RandomSampler {
    /// One that draws the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Sampler for RandomSampler {
    fn independent(&self, _: &History, draw: Draw, name: &str, distribution: &Distribution) -> f64 {
        let unit = draw.stream(self.seed, &format!("parameter {name}")).random_range(0.0..1.0);
        from_unit_interval(distribution, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Direction;

    #[test]
    fn a_value_is_a_function_of_seed_trial_attempt_and_name() {
        let history = History { direction: Direction::Minimize, trials: &[] };
        let distribution = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
        let value = |seed, trial, attempt, name| {
            RandomSampler::new(seed).independent(&history, Draw { trial, attempt }, name, &distribution)
        };
        let first = value(1, 2, 0, "a");
        assert_eq!(first, value(1, 2, 0, "a"));
        for other in [value(0, 2, 0, "a"), value(1, 3, 0, "a"), value(1, 2, 1, "a"), value(1, 2, 0, "b")] {
            assert_ne!(first, other);
        }
    }
}
