//! Hyper-parameter search: what to try next, what to give up, and what mattered.

mod folds;
pub mod importance;
pub mod jobs;
mod normal;
pub mod objective;
mod owner;
pub mod pruner;
mod record;
pub mod sampler;
pub mod session;
pub mod space;
mod step_axis;
mod tally;
pub mod worker;

pub use self::record::{SearchRecord, TrialRecord};
pub use self::step_axis::StepAxis;
pub use self::tally::Tally;

use crate::study::{Direction, Trial};

/// What a search has seen so far. Samplers and pruners are functions of it and of a seed: they keep no state, so a study
/// can be resumed anywhere.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Whether small or large values are sought.
    pub direction: Direction,
    /// All trials of the study, by number, in every state.
    pub trials: &'a [Trial],
}

#[cfg(test)]
mod tests;
