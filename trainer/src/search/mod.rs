//! Hyper-parameter search: what to try next, what to give up, and what mattered.

pub mod importance;
mod normal;
pub mod pruner;
pub mod sampler;
mod step_axis;

pub use self::step_axis::StepAxis;

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
