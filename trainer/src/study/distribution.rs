//! What a parameter is drawn from, as Optuna writes it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::python_json;

/// The values that a parameter can take.
///
/// A value has two forms: the external one that a person reads (a JSON value), and the internal one that is stored and
/// sampled (a float: the number itself, or the index of the choice).
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Real numbers from `low` to `high`.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// Drawn in logarithms.
        log: bool,
        /// Distance of neighbouring values; none: every number.
        step: Option<f64>,
    },
    /// Whole numbers from `low` to `high`.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// Drawn in logarithms.
        log: bool,
        /// Distance of neighbouring values, at least 1.
        step: i64,
    },
    /// One of a list, without order.
    Categorical {
        /// Numbers, names, truth values or null.
        choices: Vec<Value>,
    },
}

/// Why a text is no distribution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no distribution of a known form: {0}")]
pub struct DistributionError(String);

#[derive(Deserialize)]
#[serde(tag = "name", content = "attributes")]
enum Stored {
    #[serde(rename = "FloatDistribution")]
    Float {
        low: f64,
        high: f64,
        #[serde(default)]
        log: bool,
        #[serde(default)]
        step: Option<f64>,
    },
    #[serde(rename = "IntDistribution")]
    Int {
        low: i64,
        high: i64,
        #[serde(default)]
        log: bool,
        #[serde(default = "one")]
        step: i64,
    },
    #[serde(rename = "CategoricalDistribution")]
    Categorical { choices: Vec<Value> },
}

fn one() -> i64 {
    1
}

impl Distribution {
    /// Optuna's JSON text.
    pub fn to_json(&self) -> String {
        let (name, attributes) = match self {
            Self::Float { low, high, log, step } => {
                ("FloatDistribution", json!({ "step": step, "low": low, "high": high, "log": log }))
            }
            Self::Int { low, high, log, step } => {
                ("IntDistribution", json!({ "log": log, "step": step, "low": low, "high": high }))
            }
            Self::Categorical { choices } => ("CategoricalDistribution", json!({ "choices": choices })),
        };
        json!({ "name": name, "attributes": attributes }).to_string()
    }

    /// Reads Optuna's JSON text.
    ///
    /// # Errors
    /// [`DistributionError`] if it is of another form, or describes no value at all.
    pub fn from_json(text: &str) -> Result<Self, DistributionError> {
        let value = python_json::parse(text).map_err(|error| DistributionError(error.to_string()))?;
        let stored = serde_json::from_value(value).map_err(|error| DistributionError(error.to_string()))?;
        let distribution = match stored {
            Stored::Float { low, high, log, step } => Self::Float { low, high, log, step },
            Stored::Int { low, high, log, step } => Self::Int { low, high, log, step },
            Stored::Categorical { choices } => Self::Categorical { choices },
        };
        let valid = match &distribution {
            Self::Float { low, high, log, step } => {
                low <= high && (!log || *low > 0.0) && step.is_none_or(|step| step > 0.0)
            }
            Self::Int { low, high, log, step } => low <= high && (!log || *low > 0) && *step > 0,
            Self::Categorical { choices } => !choices.is_empty(),
        };
        if valid { Ok(distribution) } else { Err(DistributionError(text.into())) }
    }

    /// The internal form of an external value, if it is one of this distribution's.
    pub fn internal(&self, external: &Value) -> Option<f64> {
        let internal = match self {
            Self::Float { .. } | Self::Int { .. } => external.as_f64()?,
            Self::Categorical { choices } => {
                let same = |choice: &Value| match (choice.as_f64(), external.as_f64()) {
                    (Some(a), Some(b)) => a == b,
                    _ => choice == external,
                };
                choices.iter().position(same)? as f64
            }
        };
        self.contains(internal).then_some(internal)
    }

    /// The external form of an internal value of this distribution.
    pub fn external(&self, internal: f64) -> Value {
        match self {
            Self::Float { .. } => internal.into(),
            Self::Int { .. } => (internal.round() as i64).into(),
            Self::Categorical { choices } => choices.get(internal as usize).cloned().unwrap_or(Value::Null),
        }
    }

    /// Whether an internal value lies in this distribution (the step is not looked at: as in Optuna, a value that was
    /// enqueued by hand may lie between two).
    pub fn contains(&self, internal: f64) -> bool {
        match self {
            Self::Float { low, high, .. } => (*low..=*high).contains(&internal),
            Self::Int { low, high, .. } => {
                internal.fract() == 0.0 && (*low as f64..=*high as f64).contains(&internal)
            }
            Self::Categorical { choices } => {
                internal.fract() == 0.0 && (0.0..choices.len() as f64).contains(&internal)
            }
        }
    }

    /// An internal value in the middle.
    pub fn middle(&self) -> f64 {
        match self {
            Self::Float { low, high, log: true, .. } => (low * high).sqrt(),
            Self::Float { low, high, .. } => f64::midpoint(*low, *high),
            Self::Int { low, high, step, .. } => (low + (high - low) / step / 2 * step) as f64,
            Self::Categorical { choices } => (choices.len() / 2) as f64,
        }
    }

    /// Whether there is but one value.
    pub fn is_single(&self) -> bool {
        match self {
            // The difference of a range of one step may fall just below the step.
            Self::Float { low, high, step, .. } => {
                low == high || step.is_some_and(|step| high - low < step * (1.0 - 1e-9))
            }
            Self::Int { low, high, step, .. } => high - low < *step,
            Self::Categorical { choices } => choices.len() == 1,
        }
    }

    /// Whether both may stand for one parameter in one study: the same class, the same scale, the same choices. Ranges
    /// may differ.
    pub fn is_compatible(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float { log: a, .. }, Self::Float { log: b, .. })
            | (Self::Int { log: a, .. }, Self::Int { log: b, .. }) => a == b,
            (Self::Categorical { choices: a }, Self::Categorical { choices: b }) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(Distribution, &'static str)> {
        vec![
            (
                Distribution::Float { low: 8e-5, high: 8e-4, log: true, step: None },
                r#"{"name":"FloatDistribution","attributes":{"step":null,"low":8e-05,"high":0.0008,"log":true}}"#,
            ),
            (
                Distribution::Int { low: 2, high: 5, log: false, step: 1 },
                r#"{"name":"IntDistribution","attributes":{"log":false,"step":1,"low":2,"high":5}}"#,
            ),
            (
                Distribution::Categorical {
                    choices: vec!["GELU".into(), 8.into(), Value::Null, true.into(), 0.5.into()],
                },
                r#"{"name":"CategoricalDistribution","attributes":{"choices":["GELU",8,null,true,0.5]}}"#,
            ),
        ]
    }

    #[test]
    fn the_text_is_that_of_optuna_and_reads_back() {
        for (distribution, text) in all() {
            assert_eq!(Distribution::from_json(text).as_ref(), Ok(&distribution));
            assert_eq!(Distribution::from_json(&distribution.to_json()), Ok(distribution));
        }
    }

    #[test]
    fn what_describes_no_value_is_refused() {
        for text in [
            "[]",
            r#"{"name":"UniformDistribution","attributes":{"low":0,"high":1}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":2.0,"high":1.0}}"#,
            r#"{"name":"FloatDistribution","attributes":{"low":0.0,"high":1.0,"log":true}}"#,
            r#"{"name":"IntDistribution","attributes":{"low":1,"high":4,"step":0}}"#,
            r#"{"name":"CategoricalDistribution","attributes":{"choices":[]}}"#,
        ] {
            assert!(Distribution::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_one_step_has_two_values() {
        let float = |high| Distribution::Float { low: 0.1, high, log: false, step: Some(0.2) };
        assert!(!float(0.3).is_single());
        assert!(float(0.29).is_single());
    }

    #[test]
    fn external_and_internal_values_are_two_forms_of_one() {
        for (distribution, value, internal) in [
            (all()[0].0.clone(), json!(1e-4), Some(1e-4)),
            (all()[0].0.clone(), json!(1e-3), None),
            (all()[1].0.clone(), json!(3), Some(3.0)),
            (all()[1].0.clone(), json!(2.5), None),
            (all()[2].0.clone(), json!("GELU"), Some(0.0)),
            (all()[2].0.clone(), json!(8.0), Some(1.0)),
            (all()[2].0.clone(), json!(null), Some(2.0)),
            (all()[2].0.clone(), json!("ReLU"), None),
        ] {
            assert_eq!(distribution.internal(&value), internal, "{value}");
            if let Some(internal) = internal {
                assert_eq!(distribution.internal(&distribution.external(internal)), Some(internal));
            }
        }
    }
}
