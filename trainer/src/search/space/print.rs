//! A space as the text of a file that reads back to it, with what differs from another space.

use std::fmt::{self, Write};

use serde_json::Value;

use super::{Entry, Space, Values};
use crate::study::Distribution;

impl Space {
    /// The space as TOML that reads back to it. Comments tell what differs from `default`.
    pub fn to_toml(&self, default: &Self) -> String {
        let mut text =
            format!("# Search space {}; what differs from {} is marked.\n", self.name, default.name);
        text += "[parameters]\n";
        for entry in &self.entries {
            let known = default.entries.iter().find(|known| known.name == entry.name);
            let remark = match known {
                Some(known) if known == entry => String::new(),
                Some(known) => format!("  # differs from {}: {known}", default.name),
                None => format!("  # not in {}", default.name),
            };
            let _ = writeln!(text, "{} = {entry}{remark}", key(&entry.name));
        }
        let missing = |name: &str| self.entries.iter().all(|entry| entry.name != name);
        let missing: Vec<&str> =
            default.searched().map(|(name, _)| name).filter(|name| missing(name)).collect();
        if !missing.is_empty() {
            let _ = writeln!(text, "# searched in {}, not here: {}", default.name, missing.join(", "));
        }
        text
    }
}

/// The right-hand side of an entry in a file.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let body = match (&self.values, &self.condition) {
            (Values::Fixed(value), None) => return f.write_str(&toml_of(value)),
            (Values::Searched(Distribution::Categorical { choices }), None) => {
                return f.write_str(&list(choices));
            }
            (Values::Fixed(value), Some(_)) => format!("value = {}", toml_of(value)),
            (Values::Searched(distribution), _) => match distribution {
                Distribution::Categorical { choices } => format!("choices = {}", list(choices)),
                Distribution::Float { low, high, log, step } => {
                    let step = step.map(|step| toml_of(&step.into()));
                    range(toml_of(&(*low).into()), toml_of(&(*high).into()), *log, step)
                }
                Distribution::Int { low, high, log, step } => {
                    let step = (*step != 1).then(|| step.to_string());
                    range(low.to_string(), high.to_string(), *log, step)
                }
            },
        };
        write!(f, "{{ {body}")?;
        if let Some(condition) = &self.condition {
            write!(f, ", if = {{ {} = {} }}", key(&condition.parameter), list(&condition.values))?;
        }
        f.write_str(" }")
    }
}

fn range(low: String, high: String, log: bool, step: Option<String>) -> String {
    let log = if log { ", log = true" } else { "" };
    let step = step.map_or_else(String::new, |step| format!(", step = {step}"));
    format!("low = {low}, high = {high}{log}{step}")
}

fn list(values: &[Value]) -> String {
    format!("[{}]", values.iter().map(toml_of).collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

/// A JSON value as TOML; null, which TOML has no form for, as an empty text.
fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).unwrap_or_else(|_| "".into()).to_string()
}
