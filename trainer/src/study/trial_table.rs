//! The trials of a study as a table, with the columns of Optuna's `trials_dataframe`.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::{StudyRecord, Trial, python_json};

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

/// Writes columns as CSV.
///
/// # Errors
/// What the operating system says.
pub fn write_csv(columns: &[Column], file: &mut impl Write) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(columns.iter().map(|column| &column.name))?;
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        writer.write_record(columns.iter().map(|column| cell_text(&column.cells[row])))?;
    }
    Ok(writer.flush()?)
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

/// How a column is stored in Parquet.
fn physical(cells: &[Value]) -> Physical {
    let all = |kind: fn(&Value) -> bool| {
        cells.iter().any(|cell| !cell.is_null()) && cells.iter().all(|cell| cell.is_null() || kind(cell))
    };
    if all(Value::is_i64) {
        Physical::INT64
    } else if all(Value::is_number) {
        Physical::DOUBLE
    } else {
        Physical::BYTE_ARRAY
    }
}

/// Writes columns as Parquet: whole numbers, real numbers, everything else as text.
///
/// # Errors
/// What the operating system says.
pub fn write_parquet(columns: &[Column], file: &mut (impl Write + Send)) -> Result<(), ParquetError> {
    let field = |column: &Column| {
        let kind = physical(&column.cells);
        let text = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let field = Type::primitive_type_builder(&column.name, kind).with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(field.with_logical_type(text).build()?))
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, ParquetError>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for Column { cells, .. } in columns {
        match physical(cells) {
            Physical::INT64 => column::<Int64Type>(&mut group, cells, |cell| cell.as_i64())?,
            Physical::DOUBLE => column::<DoubleType>(&mut group, cells, |cell| cell.as_f64())?,
            _ => column::<ByteArrayType>(&mut group, cells, |cell| {
                (!cell.is_null()).then(|| cell_text(cell).into_bytes().into())
            })?,
        }
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    cells: &[Value],
    value: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let present: Vec<_> = cells.iter().map(|cell| i16::from(!cell.is_null())).collect();
    let values: Vec<_> = cells.iter().filter_map(value).collect();
    let mut column = group.next_column()?.expect("the schema has it");
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()
}
