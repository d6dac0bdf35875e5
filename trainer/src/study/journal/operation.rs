//! One line of a journal: an operation, and who did it.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Map, Value};

use crate::study::python_json::{self, number, write_number};
use crate::study::{Direction, Distribution, Parameter, Scope, StudyId, TrialId, TrialState};

/// What a line does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    CreateStudy {
        name: String,
        directions: Vec<Option<Direction>>,
    },
    DeleteStudy {
        study: StudyId,
    },
    SetStudyAttribute {
        study: StudyId,
        scope: Scope,
        key: String,
        value: Value,
    },
    CreateTrial {
        study: StudyId,
        trial: Box<TrialRecord>,
    },
    SetParameter {
        trial: TrialId,
        name: String,
        parameter: Parameter,
    },
    SetState {
        trial: TrialId,
        state: TrialState,
        values: Option<Vec<f64>>,
        time: Option<Timestamp>,
    },
    Report {
        trial: TrialId,
        step: u64,
        value: f64,
    },
    SetTrialAttribute {
        trial: TrialId,
        scope: Scope,
        key: String,
        value: Value,
    },
    /// Of another program that keeps journals; Optuna passes over it.
    Discard,
}

/// A trial as the line that creates it tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TrialRecord {
    pub state: TrialState,
    pub values: Option<Vec<f64>>,
    pub started: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    pub parameters: BTreeMap<String, Parameter>,
    pub intermediate: BTreeMap<u64, f64>,
    pub user_attributes: Map<String, Value>,
    pub system_attributes: Map<String, Value>,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub worker: String,
    pub operation: Operation,
}

/// Number of a state in a journal.
fn code(state: TrialState) -> usize {
    TrialState::ALL.iter().position(|&other| other == state).expect("every state is listed")
}

impl Line {
    /// The line, with its end.
    pub fn write(&self) -> String {
        let (code, fields) = self.operation.write();
        let mut all = vec![("op_code", code.to_string()), ("worker_id", text(&self.worker))];
        all.extend(fields);
        object(all) + "\n"
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let value = python_json::parse(text).map_err(|error| error.to_string())?;
        let fields = Fields(value.as_object().ok_or("no JSON object")?);
        let operation = Operation::read(fields.whole("op_code")?, &fields)?;
        Ok(Self { worker: fields.text("worker_id")?.to_owned(), operation })
    }
}

impl Operation {
    fn write(&self) -> (u8, Vec<(&'static str, String)>) {
        match self {
            Self::CreateStudy { name, directions } => {
                let codes = directions.iter().map(|direction| match direction {
                    None => "0".to_owned(),
                    Some(Direction::Minimize) => "1".to_owned(),
                    Some(Direction::Maximize) => "2".to_owned(),
                });
                (0, vec![("study_name", text(name)), ("directions", list(codes))])
            }
            Self::DeleteStudy { study } => (1, vec![("study_id", study.0.to_string())]),
            Self::SetStudyAttribute { study, scope, key, value } => {
                let code = if *scope == Scope::User { 2 } else { 3 };
                (code, vec![("study_id", study.0.to_string()), attribute(*scope, key, value)])
            }
            Self::CreateTrial { study, trial } => (4, trial.write(*study)),
            Self::SetParameter { trial, name, parameter } => (
                5,
                vec![
                    ("trial_id", trial.0.to_string()),
                    ("param_name", text(name)),
                    ("param_value_internal", write_number(parameter.internal)),
                    ("distribution", text(&parameter.distribution.to_json())),
                ],
            ),
            Self::SetState { trial, state, values, time: at } => {
                let mut fields = vec![
                    ("trial_id", trial.0.to_string()),
                    ("state", code(*state).to_string()),
                    ("values", values.as_deref().map_or("null".into(), numbers)),
                ];
                match state {
                    TrialState::Waiting => {}
                    TrialState::Running => fields.push(("datetime_start", time(*at))),
                    _ => fields.push(("datetime_complete", time(*at))),
                }
                (6, fields)
            }
            Self::Report { trial, step, value } => (
                7,
                vec![
                    ("trial_id", trial.0.to_string()),
                    ("step", step.to_string()),
                    ("intermediate_value", write_number(*value)),
                ],
            ),
            Self::SetTrialAttribute { trial, scope, key, value } => {
                let code = if *scope == Scope::User { 8 } else { 9 };
                (code, vec![("trial_id", trial.0.to_string()), attribute(*scope, key, value)])
            }
            Self::Discard => (10, Vec::new()),
        }
    }

    fn read(code: u64, fields: &Fields) -> Result<Self, String> {
        let study = || fields.whole("study_id").map(|id| StudyId(id as i64));
        let trial = || fields.whole("trial_id").map(|id| TrialId(id as i64));
        Ok(match code {
            0 => Self::CreateStudy {
                name: fields.text("study_name")?.to_owned(),
                directions: fields.list("directions")?.iter().map(direction).collect::<Result<_, _>>()?,
            },
            1 => Self::DeleteStudy { study: study()? },
            2 | 3 => {
                let scope = if code == 2 { Scope::User } else { Scope::System };
                let (key, value) = fields.attribute(scope)?;
                Self::SetStudyAttribute { study: study()?, scope, key, value }
            }
            4 => Self::CreateTrial { study: study()?, trial: Box::new(TrialRecord::read(fields)?) },
            5 => {
                let distribution = distribution(fields.text("distribution")?)?;
                let internal = fields.number("param_value_internal")?;
                let name = fields.text("param_name")?.to_owned();
                Self::SetParameter { trial: trial()?, name, parameter: Parameter { internal, distribution } }
            }
            6 => {
                let state = state(fields.whole("state")?)?;
                let time = match state {
                    TrialState::Waiting => None,
                    TrialState::Running => fields.time("datetime_start")?,
                    _ => fields.time("datetime_complete")?,
                };
                Self::SetState { trial: trial()?, state, values: fields.values("values")?, time }
            }
            7 => Self::Report {
                trial: trial()?,
                step: fields.whole("step")?,
                value: fields.number("intermediate_value")?,
            },
            8 | 9 => {
                let scope = if code == 8 { Scope::User } else { Scope::System };
                let (key, value) = fields.attribute(scope)?;
                Self::SetTrialAttribute { trial: trial()?, scope, key, value }
            }
            10 => Self::Discard,
            _ => return Err(format!("operation {code} is not known: a newer program wrote it")),
        })
    }
}

impl TrialRecord {
    fn write(&self, study: StudyId) -> Vec<(&'static str, String)> {
        let mut fields = vec![("study_id", study.0.to_string()), ("datetime_start", time(self.started))];
        let blank = self.values.is_none()
            && self.parameters.is_empty()
            && self.intermediate.is_empty()
            && self.user_attributes.is_empty()
            && self.system_attributes.is_empty();
        if self.state == TrialState::Running && blank {
            return fields;
        }
        let value = |name: &String, value: String| format!("{}:{value}", text(name));
        let distributions =
            self.parameters.iter().map(|(name, p)| value(name, text(&p.distribution.to_json())));
        let params = self.parameters.iter().map(|(name, p)| value(name, write_number(p.internal)));
        let intermediate =
            self.intermediate.iter().map(|(step, v)| value(&step.to_string(), write_number(*v)));
        let (one, several) = match self.values.as_deref() {
            None => (None, None),
            Some([one]) => (Some(write_number(*one)), None),
            Some(several) => (None, Some(numbers(several))),
        };
        fields.extend([
            ("state", code(self.state).to_string()),
            ("value", one.unwrap_or("null".into())),
            ("values", several.unwrap_or("null".into())),
        ]);
        if self.completed.is_some() {
            fields.push(("datetime_complete", time(self.completed)));
        }
        fields.extend([
            ("distributions", braces(distributions)),
            ("params", braces(params)),
            ("user_attrs", json(&self.user_attributes)),
            ("system_attrs", json(&self.system_attributes)),
            ("intermediate_values", braces(intermediate)),
        ]);
        fields
    }

    fn read(fields: &Fields) -> Result<Self, String> {
        let distributions = fields.object("distributions")?;
        let mut parameters = BTreeMap::new();
        for (name, value) in fields.object("params")?.into_iter().flatten() {
            let text = distributions.and_then(|all| all.get(name)).and_then(Value::as_str);
            let distribution = distribution(text.ok_or_else(|| format!("\"{name}\" has no distribution"))?)?;
            let internal = number(value).ok_or_else(|| format!("\"{name}\" is no number"))?;
            parameters.insert(name.clone(), Parameter { internal, distribution });
        }
        let mut intermediate = BTreeMap::new();
        for (step, value) in fields.object("intermediate_values")?.into_iter().flatten() {
            let report = step.parse().ok().zip(number(value));
            let (step, value) = report.ok_or_else(|| format!("the value of step \"{step}\" is no number"))?;
            intermediate.insert(step, value);
        }
        let value = fields.0.get("value").and_then(number);
        Ok(Self {
            state: fields
                .0
                .get("state")
                .map_or(Ok(TrialState::Running), |_| state(fields.whole("state")?))?,
            values: fields.values("values")?.or(value.map(|value| vec![value])),
            started: fields.time("datetime_start")?,
            completed: fields.time("datetime_complete")?,
            parameters,
            intermediate,
            user_attributes: fields.object("user_attrs")?.cloned().unwrap_or_default(),
            system_attributes: fields.object("system_attrs")?.cloned().unwrap_or_default(),
        })
    }
}

/// The fields of a line; whatever is missing or of another type is named.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A field, unless it is absent or null.
    fn optional(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        self.optional(name).and_then(Value::as_str).ok_or_else(|| format!("\"{name}\" is no text"))
    }

    fn whole(&self, name: &str) -> Result<u64, String> {
        let whole = self.optional(name).and_then(Value::as_u64);
        whole.ok_or_else(|| format!("\"{name}\" is no whole number"))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        self.optional(name).and_then(number).ok_or_else(|| format!("\"{name}\" is no number"))
    }

    fn list(&self, name: &str) -> Result<&'a Vec<Value>, String> {
        self.optional(name).and_then(Value::as_array).ok_or_else(|| format!("\"{name}\" is no list"))
    }

    fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
        self.optional(name)
            .map(|value| value.as_object().ok_or_else(|| format!("\"{name}\" is no object")))
            .transpose()
    }

    fn values(&self, name: &str) -> Result<Option<Vec<f64>>, String> {
        if self.optional(name).is_none() {
            return Ok(None);
        }
        let values: Option<_> = self.list(name)?.iter().map(number).collect();
        values.map(Some).ok_or_else(|| format!("\"{name}\" are no numbers"))
    }

    /// A time: with its offset from UTC, or as Optuna wrote it before version 5, on the clock of the machine.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, String> {
        if self.optional(name).is_none() {
            return Ok(None);
        }
        let text = self.text(name)?;
        let local =
            || text.parse::<civil::DateTime>()?.to_zoned(TimeZone::system()).map(|time| time.timestamp());
        let time = text.parse::<Timestamp>().or_else(|_| local());
        time.map(Some).map_err(|_| format!("\"{name}\" is no time: {text}"))
    }

    fn attribute(&self, scope: Scope) -> Result<(String, Value), String> {
        let name = attribute_field(scope);
        let attribute = self.object(name)?.and_then(|object| object.iter().next());
        let (key, value) = attribute.ok_or_else(|| format!("\"{name}\" is empty"))?;
        Ok((key.clone(), value.clone()))
    }
}

fn attribute_field(scope: Scope) -> &'static str {
    match scope {
        Scope::User => "user_attr",
        Scope::System => "system_attr",
    }
}

fn direction(code: &Value) -> Result<Option<Direction>, String> {
    match code.as_u64() {
        Some(0) => Ok(None),
        Some(1) => Ok(Some(Direction::Minimize)),
        Some(2) => Ok(Some(Direction::Maximize)),
        _ => Err(format!("direction {code} is not known")),
    }
}

fn state(code: u64) -> Result<TrialState, String> {
    TrialState::ALL.get(code as usize).copied().ok_or_else(|| format!("state {code} is not known"))
}

fn distribution(text: &str) -> Result<Distribution, String> {
    Distribution::from_json(text).map_err(|error| error.to_string())
}

fn object(fields: Vec<(&str, String)>) -> String {
    braces(fields.into_iter().map(|(name, value)| format!("{}:{value}", text(name))))
}

fn braces(fields: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn numbers(values: &[f64]) -> String {
    list(values.iter().copied().map(write_number))
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn json(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).expect("the keys of an object are text")
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or("null".into(), |time| format!("\"{}\"", time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00")))
}

fn attribute(scope: Scope, key: &str, value: &Value) -> (&'static str, String) {
    (attribute_field(scope), braces([format!("{}:{value}", text(key))].into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_optuna() {
        // Written by Optuna 5.0.0.
        for line in [
            r#"{"op_code":0,"worker_id":"w-1","study_name":"s","directions":[2]}"#,
            r#"{"op_code":3,"worker_id":"w-1","study_id":0,"system_attr":{"study:metric_names":["ap"]}}"#,
            r#"{"op_code":4,"worker_id":"w-1","study_id":0,"datetime_start":"2026-11-21T16:20:19.685199+00:00"}"#,
            concat!(
                r#"{"op_code":4,"worker_id":"w-1","study_id":0,"datetime_start":null,"state":4,"value":null,"#,
                r#""values":null,"distributions":{},"params":{},"user_attrs":{},"#,
                r#""system_attrs":{"fixed_params":{"x":1}},"intermediate_values":{}}"#
            ),
            concat!(
                r#"{"op_code":6,"worker_id":"w-1","trial_id":3,"state":1,"values":[-0.25],"#,
                r#""datetime_complete":"2026-11-21T16:20:19.685199+00:00"}"#
            ),
            r#"{"op_code":7,"worker_id":"w-1","trial_id":3,"step":2,"intermediate_value":NaN}"#,
            r#"{"op_code":8,"worker_id":"w-1","trial_id":3,"user_attr":{"note":{"a":[1,2.5,null]}}}"#,
        ] {
            let read = Line::read(line).expect(line);
            assert_eq!(read.write().trim_end(), line);
        }
    }

    #[test]
    fn times_without_an_offset_are_local() {
        let line =
            r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-11-21T16:20:19.685199"}"#;
        let Operation::CreateTrial { trial, .. } = Line::read(line).expect("read").operation else {
            panic!("creates a trial")
        };
        let local = civil::date(2026, 11, 21).at(16, 20, 19, 685_199_000).to_zoned(TimeZone::system());
        assert_eq!(trial.started, Some(local.expect("a time").timestamp()));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        for (line, reason) in [
            ("", "no JSON at byte 0: a value expected"),
            ("[]", "no JSON object"),
            (r#"{"op_code":11,"worker_id":"w"}"#, "operation 11 is not known: a newer program wrote it"),
            (r#"{"op_code":1,"worker_id":"w","study_id":"a"}"#, "\"study_id\" is no whole number"),
            (
                r#"{"op_code":0,"worker_id":"w","study_name":"s","directions":[3]}"#,
                "direction 3 is not known",
            ),
            (r#"{"op_code":6,"worker_id":"w","trial_id":0,"state":5}"#, "state 5 is not known"),
        ] {
            assert_eq!(Line::read(line), Err(reason.to_owned()));
        }
    }
}
