//! Tables column by column, written as CSV or Parquet.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::atomic_file;
use crate::attention_table::Format;

/// A table of named columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnTable {
    columns: Vec<(String, Column)>,
}

/// The values of a column; `None` is an empty cell of a CSV and a null of Parquet.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Names; many rows share one.
    Text(Vec<Arc<str>>),
    /// Whole numbers from 0.
    Counts(Vec<Option<u32>>),
    /// Float32.
    Numbers(Vec<Option<f32>>),
    /// Yes or no.
    Flags(Vec<Option<bool>>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Counts(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Flags(values) => values.len(),
        }
    }

    fn cell(&self, row: usize) -> String {
        fn written<T: std::fmt::Debug>(value: Option<T>) -> String {
            // The shortest decimals that read back to the same float32.
            value.map_or_else(String::new, |value| format!("{value:?}"))
        }
        match self {
            Self::Text(values) => values[row].to_string(),
            Self::Counts(values) => written(values[row]),
            Self::Numbers(values) => written(values[row]),
            Self::Flags(values) => written(values[row]),
        }
    }
}

/// Rows encoded at once, which bounds what writing needs besides the table itself.
const ROW_GROUP: usize = 1 << 16;

impl ColumnTable {
    /// A table of these columns, in this order.
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn new(columns: Vec<(String, Column)>) -> Self {
        assert!(columns.windows(2).all(|pair| pair[0].1.len() == pair[1].1.len()), "columns of one length");
        Self { columns }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the table, as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, format: Format) -> io::Result<()> {
        atomic_file::write(path, |file| match format {
            Format::Csv => self.write_csv(file),
            Format::Parquet => self.write_parquet(file).map_err(io::Error::other),
        })
    }

    fn write_csv(&self, file: &mut impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.len() {
            writer.write_record(self.columns.iter().map(|(_, column)| column.cell(row)))?;
        }
        writer.flush()
    }

    fn write_parquet(&self, file: &mut (impl Write + Send)) -> Result<(), ParquetError> {
        let fields = self.columns.iter().map(|(name, column)| {
            let (physical, repetition, logical) = match column {
                Column::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
                Column::Counts(_) => (Physical::INT32, Repetition::OPTIONAL, None),
                Column::Numbers(_) => (Physical::FLOAT, Repetition::OPTIONAL, None),
                Column::Flags(_) => (Physical::BOOLEAN, Repetition::OPTIONAL, None),
            };
            let field = Type::primitive_type_builder(name, physical).with_repetition(repetition);
            field.with_logical_type(logical).build().map(Arc::new)
        });
        let fields = fields.collect::<Result<_, _>>()?;
        let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        for start in (0..self.len()).step_by(ROW_GROUP) {
            let rows = start..self.len().min(start + ROW_GROUP);
            let mut group = writer.next_row_group()?;
            for (_, column) in &self.columns {
                match column {
                    Column::Text(values) => {
                        let values: Vec<ByteArray> =
                            values[rows.clone()].iter().map(|text| (**text).into()).collect();
                        write_column::<ByteArrayType, _>(&mut group, &values, None)?;
                    }
                    Column::Counts(values) => {
                        let value = |count: u32| i32::try_from(count).expect("a count below 2³¹");
                        write_optional::<Int32Type, _, _>(&mut group, &values[rows.clone()], value)?;
                    }
                    Column::Numbers(values) => {
                        write_optional::<FloatType, _, _>(&mut group, &values[rows.clone()], |value| value)?;
                    }
                    Column::Flags(values) => {
                        write_optional::<BoolType, _, _>(&mut group, &values[rows.clone()], |value| value)?;
                    }
                }
            }
            group.close()?;
        }
        writer.close()?;
        Ok(())
    }
}

/// Writes the values that are there, and where they are.
fn write_optional<D: DataType, T: Copy, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[Option<T>],
    value: impl Fn(T) -> D::T,
) -> Result<(), ParquetError> {
    let defined: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<D::T> = values.iter().flatten().map(|&found| value(found)).collect();
    write_column::<D, W>(group, &values, Some(&defined))
}

fn write_column<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[D::T],
    defined: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("the schema has every column");
    column.typed::<D>().write_batch(values, defined, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    fn table() -> ColumnTable {
        ColumnTable::new(vec![
            ("ID".into(), Column::Text(vec!["A, the first".into(), "B".into()])),
            ("rank".into(), Column::Counts(vec![Some(2), None])),
            ("change".into(), Column::Numbers(vec![None, Some(1.0 / 3.0)])),
            ("exact".into(), Column::Flags(vec![Some(true), None])),
        ])
    }

    #[test]
    fn what_is_missing_is_an_empty_cell_or_a_null() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        table().write(&path("t.csv"), Format::Csv).expect("written");
        let text = std::fs::read_to_string(path("t.csv")).expect("read");
        assert_eq!(text, "ID,rank,change,exact\n\"A, the first\",2,,true\nB,,0.33333334,\n");

        table().write(&path("t.parquet"), Format::Parquet).expect("written");
        let file = std::fs::File::open(path("t.parquet")).expect("opened");
        let reader = SerializedFileReader::new(file).expect("Parquet");
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("row").get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        let expected = [
            vec![Field::Str("A, the first".into()), Field::Int(2), Field::Null, Field::Bool(true)],
            vec![Field::Str("B".into()), Field::Null, Field::Float(1.0 / 3.0), Field::Null],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        let empty = ColumnTable::new(vec![("ID".into(), Column::Text(Vec::new()))]);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("t.csv");
        empty.write(&path, Format::Csv).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "ID\n");
        empty.write(&folder.path().join("t.parquet"), Format::Parquet).expect("written");
    }
}
