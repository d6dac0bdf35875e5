//! Parquet tables: flat columns of numbers, booleans or text, read in batches of one column at a time.

use std::{
    fs::File,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::DataType,
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
    schema::types::ColumnDescriptor,
};

use super::{
    cell::Cell,
    error::DataError,
    table::{EachCell, EachRow, Place, Row, unreadable},
};

/// Rows decoded at once.
const BATCH: usize = 4096;

type Reader = SerializedFileReader<File>;

/// The column names. The row index that pandas stores beside the columns is not one of them.
pub(super) fn columns(path: &Path) -> Result<Vec<String>, DataError> {
    Ok(top_level(&open(path)?).into_iter().map(|(name, _)| name).collect())
}

/// See [`super::table::Table::text_rows`]; `names` are the names of all columns.
pub(super) fn text_rows(
    path: &Path,
    names: &[String],
    columns: &[usize],
    each: &mut EachRow<'_>,
) -> Result<usize, DataError> {
    let reader = open(path)?;
    let leaves = leaves(&reader, path, names, columns)?;
    let mut first = 0;
    for group in 0..reader.num_row_groups() {
        let group = guarded(path, || reader.get_row_group(group))?;
        let mut chunks = Vec::with_capacity(leaves.len());
        for &leaf in &leaves {
            chunks.push(Chunk::new(path, &*group, leaf)?);
        }
        let rows = row_count(path, group.metadata().num_rows())?;
        for start in (0..rows).step_by(BATCH) {
            let batch = BATCH.min(rows - start);
            let mut texts: Vec<Vec<Option<String>>> = Vec::with_capacity(chunks.len());
            for chunk in &mut chunks {
                let mut column = Vec::with_capacity(batch);
                chunk.read(first + start, batch, &mut |row, value| {
                    let text = value.text(path, row, chunk_name(names, columns, texts.len()))?;
                    column.push(text.filter(|text| !text.trim().is_empty()));
                    Ok(())
                })?;
                texts.push(column);
            }
            for offset in 0..batch {
                let cells: Vec<Option<&str>> = texts.iter().map(|column| column[offset].as_deref()).collect();
                each(row_at(first + start + offset), &cells)?;
            }
        }
        first += rows;
    }
    Ok(first)
}

/// See [`super::table::Table::numbers`]; `names` are the names of all columns.
pub(super) fn numbers(
    path: &Path,
    names: &[String],
    columns: &[usize],
    wanted: &dyn Fn(usize) -> bool,
    each: &mut EachCell<'_>,
) -> Result<usize, DataError> {
    let reader = open(path)?;
    let leaves = leaves(&reader, path, names, columns)?;
    let mut first = 0;
    for group in 0..reader.num_row_groups() {
        let group = guarded(path, || reader.get_row_group(group))?;
        let rows = row_count(path, group.metadata().num_rows())?;
        for (position, &leaf) in leaves.iter().enumerate() {
            let mut chunk = Chunk::new(path, &*group, leaf)?;
            for start in (0..rows).step_by(BATCH) {
                chunk.read(first + start, BATCH.min(rows - start), &mut |row, value| {
                    if !wanted(row.index) {
                        return Ok(());
                    }
                    match value {
                        Value::Null => each(row, position, Cell::Missing),
                        Value::Boolean(value) => {
                            each(row, position, Cell::Number(f64::from(u8::from(value))))
                        }
                        Value::Signed(value) => each(row, position, Cell::Number(value as f64)),
                        Value::Unsigned(value) => each(row, position, Cell::Number(value as f64)),
                        Value::Single(value) => each(row, position, Cell::from_number(f64::from(value))),
                        Value::Double(value) => each(row, position, Cell::from_number(value)),
                        Value::Bytes(bytes) => {
                            let text = utf8(bytes, path, row, chunk_name(names, columns, position))?;
                            each(row, position, Cell::from_text(text))
                        }
                    }
                })?;
            }
        }
        first += rows;
    }
    Ok(first)
}

/// One value of a flat column.
enum Value<'a> {
    Null,
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Single(f32),
    Double(f64),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// The text a CSV file of the same table would hold: the integer 12 is `12`, the float 12 is `12.0`.
    fn text(&self, path: &Path, row: Row, column: &str) -> Result<Option<String>, DataError> {
        Ok(match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value.to_string()),
            Self::Signed(value) => Some(value.to_string()),
            Self::Unsigned(value) => Some(value.to_string()),
            Self::Single(value) => (!value.is_nan()).then(|| format!("{value:?}")),
            Self::Double(value) => (!value.is_nan()).then(|| format!("{value:?}")),
            Self::Bytes(bytes) => Some(utf8(bytes, path, row, column)?.to_owned()),
        })
    }
}

/// A column of one row group, and how its stored values are to be understood.
struct Chunk<'a> {
    path: &'a Path,
    reader: ColumnReader,
    nullable: bool,
    unsigned: bool,
}

impl<'a> Chunk<'a> {
    fn new(
        path: &'a Path,
        group: &dyn parquet::file::reader::RowGroupReader,
        leaf: usize,
    ) -> Result<Self, DataError> {
        let column = group.metadata().schema_descr().column(leaf);
        let reader = guarded(path, || group.get_column_reader(leaf))?;
        Ok(Self { path, reader, nullable: column.max_def_level() > 0, unsigned: is_unsigned(&column) })
    }

    /// Decodes the next `rows` values, the first of which stands in row `first` of the table.
    fn read(
        &mut self,
        first: usize,
        rows: usize,
        each: &mut dyn FnMut(Row, Value<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let (path, nullable, unsigned) = (self.path, self.nullable, self.unsigned);
        match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |&value| Value::Boolean(value))
            }
            ColumnReader::Int32ColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |&value| {
                    if unsigned {
                        Value::Unsigned(value.cast_unsigned().into())
                    } else {
                        Value::Signed(value.into())
                    }
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |&value| {
                    if unsigned { Value::Unsigned(value.cast_unsigned()) } else { Value::Signed(value) }
                })
            }
            ColumnReader::FloatColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |&value| Value::Single(value))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |&value| Value::Double(value))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |value| Value::Bytes(value.as_ref()))
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                decode(path, nullable, reader, first, rows, each, |value| match *value.as_ref() {
                    [low, high] => Value::Single(half(u16::from_le_bytes([low, high]))),
                    _ => Value::Null,
                })
            }
            // `leaves` admits no column of this type.
            ColumnReader::Int96ColumnReader(_) => Err(too_short(path)),
        }
    }
}

fn decode<T: DataType>(
    path: &Path,
    nullable: bool,
    reader: &mut ColumnReaderImpl<T>,
    first: usize,
    rows: usize,
    each: &mut dyn FnMut(Row, Value<'_>) -> Result<(), DataError>,
    value: impl Fn(&T::T) -> Value<'_>,
) -> Result<(), DataError> {
    let mut done = 0;
    while done < rows {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (read, ..) =
            guarded(path, || reader.read_records(rows - done, Some(&mut levels), None, &mut values))?;
        if read == 0 {
            return Err(too_short(path));
        }
        let mut values = values.iter();
        for offset in 0..read {
            let present = !nullable || levels.get(offset).is_some_and(|&level| level > 0);
            let cell =
                if present { value(values.next().ok_or_else(|| too_short(path))?) } else { Value::Null };
            each(row_at(first + done + offset), cell)?;
        }
        done += read;
    }
    Ok(())
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

fn open(path: &Path) -> Result<Reader, DataError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    guarded(path, || SerializedFileReader::new(file))
}

/// Names of the top-level columns, each with its leaf if it is flat.
fn top_level(reader: &Reader) -> Vec<(String, Option<usize>)> {
    let schema = reader.metadata().file_metadata().schema_descr();
    let mut columns: Vec<(String, Option<usize>)> =
        schema.root_schema().get_fields().iter().map(|field| (field.name().to_owned(), None)).collect();
    for leaf in 0..schema.num_columns() {
        let column = schema.column(leaf);
        let flat = column.path().parts().len() == 1 && column.max_rep_level() == 0;
        columns[schema.get_column_root_idx(leaf)].1 = flat.then_some(leaf);
    }
    columns.retain(|(name, _)| !(name.starts_with("__index_level_") && name.ends_with("__")));
    columns
}

/// Leaves of the wanted columns, all of a type that can be read.
fn leaves(
    reader: &Reader,
    path: &Path,
    names: &[String],
    columns: &[usize],
) -> Result<Vec<usize>, DataError> {
    let all = top_level(reader);
    if !all.iter().map(|(name, _)| name).eq(names) {
        return Err(DataError::ChangedWhileRead { path: path.into() });
    }
    let schema = reader.metadata().file_metadata().schema_descr();
    let leaf = |&column: &usize| {
        let (name, leaf) = &all[column];
        let unsupported =
            |kind: String| DataError::UnsupportedType { path: path.into(), column: name.clone(), kind };
        let leaf = leaf.ok_or_else(|| unsupported("nested".into()))?;
        match foreign_type(&schema.column(leaf)) {
            None => Ok(leaf),
            Some(kind) => Err(unsupported(kind)),
        }
    };
    columns.iter().map(leaf).collect()
}

/// The type of a column that is neither number, boolean nor text.
fn foreign_type(column: &ColumnDescriptor) -> Option<String> {
    use ConvertedType as Old;
    let (physical, logical, converted) =
        (column.physical_type(), column.logical_type_ref(), column.converted_type());
    let readable = match physical {
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE => true,
        Physical::INT32 | Physical::INT64 => match logical {
            // A column of nulls only is stored as integers of the type "unknown".
            Some(LogicalType::Integer(_) | LogicalType::Unknown) => true,
            Some(_) => false,
            None => !matches!(
                converted,
                Old::DECIMAL
                    | Old::DATE
                    | Old::TIME_MILLIS
                    | Old::TIME_MICROS
                    | Old::TIMESTAMP_MILLIS
                    | Old::TIMESTAMP_MICROS
            ),
        },
        Physical::BYTE_ARRAY => match logical {
            Some(logical) => matches!(logical, LogicalType::String | LogicalType::Enum | LogicalType::Json),
            None => matches!(converted, Old::NONE | Old::UTF8 | Old::ENUM | Old::JSON),
        },
        Physical::FIXED_LEN_BYTE_ARRAY => {
            matches!(logical, Some(LogicalType::Float16)) && column.type_length() == 2
        }
        Physical::INT96 => false,
    };
    (!readable).then(|| match (logical, converted) {
        (Some(logical), _) => format!("{logical:?}"),
        (None, Old::NONE) => physical.to_string(),
        (None, converted) => converted.to_string(),
    })
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => !integer.is_signed,
        _ => matches!(
            column.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        ),
    }
}

fn chunk_name<'a>(names: &'a [String], columns: &[usize], position: usize) -> &'a str {
    &names[columns[position]]
}

fn row_at(index: usize) -> Row {
    Row { index, place: Place::Row(index as u64 + 1) }
}

fn row_count(path: &Path, rows: i64) -> Result<usize, DataError> {
    usize::try_from(rows).map_err(|_| too_short(path))
}

fn utf8<'a>(bytes: &'a [u8], path: &Path, row: Row, column: &str) -> Result<&'a str, DataError> {
    std::str::from_utf8(bytes).map_err(|_| DataError::NotUtf8 {
        path: path.into(),
        place: row.place,
        column: format!("{column:?}"),
    })
}

/// Runs one step of the decoder, which panics on some damaged files where it should return an error. Whatever the
/// step was working on is dropped with the error.
fn guarded<T>(path: &Path, step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DataError> {
    let damaged = |reason: String| DataError::DamagedParquet { path: path.into(), reason };
    match panic::catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(|error| damaged(one_line(&error.to_string()))),
        Err(_) => Err(damaged("its decoder gave up".into())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn too_short(path: &Path) -> DataError {
    DataError::DamagedParquet {
        path: path.into(),
        reason: "a column has fewer values than the table rows".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_decoded() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x3555, 0.333_251_95),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
