//! Task schemas in TOML.

use std::path::Path;

use shared_model::schema::TaskSchema;

use super::{error::DataError, table::unreadable};

/// Reads and validates a task schema.
///
/// # Errors
/// If the file cannot be read, is not TOML of the form of [`TaskSchema`], or breaks one of its rules.
pub fn read_schema(path: &Path) -> Result<TaskSchema, DataError> {
    if path.is_dir() {
        return Err(DataError::NotAFile { path: path.into() });
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let schema: TaskSchema = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        DataError::SchemaSyntax { path: path.into(), reason: place + error.message().trim_end() }
    })?;
    schema.validate().map_err(|error| DataError::SchemaRule { path: path.into(), error })?;
    Ok(schema)
}
