//! Pruners: which trials to give up before their end.
//!
//! All read one axis of steps ([`StepAxis`](super::StepAxis)): percentile, median and successive halving compare the reported means at
//! equal steps; Wilcoxon's test compares the scores of finished folds, computed back from these means.

mod asha;
mod percentile;
mod settings;
mod wilcoxon;

use super::History;
use crate::study::Trial;

pub use self::asha::AshaPruner;
pub use self::percentile::PercentilePruner;
pub use self::settings::{PrunerKind, PrunerSettings};
pub use self::wilcoxon::WilcoxonPruner;

/// A way of telling which running trials are not worth their end.
pub trait Pruner: Send + Sync {
    /// Whether to give up a running trial, asked after each of its reports. `trial` holds all its reports; what the
    /// history says of it may be older.
    fn prunes(&self, history: &History, trial: &Trial) -> bool;
}

/// Every trial runs to its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPruner;

impl Pruner for NoPruner {
    fn prunes(&self, _: &History, _: &Trial) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::search::tests::{fixture, trials};
    use crate::study::{Direction, TrialState};

    fn direction(case: &Value) -> Direction {
        if case["maximize"] == true { Direction::Maximize } else { Direction::Minimize }
    }

    #[test]
    fn percentile_verdicts_are_those_of_optuna() {
        let all = fixture("pruners");
        let mut pruned = 0;
        for case in all["percentile"].as_array().unwrap() {
            let pruner = PercentilePruner {
                percentile: case["percentile"].as_f64().unwrap(),
                startup_trials: case["startup_trials"].as_u64().unwrap() as usize,
                warmup_steps: case["warmup_steps"].as_u64().unwrap(),
                interval_steps: case["interval_steps"].as_u64().unwrap(),
            };
            let trials = trials(case);
            let history = History { direction: direction(case), trials: &trials };
            for (number, verdict) in case["verdicts"].as_object().unwrap() {
                let trial = &trials[number.parse::<usize>().unwrap()];
                assert_eq!(pruner.prunes(&history, trial), *verdict == true, "trial {number} of {case}");
                pruned += usize::from(*verdict == true);
            }
        }
        assert!(pruned > 10);
    }

    /// Trials one after the other, each as far as it was let go: the same ones are stopped at the same steps.
    #[test]
    fn successive_halving_is_that_of_optuna() {
        for case in fixture("pruners")["asha"].as_array().unwrap() {
            let pruner = AshaPruner {
                min_resource: case["min_resource"].as_u64(),
                reduction_factor: case["reduction_factor"].as_u64().unwrap(),
            };
            let all = trials(case);
            for (index, trial) in all.iter().enumerate() {
                let history = History { direction: direction(case), trials: &all[..index] };
                let mut running = Trial { state: TrialState::Running, values: None, ..trial.clone() };
                running.intermediate.clear();
                let (last, _) = trial.last_report().unwrap();
                for (&step, &value) in &trial.intermediate {
                    running.intermediate.insert(step, value);
                    let expected = step == last && trial.state == TrialState::Pruned;
                    assert_eq!(pruner.prunes(&history, &running), expected, "trial {index}, step {step}");
                }
            }
        }
    }
}
