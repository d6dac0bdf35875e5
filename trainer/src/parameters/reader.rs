//! Taking named, typed, bounded parameters out of a flat JSON object.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::ParameterError;
use crate::suggestion::did_you_mean;

/// Hands out parameters and remembers what was resolved.
pub(super) struct Reader {
    given: Map<String, Value>,
    resolved: Map<String, Value>,
    known: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(given: Map<String, Value>) -> Self {
        Self { given, resolved: Map::new(), known: BTreeSet::new() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Remembers a name that was not asked for this time, to suggest it to somebody who mistyped it.
    pub(super) fn know(&mut self, name: &str) {
        self.known.insert(name.into());
    }

    /// As [`know`](Self::know), of `{name}_t0` ….
    pub(super) fn know_per_task(&mut self, name: &str, tasks: usize) {
        self.known.extend((0..tasks).map(|task| format!("{name}_t{task}")));
    }

    /// Notes what a parameter is in this run.
    pub(super) fn resolve(&mut self, name: &str, value: Value) {
        self.resolved.insert(name.into(), value);
    }

    /// Everything that was resolved, if everything given was read.
    pub(super) fn finish(self) -> Result<Map<String, Value>, ParameterError> {
        if self.given.is_empty() {
            return Ok(self.resolved);
        }
        Err(ParameterError::Unknown(self.given.keys().map(|name| self.explain_unknown(name)).collect()))
    }

    fn explain_unknown(&self, name: &str) -> String {
        let per_task = name.rsplit_once("_t").filter(|(_, task)| task.parse::<usize>().is_ok());
        let tasks = per_task.map_or(0, |(family, _)| {
            (0..).take_while(|task| self.known.contains(&format!("{family}_t{task}"))).count()
        });
        match tasks {
            0 => name.to_owned() + &did_you_mean(name, self.known.iter().map(String::as_str)),
            1 => format!("{name} (the schema has 1 task, t0)"),
            _ => format!("{name} (the schema has {tasks} tasks, t0 to t{})", tasks - 1),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.know(name);
        self.given.remove(name)
    }

    /// A value of the kind of `default`, if one is given; null is as if it were not.
    pub(super) fn like(&mut self, name: &str, default: &Value) -> Result<Option<Value>, ParameterError> {
        let Some(value) = self.take(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let whole = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=1e15).contains(number));
        let (fits, expected) = match default {
            Value::Number(number) if number.is_u64() => (whole.is_some(), "a whole number of at least 0"),
            Value::Number(_) => (value.is_number(), "a number"),
            Value::Bool(_) => (value.is_boolean(), "true or false"),
            Value::String(_) => (value.is_string(), "a name"),
            Value::Object(_) => (value.is_object(), "an object of options"),
            Value::Array(_) | Value::Null => (true, ""),
        };
        match whole {
            _ if !fits => Err(ParameterError::wrong_type(name, &value, expected)),
            Some(number) if default.is_u64() => Ok(Some((number as u64).into())),
            _ => Ok(Some(value)),
        }
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        default: f64,
        low: f64,
        high: f64,
    ) -> Result<f64, ParameterError> {
        Ok(self.optional_number(name, Some(default), low, high)?.expect("there is a default"))
    }

    pub(super) fn optional_number(
        &mut self,
        name: &str,
        default: Option<f64>,
        low: f64,
        high: f64,
    ) -> Result<Option<f64>, ParameterError> {
        let Some(value) = self.take(name).or(default.map(Value::from)) else { return Ok(None) };
        let Some(number) = value.as_f64() else {
            return Err(ParameterError::wrong_type(name, &value, "a number"));
        };
        if !(low..=high).contains(&number) {
            return Err(ParameterError::OutOfRange { name: name.into(), found: number, low, high });
        }
        self.resolve(name, value);
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
            return Err(ParameterError::wrong_type(name, value, "a whole number"));
        }
        let integer = self.number(name, default as f64, low as f64, high as f64)? as usize;
        self.resolve(name, integer.into());
        Ok(integer)
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, ParameterError> {
        let flag = match self.take(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(value) => return Err(ParameterError::wrong_type(name, &value, "true or false")),
        };
        self.resolve(name, flag.into());
        Ok(flag)
    }

    pub(super) fn choice(
        &mut self,
        name: &str,
        default: &str,
        known: &[&str],
    ) -> Result<String, ParameterError> {
        let choice = match self.take(name) {
            None => default.to_owned(),
            Some(Value::String(choice)) => choice,
            Some(value) => return Err(ParameterError::wrong_type(name, &value, "a name")),
        };
        if !known.contains(&choice.as_str()) {
            let known = known.iter().map(|&known| known.to_owned()).collect();
            return Err(ParameterError::Choice { name: name.into(), found: choice, known });
        }
        self.resolve(name, choice.clone().into());
        Ok(choice)
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
