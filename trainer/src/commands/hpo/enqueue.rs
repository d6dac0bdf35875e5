//! Parameters that are known to be good, to be tried before any is drawn.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value};

use super::super::run_args::{Run, read_parameters};
use super::super::tables::note;
use crate::parameters::RunParameters;
use crate::search::space::{Space, lookup};

/// Reads files of parameters; of each what the space searches. What it does not search, or has no such value for, is
/// told and left to the search.
pub(super) fn read(files: &[PathBuf], space: &Space, run: &Run) -> anyhow::Result<Vec<Map<String, Value>>> {
    files
        .iter()
        .map(|file| {
            let given = read_parameters(file)?;
            let resolved = RunParameters::from_json(&Value::Object(given.clone()), &run.schema)
                .with_context(|| format!("parameters {}", file.display()))?
                .resolved;
            let mut outside = Vec::new();
            let mut configuration = Map::new();
            for (name, distribution) in space.searched() {
                let Some(value) = lookup(&given, name).or_else(|| lookup(&resolved, name)) else { continue };
                match distribution.internal(value) {
                    Some(_) => {
                        configuration.insert(name.into(), value.clone());
                    }
                    None => outside.push(format!("{name} = {value}")),
                }
            }
            note((!outside.is_empty()).then(|| {
                format!(
                    "{}: not in the search space, and drawn instead: {}",
                    file.display(),
                    outside.join(", ")
                )
            }));
            anyhow::ensure!(
                !configuration.is_empty(),
                "{}: none of its values lies in the search space",
                file.display()
            );
            Ok(configuration)
        })
        .collect()
}
