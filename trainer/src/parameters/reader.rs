//! Taking named, typed, bounded parameters out of a flat JSON object.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Why parameters cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// Not a JSON object.
    #[error("parameters must be one JSON object of names and values")]
    NotAnObject,
    /// Names that nothing reads.
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
    #[error("parameter {name} is \"{found}\"; known are: {}", .known.join(", "))]
    Choice {
        /// Name of the parameter.
        name: String,
        /// What was given.
        found: String,
        /// What there is to choose from.
        known: Vec<String>,
    },
}

/// Hands out parameters and remembers what was resolved.
pub(super) struct Reader {
    given: Map<String, Value>,
    resolved: Map<String, Value>,
}

impl Reader {
    pub(super) fn new(parameters: &Value) -> Result<Self, ParameterError> {
        let given = parameters.as_object().ok_or(ParameterError::NotAnObject)?.clone();
        Ok(Self { given, resolved: Map::new() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Everything that was resolved, if everything given was read.
    pub(super) fn finish(self) -> Result<Map<String, Value>, ParameterError> {
        if self.given.is_empty() {
            Ok(self.resolved)
        } else {
            Err(ParameterError::Unknown(self.given.into_iter().map(|(name, _)| name).collect()))
        }
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        default: f64,
        low: f64,
        high: f64,
    ) -> Result<f64, ParameterError> {
        Ok(self.optional_number(name, low, high)?.unwrap_or_else(|| {
            self.resolved.insert(name.into(), default.into());
            default
        }))
    }

    pub(super) fn optional_number(
        &mut self,
        name: &str,
        low: f64,
        high: f64,
    ) -> Result<Option<f64>, ParameterError> {
        let Some(value) = self.given.remove(name) else { return Ok(None) };
        let Some(number) = value.as_f64() else { return Err(wrong_type(name, &value, "a number")) };
        if !(low..=high).contains(&number) {
            return Err(ParameterError::OutOfRange { name: name.into(), found: number, low, high });
        }
        self.resolved.insert(name.into(), value);
        Ok(Some(number))
    }

    pub(super) fn integer(
        &mut self,
        name: &str,
        default: usize,
        low: usize,
        high: usize,
    ) -> Result<usize, ParameterError> {
        if let Some(value) = self.given.get(name)
            && value.as_f64().is_some_and(|number| number.fract() != 0.0)
        {
            return Err(wrong_type(name, value, "a whole number"));
        }
        let number = self.optional_number(name, low as f64, high as f64)?;
        let integer = number.map_or(default, |number| number as usize);
        self.resolved.insert(name.into(), integer.into());
        Ok(integer)
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, ParameterError> {
        let flag = match self.given.remove(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(value) => return Err(wrong_type(name, &value, "true or false")),
        };
        self.resolved.insert(name.into(), flag.into());
        Ok(flag)
    }

    pub(super) fn choice(
        &mut self,
        name: &str,
        default: &str,
        known: &[&str],
    ) -> Result<String, ParameterError> {
        let choice = match self.given.remove(name) {
            None => default.to_owned(),
            Some(Value::String(choice)) => choice,
            Some(value) => return Err(wrong_type(name, &value, "a name")),
        };
        if !known.contains(&choice.as_str()) {
            let known = known.iter().map(|&known| known.to_owned()).collect();
            return Err(ParameterError::Choice { name: name.into(), found: choice, known });
        }
        self.resolved.insert(name.into(), choice.clone().into());
        Ok(choice)
    }

    /// The options of a component, an object; null is the defaults.
    pub(super) fn options<T: Default + Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<T, ParameterError> {
        let options = match self.given.remove(name) {
            None | Some(Value::Null) => T::default(),
            Some(value @ Value::Object(_)) => serde_json::from_value(value)
                .map_err(|error| ParameterError::Options { name: name.into(), reason: error.to_string() })?,
            Some(value) => return Err(wrong_type(name, &value, "an object of options")),
        };
        self.resolved.insert(name.into(), json!(options));
        Ok(options)
    }

    /// `{name}_t0` … one number a task.
    pub(super) fn per_task(
        &mut self,
        name: &str,
        tasks: usize,
        default: f64,
        low: f64,
        high: f64,
    ) -> Result<Vec<f64>, ParameterError> {
        (0..tasks).map(|task| self.number(&format!("{name}_t{task}"), default, low, high)).collect()
    }
}

fn wrong_type(name: &str, found: &Value, expected: &'static str) -> ParameterError {
    ParameterError::Type { name: name.into(), found: found.to_string(), expected }
}
