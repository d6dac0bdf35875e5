//! Hyper-parameter search: what to try next, what to give up, and what mattered.

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
mod tests {
    use super::*;
    use crate::study::{Distribution, Parameter, TrialId, TrialState};

    /// A trial as it might stand in a storage.
    pub(crate) fn trial<const N: usize>(
        number: u64,
        state: TrialState,
        value: Option<f64>,
        parameters: [(&str, f64, Distribution); N],
    ) -> Trial {
        let parameters = parameters
            .map(|(name, internal, distribution)| (name.to_owned(), Parameter { internal, distribution }));
        Trial {
            id: TrialId(number as i64),
            number,
            state,
            values: value.map(|value| vec![value]),
            started: None,
            completed: None,
            parameters: parameters.into(),
            intermediate: Default::default(),
            user_attributes: Default::default(),
            system_attributes: Default::default(),
        }
    }
}
