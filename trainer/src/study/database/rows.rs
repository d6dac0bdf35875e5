//! Rows that belong to trials and studies, written anew or over those of the same key.

use std::collections::BTreeMap;

use serde_json::Value;

use super::connection::{Cell, Connection, Failure, Row};
use crate::study::Parameter;
use crate::study::storage::{Scope, TrialId};

/// Inserts rows, or changes those that have the same `key` already.
fn upsert(
    connection: &mut dyn Connection,
    table: &str,
    columns: &[&str],
    key: usize,
    rows: &[Row],
) -> Result<(), Failure> {
    /// Fewer parameters than any database allows.
    const ROWS: usize = 500;
    let updates: Vec<_> =
        columns[key..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
    for rows in rows.chunks(ROWS) {
        let mut place = 0..;
        let mut places = |row: &Row| {
            let places: Vec<_> = place.by_ref().take(row.len()).map(|i| format!("${}", i + 1)).collect();
            format!("({})", places.join(", "))
        };
        let values: Vec<_> = rows.iter().map(&mut places).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
            columns.join(", "),
            values.join(", "),
            columns[..key].join(", "),
            updates.join(", ")
        );
        connection.run(&sql, &rows.concat())?;
    }
    Ok(())
}

/// Parameters of a trial.
pub(super) fn insert_parameters(
    connection: &mut dyn Connection,
    trial: TrialId,
    parameters: &BTreeMap<String, Parameter>,
) -> Result<(), Failure> {
    let row = |(name, parameter): (&String, &Parameter)| {
        let distribution = parameter.distribution.to_json();
        vec![trial.0.into(), name.clone().into(), Cell::Real(parameter.internal), distribution.into()]
    };
    let rows: Vec<_> = parameters.iter().map(row).collect();
    let columns = ["trial_id", "param_name", "param_value", "distribution_json"];
    upsert(connection, "trial_params", &columns, 2, &rows)
}

/// The value of a trial, if it has one.
pub(super) fn insert_value(
    connection: &mut dyn Connection,
    trial: TrialId,
    value: Option<f64>,
) -> Result<(), Failure> {
    let row = |value| {
        let [value, kind] = Cell::of_number(value);
        vec![trial.0.into(), 0.into(), value, kind]
    };
    let rows: Vec<_> = value.map(row).into_iter().collect();
    upsert(connection, "trial_values", &["trial_id", "objective", "value", "value_type"], 2, &rows)
}

/// What a trial reported, by step.
pub(super) fn insert_reports<'a>(
    connection: &mut dyn Connection,
    trial: TrialId,
    reports: impl IntoIterator<Item = (&'a u64, &'a f64)>,
) -> Result<(), Failure> {
    let row = |(step, value): (&u64, &f64)| {
        let [value, kind] = Cell::of_number(*value);
        vec![trial.0.into(), i64::try_from(*step).unwrap_or(i64::MAX).into(), value, kind]
    };
    let rows: Vec<_> = reports.into_iter().map(row).collect();
    let columns = ["trial_id", "step", "intermediate_value", "intermediate_value_type"];
    upsert(connection, "trial_intermediate_values", &columns, 2, &rows)
}

/// Attributes of a study or trial.
pub(super) fn insert_attributes<'a>(
    connection: &mut dyn Connection,
    (owner, id): (&str, i64),
    scope: Scope,
    attributes: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Result<(), Failure> {
    let row = |(key, value): (&String, &Value)| vec![id.into(), key.clone().into(), value.to_string().into()];
    let rows: Vec<_> = attributes.into_iter().map(row).collect();
    let scope = match scope {
        Scope::User => "user",
        Scope::System => "system",
    };
    let columns = [&format!("{owner}_id"), "\"key\"", "value_json"];
    upsert(connection, &format!("{owner}_{scope}_attributes"), &columns, 2, &rows)
}
