//! What can be wrong with parameters.

use serde_json::Value;
use shared_model::config::ConfigError;

use crate::suggestion::did_you_mean;

/// Why parameters cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// Not a JSON object.
    #[error("parameters must be one JSON object of names and values")]
    NotAnObject,
    /// Names that nothing reads, each with what may have been meant.
    #[error("unknown parameter(s): {}; check the spelling, or remove them", .0.join(", "))]
    Unknown(Vec<String>),
    /// A value of another type.
    #[error("parameter {name} is {found}; it must be {expected}")]
    Type {
        /// Name of the parameter.
        name: String,
        /// What was given.
        found: String,
        /// What kind of value is expected.
        expected: &'static str,
    },
    /// A number outside of its range.
    #[error("parameter {name} is {found}; it must be between {low} and {high}")]
    OutOfRange {
        /// Name of the parameter.
        name: String,
        /// What was given.
        found: f64,
        /// Smallest value allowed.
        low: f64,
        /// Largest value allowed.
        high: f64,
    },
    /// Options of a component that it does not have.
    #[error("parameter {name}: {reason}")]
    Options {
        /// Name of the parameter.
        name: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A name that is none of the choices.
    #[error("parameter {name} is \"{found}\"{}; known are: {}",
        did_you_mean(.found, .known.iter().map(String::as_str)), .known.join(", "))]
    Choice {
        /// Name of the parameter.
        name: String,
        /// What was given.
        found: String,
        /// What there is to choose from.
        known: Vec<String>,
    },
    /// Parameters that no network can have, alone or together.
    #[error(transparent)]
    Network(#[from] ConfigError),
}

impl ParameterError {
    pub(super) fn wrong_type(name: &str, found: &Value, expected: &'static str) -> Self {
        Self::Type { name: name.into(), found: found.to_string(), expected }
    }

    /// A value that the model configuration does not accept, for what reason.
    ///
    /// The names that it knows stand in the reason, each in backquotes, after the one that it does not.
    pub(super) fn not_accepted(name: &str, value: &Value, reason: &str) -> Self {
        let mut quoted = reason.split('`').skip(1).step_by(2);
        let unknown = quoted.next().unwrap_or_default();
        match value {
            Value::String(found) if unknown == found => Self::Choice {
                name: name.into(),
                found: found.clone(),
                known: quoted.map(Into::into).collect(),
            },
            _ => Self::Options {
                name: name.into(),
                reason: reason.to_owned() + &did_you_mean(unknown, quoted),
            },
        }
    }
}
