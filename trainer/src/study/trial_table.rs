//! The trials of a study as a table, with the columns of Optuna's `trials_dataframe`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{StudyRecord, Trial, python_json};
use crate::column_table::{self, ColumnTable, Format};

/// A column: null where a trial has nothing there. Numbers that JSON does not have are text.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As in Optuna's table.
    pub name: String,
    /// A cell a trial.
    pub cells: Vec<Value>,
}

/// The columns of a study's trials: number, value, times (UTC), duration (seconds), parameters, attributes, state.
pub fn trial_table(study: &StudyRecord, trials: &[Trial]) -> Vec<Column> {
    let column = |name: String, cell: &dyn Fn(&Trial) -> Value| Column {
        name,
        cells: trials.iter().map(cell).collect(),
    };
    let mut columns = vec![column("number".into(), &|trial| trial.number.into())];
    let metrics = study.system_attributes.get("study:metric_names").and_then(Value::as_array);
    let metric = |i: usize| metrics?.get(i)?.as_str().map(|name| format!("_{name}"));
    let several = study.directions.len() > 1;
    for i in 0..study.directions.len().max(1) {
        let number = if several { format!("_{i}") } else { String::new() };
        let name = format!("value{}{}", if several { "s" } else { "" }, metric(i).unwrap_or(number));
        columns.push(column(name, &|trial| trial.values.as_ref().map_or(Value::Null, |all| real(all[i]))));
    }
    columns.push(column("datetime_start".into(), &|trial| time(trial.started)));
    columns.push(column("datetime_complete".into(), &|trial| time(trial.completed)));
    columns.push(column("duration".into(), &|trial| duration(trial).map_or(Value::Null, Value::from)));
    let parameters = trials.iter().map(Trial::external_parameters).collect::<Vec<_>>();
    columns.extend(nested("params", parameters.iter()));
    columns.extend(nested("user_attrs", trials.iter().map(|trial| &trial.user_attributes)));
    columns.extend(nested("system_attrs", trials.iter().map(|trial| &trial.system_attributes)));
    columns.push(column("state".into(), &|trial| trial.state.name().into()));
    columns
}

/// Seconds that a finished trial took.
pub fn duration(trial: &Trial) -> Option<f64> {
    Some((trial.completed?.as_microsecond() - trial.started?.as_microsecond()) as f64 * 1e-6)
}

/// A column for every key that any of the maps has.
fn nested<'a>(
    name: &str,
    maps: impl Iterator<Item = &'a Map<String, Value>> + Clone,
) -> impl Iterator<Item = Column> {
    let keys: BTreeSet<_> = maps.clone().flat_map(Map::keys).collect();
    keys.into_iter().map(move |key| Column {
        name: format!("{name}_{key}"),
        cells: maps.clone().map(|map| map.get(key).cloned().unwrap_or(Value::Null)).collect(),
    })
}

fn real(number: f64) -> Value {
    if number.is_finite() { number.into() } else { python_json::write_number(number).into() }
}

fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string().into())
}

/// A cell as a person reads it; nothing where there is nothing.
pub fn cell_text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes columns as CSV or Parquet: whole numbers, real numbers, everything else as text.
///
/// # Errors
/// What the operating system says.
pub fn write_table(columns: &[Column], file: &mut (impl Write + Send), format: Format) -> io::Result<()> {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    ColumnTable::new(rows, columns.iter().map(typed).collect()).write_to(file, format)
}

fn typed(Column { name, cells }: &Column) -> column_table::Column<'_> {
    let all = |kind: fn(&Value) -> bool| {
        cells.iter().any(|cell| !cell.is_null()) && cells.iter().all(|cell| cell.is_null() || kind(cell))
    };
    if all(Value::is_i64) {
        column_table::Column::integers(name, |row| cells[row].as_i64())
    } else if all(Value::is_number) {
        column_table::Column::reals(name, |row| cells[row].as_f64())
    } else {
        column_table::Column::text(name, |row| (!cells[row].is_null()).then(|| cell_text(&cells[row])))
    }
}

/// Writes columns as a JSON list with an object a trial.
///
/// # Errors
/// What the operating system says.
pub fn write_json(columns: &[Column], file: &mut impl Write) -> serde_json::Result<()> {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let record = |row: usize| -> Map<String, Value> {
        columns.iter().map(|column| (column.name.clone(), column.cells[row].clone())).collect()
    };
    let records: Vec<_> = (0..rows).map(record).collect();
    serde_json::to_writer_pretty(file, &records)
}
