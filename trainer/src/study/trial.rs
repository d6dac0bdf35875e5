//! One trial of a study, and its states.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Distribution, TrialId};

/// Where a trial is. WAITING → RUNNING → one of the others, which are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrialState {
    /// Somebody works on it.
    Running,
    /// It has its value.
    Complete,
    /// It was given up early, being worse than others at the same step.
    Pruned,
    /// It ended without a value.
    Fail,
    /// It waits for somebody to take it up.
    Waiting,
}

impl TrialState {
    /// All states, in the order of their numbers in a journal.
    pub const ALL: [Self; 5] = [Self::Running, Self::Complete, Self::Pruned, Self::Fail, Self::Waiting];

    /// Its name in a database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Pruned => "PRUNED",
            Self::Fail => "FAIL",
            Self::Waiting => "WAITING",
        }
    }

    /// Whether nothing about it changes any more.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Fail)
    }
}

/// Whether small or large values are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

impl Direction {
    /// Its name in a database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimize => "MINIMIZE",
            Self::Maximize => "MAXIMIZE",
        }
    }

    /// Whether `a` is better than `b`; NaN is never better.
    pub fn is_better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Minimize => a < b,
            Self::Maximize => a > b,
        }
    }
}

/// A parameter's value in a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The value, in the internal form of the distribution.
    pub internal: f64,
    /// What it was drawn from.
    pub distribution: Distribution,
}

impl Parameter {
    /// The value as a person reads it.
    pub fn external(&self) -> Value {
        self.distribution.external(self.internal)
    }
}

/// A trial as it stands in the storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its identity in the storage.
    pub id: TrialId,
    /// Its place in the study, from 0.
    pub number: u64,
    /// Where it is.
    pub state: TrialState,
    /// One value an objective (ours have one); none until it has them.
    pub values: Option<Vec<f64>>,
    /// When it was taken up.
    pub started: Option<Timestamp>,
    /// When it was finished.
    pub completed: Option<Timestamp>,
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Values reported while it ran, by step; they can be NaN or infinite.
    pub intermediate: BTreeMap<u64, f64>,
    /// What people and programs noted about it.
    pub user_attributes: Map<String, Value>,
    /// What samplers and retries noted about it.
    pub system_attributes: Map<String, Value>,
}

impl Trial {
    /// The value of a trial with one objective.
    pub fn value(&self) -> Option<f64> {
        self.values.as_ref().and_then(|values| values.first().copied())
    }

    /// The last value that was reported, with its step.
    pub fn last_report(&self) -> Option<(u64, f64)> {
        self.intermediate.last_key_value().map(|(&step, &value)| (step, value))
    }

    /// Parameters that somebody fixed before the trial began (external values), by name.
    pub fn fixed_parameters(&self) -> Option<&Map<String, Value>> {
        self.system_attributes.get("fixed_params")?.as_object()
    }

    /// The parameters as a person reads them.
    pub fn external_parameters(&self) -> Map<String, Value> {
        self.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.external())).collect()
    }
}

/// The best of the complete trials; of equals the earliest.
pub fn best(trials: &[Trial], direction: Direction) -> Option<&Trial> {
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    complete.filter(|trial| trial.value().is_some_and(|value| !value.is_nan())).reduce(|best, trial| {
        let better = direction.is_better(trial.value().unwrap_or(f64::NAN), best.value().unwrap_or(f64::NAN));
        if better { trial } else { best }
    })
}
