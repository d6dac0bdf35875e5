//! Tables of named columns, written as CSV or Parquet.

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::atomic_file;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; numbers as the shortest decimals that read back to the same.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A file name that says neither CSV nor Parquet.
#[derive(Debug, thiserror::Error)]
#[error("{path}: tables are written as .csv or .parquet: give it one of these endings", path = .0.display())]
pub struct UnknownEnding(PathBuf);

impl Format {
    /// The format that the ending of a file name asks for.
    ///
    /// # Errors
    /// [`UnknownEnding`] for any other than .csv and .parquet.
    pub fn of(path: &Path) -> Result<Self, UnknownEnding> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(UnknownEnding(path.into())),
        }
    }
}

/// A table of R rows. What it holds is asked for cell by cell as it is written, not copied before.
pub struct ColumnTable<'a> {
    rows: usize,
    columns: Vec<Column<'a>>,
}

/// A named column.
pub struct Column<'a> {
    name: String,
    cells: Cells<'a>,
}

/// The value in each row; `None` is an empty cell of a CSV and a null of Parquet.
type Cell<'a, T> = Box<dyn Fn(usize) -> Option<T> + 'a>;

enum Cells<'a> {
    Text(Cell<'a, String>),
    Counts(Cell<'a, u32>),
    Integers(Cell<'a, i64>),
    Numbers(Cell<'a, f32>),
    Reals(Cell<'a, f64>),
    Flags(Cell<'a, bool>),
}

impl<'a> Column<'a> {
    /// Names and other text.
    pub fn text(name: impl Into<String>, cell: impl Fn(usize) -> Option<String> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Text(Box::new(cell)) }
    }

    /// Whole numbers from 0, below 2³¹.
    pub fn counts(name: impl Into<String>, cell: impl Fn(usize) -> Option<u32> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Counts(Box::new(cell)) }
    }

    /// Whole numbers of 64 bits.
    pub fn integers(name: impl Into<String>, cell: impl Fn(usize) -> Option<i64> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Integers(Box::new(cell)) }
    }

    /// Float32.
    pub fn numbers(name: impl Into<String>, cell: impl Fn(usize) -> Option<f32> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Numbers(Box::new(cell)) }
    }

    /// Float64.
    pub fn reals(name: impl Into<String>, cell: impl Fn(usize) -> Option<f64> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Reals(Box::new(cell)) }
    }

    /// Yes or no.
    pub fn flags(name: impl Into<String>, cell: impl Fn(usize) -> Option<bool> + 'a) -> Self {
        Self { name: name.into(), cells: Cells::Flags(Box::new(cell)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A cell as CSV has it.
    fn written(&self, row: usize) -> String {
        fn number(value: Option<impl Debug>) -> String {
            value.map_or_else(String::new, |value| format!("{value:?}"))
        }
        match &self.cells {
            Cells::Text(cell) => cell(row).unwrap_or_default(),
            Cells::Counts(cell) => number(cell(row)),
            Cells::Integers(cell) => number(cell(row)),
            Cells::Numbers(cell) => number(cell(row)),
            Cells::Reals(cell) => number(cell(row)),
            Cells::Flags(cell) => number(cell(row)),
        }
    }

    /// The column in a schema of Parquet. As pandas writes them, all columns may have nulls.
    fn field(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = match self.cells {
            Cells::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Cells::Counts(_) => (Physical::INT32, None),
            Cells::Integers(_) => (Physical::INT64, None),
            Cells::Numbers(_) => (Physical::FLOAT, None),
            Cells::Reals(_) => (Physical::DOUBLE, None),
            Cells::Flags(_) => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(&self.name, physical).with_repetition(Repetition::OPTIONAL);
        field.with_logical_type(logical).build()
    }

    /// Writes some rows as the next column of a row group.
    fn write_to<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        rows: Range<usize>,
    ) -> Result<(), ParquetError> {
        match &self.cells {
            Cells::Text(cell) => write_column::<ByteArrayType, W>(group, rows, |row| {
                cell(row).map(|text| ByteArray::from(text.into_bytes()))
            }),
            Cells::Counts(cell) => write_column::<Int32Type, W>(group, rows, |row| {
                cell(row).map(|count| i32::try_from(count).expect("a count below 2³¹"))
            }),
            Cells::Integers(cell) => write_column::<Int64Type, W>(group, rows, cell),
            Cells::Numbers(cell) => write_column::<FloatType, W>(group, rows, cell),
            Cells::Reals(cell) => write_column::<DoubleType, W>(group, rows, cell),
            Cells::Flags(cell) => write_column::<BoolType, W>(group, rows, cell),
        }
    }
}

/// Rows encoded at once, which bounds what writing needs besides the table itself.
const ROW_GROUP: usize = 1 << 16;

impl<'a> ColumnTable<'a> {
    /// A table of so many rows with these columns, in this order.
    pub fn new(rows: usize, columns: Vec<Column<'a>>) -> Self {
        Self { rows, columns }
    }

    /// Writes the table into a file of its own, as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, format: Format) -> io::Result<()> {
        atomic_file::write(path, |file| self.write_to(file, format))
    }

    /// Writes the table.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_to(&self, file: &mut (impl Write + Send), format: Format) -> io::Result<()> {
        match format {
            Format::Csv => self.write_csv(file),
            Format::Parquet => self.write_parquet(file).map_err(io::Error::other),
        }
    }

    fn write_csv(&self, file: &mut impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(self.columns.iter().map(|column| &column.name))?;
        for row in 0..self.rows {
            writer.write_record(self.columns.iter().map(|column| column.written(row)))?;
        }
        writer.flush()
    }

    fn write_parquet(&self, file: &mut (impl Write + Send)) -> Result<(), ParquetError> {
        let fields = self.columns.iter().map(|column| column.field().map(Arc::new));
        let schema =
            Type::group_type_builder("table").with_fields(fields.collect::<Result<_, _>>()?).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
        for start in (0..self.rows).step_by(ROW_GROUP) {
            let rows = start..self.rows.min(start + ROW_GROUP);
            let mut group = writer.next_row_group()?;
            for column in &self.columns {
                column.write_to(&mut group, rows.clone())?;
            }
            group.close()?;
        }
        writer.close()?;
        Ok(())
    }
}

/// Writes the values that are there, and where they are.
fn write_column<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: Range<usize>,
    cell: impl Fn(usize) -> Option<D::T>,
) -> Result<(), ParquetError> {
    let cells: Vec<Option<D::T>> = rows.map(cell).collect();
    let defined: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<D::T> = cells.into_iter().flatten().collect();
    let mut column = group.next_column()?.expect("the schema has every column");
    column.typed::<D>().write_batch(&values, Some(&defined), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    fn table() -> ColumnTable<'static> {
        let columns = vec![
            Column::text("ID", |row| Some(["A, the first", "B"][row].into())),
            Column::counts("rank", |row| [Some(2), None][row]),
            Column::numbers("change", |row| [None, Some(1.0 / 3.0)][row]),
            Column::flags("exact", |row| [Some(true), None][row]),
            Column::integers("number", |row| [Some(-1 << 40), Some(0)][row]),
            Column::reals("value", |row| [Some(0.1), None][row]),
        ];
        ColumnTable::new(2, columns)
    }

    #[test]
    fn what_is_missing_is_an_empty_cell_or_a_null() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        table().write(&path("t.csv"), Format::Csv).expect("written");
        let text = std::fs::read_to_string(path("t.csv")).expect("read");
        assert_eq!(
            text,
            "ID,rank,change,exact,number,value\n\"A, the first\",2,,true,-1099511627776,0.1\nB,,0.33333334,,0,\n"
        );

        table().write(&path("t.parquet"), Format::Parquet).expect("written");
        let file = std::fs::File::open(path("t.parquet")).expect("opened");
        let reader = SerializedFileReader::new(file).expect("Parquet");
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("row").get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        let expected = [
            vec![
                Field::Str("A, the first".into()),
                Field::Int(2),
                Field::Null,
                Field::Bool(true),
                Field::Long(-1 << 40),
                Field::Double(0.1),
            ],
            vec![
                Field::Str("B".into()),
                Field::Null,
                Field::Float(1.0 / 3.0),
                Field::Null,
                Field::Long(0),
                Field::Null,
            ],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        let empty = ColumnTable::new(0, vec![Column::text("ID", |_| None)]);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("t.csv");
        empty.write(&path, Format::Csv).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "ID\n");
        empty.write(&folder.path().join("t.parquet"), Format::Parquet).expect("written");
    }
}
