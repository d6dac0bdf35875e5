//! How far a study is.

use crate::study::{Trial, TrialState};

/// Trials by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not begun.
    pub waiting: u64,
    /// Somebody works on them.
    pub running: u64,
    /// With a value.
    pub complete: u64,
    /// Given up early.
    pub pruned: u64,
    /// Without a value.
    pub failed: u64,
}

impl Tally {
    /// Counts trials.
    pub fn of(trials: &[Trial]) -> Self {
        let count = |state| trials.iter().filter(|trial| trial.state == state).count() as u64;
        Self {
            waiting: count(TrialState::Waiting),
            running: count(TrialState::Running),
            complete: count(TrialState::Complete),
            pruned: count(TrialState::Pruned),
            failed: count(TrialState::Fail),
        }
    }

    /// Trials that count for the budget: complete and pruned ones.
    pub fn valued(&self) -> u64 {
        self.complete + self.pruned
    }
}
