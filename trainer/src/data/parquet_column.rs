//! One column of one row group of a Parquet table: which types can be read, and their values.

use std::{
    ops::Range,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::DataType,
    errors::ParquetError,
    file::reader::RowGroupReader,
    schema::types::ColumnDescriptor,
};

use super::{cell::Cell, error::DataError};

/// One value, as it is stored.
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Single(f32),
    Double(f64),
    /// Text, unless the file is not what it says.
    Bytes(&'a [u8]),
}

/// Bytes that are not UTF-8.
pub(super) struct NotUtf8;

impl<'a> Value<'a> {
    /// The text a CSV file of the same table would hold: the integer 12 is `12`, the float 12 is `12.0`.
    pub fn text(&self) -> Result<Option<String>, NotUtf8> {
        Ok(match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value.to_string()),
            Self::Signed(value) => Some(value.to_string()),
            Self::Unsigned(value) => Some(value.to_string()),
            Self::Single(value) => (!value.is_nan()).then(|| format!("{value:?}")),
            Self::Double(value) => (!value.is_nan()).then(|| format!("{value:?}")),
            Self::Bytes(bytes) => Some(str::from_utf8(bytes).map_err(|_| NotUtf8)?.to_owned()),
        })
    }

    /// The number, where text is read as in CSV.
    pub fn number(&self) -> Result<Cell<'a>, NotUtf8> {
        Ok(match *self {
            Self::Null => Cell::Missing,
            Self::Boolean(value) => Cell::Number(f64::from(u8::from(value))),
            Self::Signed(value) => Cell::Number(value as f64),
            Self::Unsigned(value) => Cell::Number(value as f64),
            Self::Single(value) => Cell::from_number(f64::from(value)),
            Self::Double(value) => Cell::from_number(value),
            Self::Bytes(bytes) => Cell::from_text(str::from_utf8(bytes).map_err(|_| NotUtf8)?),
        })
    }
}

/// Receives one value and the index of its row in the table.
pub(super) type EachValue<'a> = dyn FnMut(usize, Value<'_>) -> Result<(), DataError> + 'a;

/// A column of one row group, of a type for which [`foreign_type`] is `None`.
pub(super) struct Chunk<'a> {
    path: &'a Path,
    reader: ColumnReader,
    nullable: bool,
    unsigned: bool,
}

impl<'a> Chunk<'a> {
    pub fn new(path: &'a Path, group: &dyn RowGroupReader, leaf: usize) -> Result<Self, DataError> {
        let column = group.metadata().schema_descr().column(leaf);
        let reader = guarded(path, || group.get_column_reader(leaf))?;
        Ok(Self { path, reader, nullable: column.max_def_level() > 0, unsigned: is_unsigned(&column) })
    }

    /// Decodes the next values, which stand in these rows of the table.
    pub fn read(&mut self, rows: Range<usize>, each: &mut EachValue<'_>) -> Result<(), DataError> {
        use ColumnReader as Reader;
        let (unsigned, span) = (self.unsigned, Span { path: self.path, nullable: self.nullable, rows });
        match &mut self.reader {
            Reader::BoolColumnReader(reader) => span.decode(reader, each, |&value| Value::Boolean(value)),
            Reader::Int32ColumnReader(reader) if unsigned => {
                span.decode(reader, each, |&value| Value::Unsigned(value.cast_unsigned().into()))
            }
            Reader::Int32ColumnReader(reader) => {
                span.decode(reader, each, |&value| Value::Signed(value.into()))
            }
            Reader::Int64ColumnReader(reader) if unsigned => {
                span.decode(reader, each, |&value| Value::Unsigned(value.cast_unsigned()))
            }
            Reader::Int64ColumnReader(reader) => span.decode(reader, each, |&value| Value::Signed(value)),
            Reader::FloatColumnReader(reader) => span.decode(reader, each, |&value| Value::Single(value)),
            Reader::DoubleColumnReader(reader) => span.decode(reader, each, |&value| Value::Double(value)),
            Reader::ByteArrayColumnReader(reader) => {
                span.decode(reader, each, |value| Value::Bytes(value.as_ref()))
            }
            Reader::FixedLenByteArrayColumnReader(reader) => {
                span.decode(reader, each, |value| match *value.as_ref() {
                    [low, high] => Value::Single(half(u16::from_le_bytes([low, high]))),
                    _ => Value::Null,
                })
            }
            Reader::Int96ColumnReader(_) => Err(too_short(self.path)),
        }
    }
}

/// The rows to decode, and how.
struct Span<'a> {
    path: &'a Path,
    nullable: bool,
    rows: Range<usize>,
}

impl Span<'_> {
    fn decode<T: DataType>(
        self,
        reader: &mut ColumnReaderImpl<T>,
        each: &mut EachValue<'_>,
        value: impl Fn(&T::T) -> Value<'_>,
    ) -> Result<(), DataError> {
        let Self { path, nullable, mut rows } = self;
        while !rows.is_empty() {
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (read, ..) =
                guarded(path, || reader.read_records(rows.len(), Some(&mut levels), None, &mut values))?;
            if read == 0 {
                return Err(too_short(path));
            }
            let mut values = values.iter();
            for (offset, row) in rows.by_ref().take(read).enumerate() {
                let present = !nullable || levels.get(offset).is_some_and(|&level| level > 0);
                let stored = present.then(|| values.next().ok_or_else(|| too_short(path))).transpose()?;
                each(row, stored.map_or(Value::Null, &value))?;
            }
        }
        Ok(())
    }
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

/// The type of a column that is neither number, boolean nor text.
pub(super) fn foreign_type(column: &ColumnDescriptor) -> Option<String> {
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

/// Runs one step of the decoder, which panics on some damaged files where it should return an error. Whatever the
/// step was working on is dropped with the error.
pub(super) fn guarded<T>(
    path: &Path,
    step: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, DataError> {
    let damaged = |reason: String| DataError::DamagedParquet { path: path.into(), reason };
    match panic::catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(|error| damaged(one_line(&error.to_string()))),
        Err(_) => Err(damaged("its decoder gave up".into())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn too_short(path: &Path) -> DataError {
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
