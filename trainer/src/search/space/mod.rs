//! Search spaces: which parameters are searched, in which ranges, and which are fixed.
//!
//! The two spaces of the specification, `v2` and `v1`, are files of the same form as those of users.

mod error;
mod file;
mod print;
mod tasks;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use shared_model::config::ConfigError;
use shared_model::schema::TaskSchema;

pub use self::error::SpaceError;
use crate::parameters::{ParameterError, RunParameters};
use crate::study::{Distribution, Parameter};

/// What is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// Its name, or the file it comes from.
    pub name: String,
    /// By parameter; each after those that its condition names.
    entries: Vec<Entry>,
}

/// One parameter of a space.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name of the parameter; `aggregator_kwargs.topk_n` is the option of a component.
    pub name: String,
    /// Its values.
    pub values: Values,
    /// When it counts at all; none: always.
    pub condition: Option<Condition>,
}

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// The same in every trial.
    Fixed(Value),
    /// Drawn anew for every trial.
    Searched(Distribution),
}

/// A parameter counts only where another one has one of these values.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The other parameter.
    pub parameter: String,
    /// Its values.
    pub values: Vec<Value>,
}

/// One point of a space.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Configuration {
    /// What was drawn.
    pub searched: BTreeMap<String, Parameter>,
    /// The flat parameters of a run: what was drawn, what is fixed, and what lies under the space.
    pub parameters: Map<String, Value>,
}

impl Space {
    /// Name of the default space.
    pub const DEFAULT: &str = "v2";

    /// The space of a name, or of a TOML file, for the tasks of a schema.
    ///
    /// # Errors
    /// [`SpaceError`] if there is none, or it names a parameter or value that no run can have.
    pub fn open(name_or_file: &str, schema: &TaskSchema) -> Result<Self, SpaceError> {
        match Self::named(name_or_file, schema) {
            Some(space) => Ok(space),
            None if Path::new(name_or_file).exists() || name_or_file.ends_with(".toml") => {
                file::read(Path::new(name_or_file), schema)
            }
            None => Err(SpaceError::Unknown(name_or_file.into())),
        }
    }

    /// A space of the specification. For tasks other than those of EUOS25, what belongs to single tasks is as wide as
    /// the specified ranges of all tasks together, and what has no effect is left out.
    pub fn named(name: &str, schema: &TaskSchema) -> Option<Self> {
        let text = match name {
            "v2" => include_str!("v2.toml"),
            "v1" => include_str!("v1.toml"),
            _ => return None,
        };
        let entries = file::entries(text, &TaskSchema::euos25()).expect("a space of the specification");
        Some(Self::new(name, tasks::adapt(entries, schema)).expect("a space of the specification"))
    }

    /// Puts entries into an order in which each comes after those that its condition names.
    fn new(name: &str, mut entries: Vec<Entry>) -> Result<Self, SpaceError> {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut ordered: Vec<Entry> = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            let ready = |entry: &Entry| {
                entry
                    .condition
                    .as_ref()
                    .is_none_or(|on| ordered.iter().any(|known| known.name == on.parameter))
            };
            let (next, later): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(ready);
            if let (true, Some(stuck)) = (next.is_empty(), later.first()) {
                let on = stuck.condition.as_ref().map_or("", |condition| &condition.parameter);
                let reason = format!("depends on {on}, which is not in the space, or depends on it in turn");
                return Err(SpaceError::entry(&stuck.name, reason));
            }
            ordered.extend(next);
            entries = later;
        }
        Ok(Self { name: name.into(), entries: ordered })
    }

    /// Its parameters.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The parameters that are searched, with what they are drawn from.
    pub fn searched(&self) -> impl Iterator<Item = (&str, &Distribution)> {
        self.entries.iter().filter_map(|entry| match &entry.values {
            Values::Searched(distribution) => Some((entry.name.as_str(), distribution)),
            Values::Fixed(_) => None,
        })
    }

    /// Fixes parameters, in the space or not.
    ///
    /// # Errors
    /// [`SpaceError`] if a run cannot have one, or nothing is left to search.
    pub fn fix(&mut self, fixed: &[(String, Value)], schema: &TaskSchema) -> Result<(), SpaceError> {
        for (name, value) in fixed {
            let entry = Entry { name: name.clone(), values: Values::Fixed(value.clone()), condition: None };
            check(&entry, schema)?;
            match self.entries.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = entry,
                None => self.entries.insert(0, entry),
            }
        }
        if self.searched().next().is_none() { Err(SpaceError::NothingToSearch) } else { Ok(()) }
    }

    /// One point: what `suggest` gives for every searched parameter that counts, over the parameters `under` it.
    pub fn draw(
        &self,
        under: &Map<String, Value>,
        mut suggest: impl FnMut(&str, &Distribution) -> f64,
    ) -> Configuration {
        let mut drawn = Configuration { searched: BTreeMap::new(), parameters: under.clone() };
        for entry in &self.entries {
            if !entry.counts(&drawn.parameters) {
                continue;
            }
            let value = match &entry.values {
                Values::Fixed(value) => value.clone(),
                Values::Searched(distribution) => {
                    let internal = suggest(&entry.name, distribution);
                    let parameter = Parameter { internal, distribution: distribution.clone() };
                    let external = parameter.external();
                    drawn.searched.insert(entry.name.clone(), parameter);
                    external
                }
            };
            place(&mut drawn.parameters, &entry.name, value);
        }
        drawn
    }

    /// The flat parameters of a run with these searched values (external ones), what is fixed, and what lies `under`.
    /// Values that the space does not have count as well: a study may have begun with another space.
    pub fn complete(&self, under: &Map<String, Value>, searched: &Map<String, Value>) -> Map<String, Value> {
        let mut parameters = under.clone();
        for (name, value) in searched {
            place(&mut parameters, name, value.clone());
        }
        for entry in &self.entries {
            if let Values::Fixed(value) = &entry.values
                && entry.counts(&parameters)
                && !searched.contains_key(&entry.name)
            {
                place(&mut parameters, &entry.name, value.clone());
            }
        }
        parameters
    }
}

impl Entry {
    /// Whether its condition holds.
    fn counts(&self, parameters: &Map<String, Value>) -> bool {
        self.condition.as_ref().is_none_or(|condition| {
            let value = lookup(parameters, &condition.parameter);
            value.is_some_and(|value| condition.values.iter().any(|wanted| same(wanted, value)))
        })
    }
}

/// Whether two JSON values are one; numbers by what they are worth.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Puts a value under a name, which may be that of a component's option.
fn place(parameters: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            parameters.insert(name.into(), value);
        }
        Some((component, option)) => {
            let options = parameters.entry(component).or_insert_with(|| Map::new().into());
            if let Value::Object(options) = options {
                options.insert(option.into(), value);
            }
        }
    }
}

/// The value of a name, which may be that of a component's option.
pub fn lookup<'a>(parameters: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => parameters.get(name),
        Some((component, option)) => parameters.get(component)?.get(option),
    }
}

/// Checks that a run can have the parameter and the ends of its range. What is impossible only together with others is
/// found when it is drawn.
fn check(entry: &Entry, schema: &TaskSchema) -> Result<(), SpaceError> {
    let values = match &entry.values {
        Values::Fixed(value) => vec![value.clone()],
        Values::Searched(distribution) => match distribution {
            Distribution::Float { low, high, .. } => vec![(*low).into(), (*high).into()],
            Distribution::Int { low, high, .. } => vec![(*low).into(), (*high).into()],
            Distribution::Categorical { choices } => choices.clone(),
        },
    };
    for value in values {
        // Bounds that each other stand in the way of.
        let mut parameters =
            Map::from_iter([("lam_floor".into(), 0.0.into()), ("lam_ceil".into(), 1e6.into())]);
        place(&mut parameters, &entry.name, value);
        match RunParameters::from_json(&parameters.into(), schema) {
            Ok(_) | Err(ParameterError::Network(ConfigError::Heads { .. } | ConfigError::NoBranch)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
