//! Search spaces from TOML.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use shared_model::schema::TaskSchema;
use toml::{Table, Value as Toml};

use super::{Condition, Entry, Space, SpaceError, Values, check, lookup};
use crate::parameters::RunParameters;
use crate::study::Distribution;
use crate::suggestion::did_you_mean;

/// Keys of the table of a parameter.
const KEYS: [&str; 6] = ["low", "high", "log", "step", "choices", "value"];

/// Reads a user's space; `base = "v2"` or `"v1"` extends one of the specification.
pub(super) fn read(path: &Path, schema: &TaskSchema) -> Result<Space, SpaceError> {
    let in_file = |reason: String| SpaceError::File { path: path.into(), reason };
    let text = fs::read_to_string(path).map_err(|error| in_file(error.to_string()))?;
    let named = |error: SpaceError| match error {
        SpaceError::File { reason, .. } => in_file(reason),
        error => {
            let text = error.to_string();
            in_file(text.strip_prefix("search space: ").unwrap_or(&text).to_owned())
        }
    };
    let own = entries(&text, schema).map_err(named)?;
    let table: Table = text.parse().expect("it was parsed before");
    let mut all = match table.get("base").map(Toml::as_str) {
        None => Vec::new(),
        Some(base) => {
            base.and_then(|name| Space::named(name, schema))
                .ok_or_else(|| in_file("base must be \"v2\" or \"v1\"".into()))?
                .entries
        }
    };
    for entry in own {
        match all.iter_mut().find(|known| known.name == entry.name) {
            Some(known) => *known = entry,
            None => all.push(entry),
        }
    }
    let space = Space::new(&path.display().to_string(), all).map_err(named)?;
    if space.searched().next().is_none() {
        return Err(named(SpaceError::NothingToSearch));
    }
    Ok(space)
}

/// The entries of a text, each checked.
pub(super) fn entries(text: &str, schema: &TaskSchema) -> Result<Vec<Entry>, SpaceError> {
    let in_text = |reason: String| SpaceError::File { path: Path::new("").into(), reason };
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        in_text(format!("line {}: {message}", before.matches('\n').count() + 1))
    })?;
    if let Some(unknown) = table.keys().find(|key| !["base", "parameters"].contains(&key.as_str())) {
        let hint = did_you_mean(unknown, ["base", "parameters"]);
        return Err(in_text(format!(
            "\"{unknown}\" means nothing{hint}: parameters stand in the table [parameters]"
        )));
    }
    let parameters = match table.get("parameters") {
        Some(Toml::Table(parameters)) => parameters,
        _ => return Err(in_text("it has no table [parameters]".into())),
    };
    let defaults = RunParameters::from_json(&json!({}), schema)?.resolved;
    let entry = |(name, value): (&String, &Toml)| {
        let entry = entry(name, value, lookup(&defaults, name))?;
        check(&entry, schema)?;
        Ok(entry)
    };
    parameters.iter().map(entry).collect()
}

/// One parameter; `default` tells whether it is a whole number or a real one.
fn entry(name: &str, value: &Toml, default: Option<&Value>) -> Result<Entry, SpaceError> {
    let (values, condition) = match value {
        Toml::Array(choices) => (searched(choices_of(name, choices)?), None),
        Toml::Table(table) => from_table(name, table, default)?,
        value => (Values::Fixed(json_of(value)), None),
    };
    Ok(Entry { name: name.into(), values, condition })
}

fn searched(choices: Vec<Value>) -> Values {
    Values::Searched(Distribution::Categorical { choices })
}

fn choices_of(name: &str, choices: &[Toml]) -> Result<Vec<Value>, SpaceError> {
    if choices.is_empty() {
        return Err(SpaceError::entry(name, "has no choices"));
    }
    Ok(choices.iter().map(json_of).collect())
}

fn from_table(
    name: &str,
    table: &Table,
    default: Option<&Value>,
) -> Result<(Values, Option<Condition>), SpaceError> {
    let wrong = |reason: String| SpaceError::entry(name, reason);
    let known = KEYS.into_iter().chain(["if"]);
    if let Some(key) = table.keys().find(|key| !known.clone().any(|known| known == key.as_str())) {
        let hint = did_you_mean(key, known.clone());
        return Err(wrong(format!(
            "has \"{key}\", which means nothing{hint}: known are low, high, log, step, choices, value and if"
        )));
    }
    let condition = table.get("if").map(|condition| condition_of(name, condition)).transpose()?;
    let range = ["low", "high", "log", "step"].into_iter().any(|key| table.contains_key(key));
    let values = match (table.get("value"), table.get("choices"), range) {
        (Some(value), None, false) => Values::Fixed(json_of(value)),
        (None, Some(Toml::Array(choices)), false) => searched(choices_of(name, choices)?),
        (None, None, true) => Values::Searched(range_of(name, table, default)?),
        _ => return Err(wrong("needs one of: low and high, a list of choices, a value".into())),
    };
    Ok((values, condition))
}

fn condition_of(name: &str, condition: &Toml) -> Result<Condition, SpaceError> {
    let single = condition.as_table().filter(|table| table.len() == 1).and_then(|table| table.iter().next());
    let Some((parameter, value)) = single else {
        return Err(SpaceError::entry(name, "has an `if` that is not of the form { other = value }"));
    };
    let values = match value {
        Toml::Array(values) => values.iter().map(json_of).collect(),
        value => vec![json_of(value)],
    };
    Ok(Condition { parameter: parameter.clone(), values })
}

fn range_of(name: &str, table: &Table, default: Option<&Value>) -> Result<Distribution, SpaceError> {
    let wrong = |reason: &str| SpaceError::entry(name, reason);
    let number = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(Toml::Integer(number)) => Ok(Some(*number as f64)),
        Some(Toml::Float(number)) if number.is_finite() => Ok(Some(*number)),
        Some(_) => Err(wrong(&format!("has a {key} that is no number"))),
    };
    let (Some(low), Some(high)) = (number("low")?, number("high")?) else {
        return Err(wrong("needs both low and high"));
    };
    let step = number("step")?;
    let log = match table.get("log") {
        None => false,
        Some(Toml::Boolean(log)) => *log,
        Some(_) => return Err(wrong("has a log that is neither true nor false")),
    };
    if low > high {
        return Err(wrong(&format!("has low {low} above high {high}")));
    }
    if log && low <= 0.0 {
        return Err(wrong("has log = true, so that low must be above 0"));
    }
    if step.is_some_and(|step| step <= 0.0) {
        return Err(wrong("has a step that is not above 0"));
    }
    if log && step.is_some() {
        return Err(wrong("has both log and step: leave one out"));
    }
    let ends_whole = matches!((&table["low"], &table["high"]), (Toml::Integer(_), Toml::Integer(_)));
    let whole = match default {
        Some(Value::Number(number)) => number.is_u64(),
        _ => ends_whole,
    };
    // As in Optuna, the largest value is the last one that steps reach.
    let high = step.map_or(high, |step| high.min(low + ((high - low) / step + 1e-9).floor() * step));
    if !whole {
        return Ok(Distribution::Float { low, high, log, step });
    }
    if [Some(low), Some(high), step].into_iter().flatten().any(|number| number.fract() != 0.0) {
        return Err(wrong("is a whole number: low, high and step must be whole"));
    }
    Ok(Distribution::Int { low: low as i64, high: high as i64, log, step: step.unwrap_or(1.0) as i64 })
}

fn json_of(value: &Toml) -> Value {
    match value {
        Toml::String(text) => text.as_str().into(),
        Toml::Integer(number) => (*number).into(),
        Toml::Float(number) => (*number).into(),
        Toml::Boolean(flag) => (*flag).into(),
        Toml::Datetime(time) => time.to_string().into(),
        Toml::Array(values) => values.iter().map(json_of).collect(),
        Toml::Table(table) => {
            table.iter().map(|(name, value)| (name.clone(), json_of(value))).collect::<Map<_, _>>().into()
        }
    }
}
