//! The attention table: what the model predicts for each molecule, and how it weighs the conformers.
//!
//! One row a conformer: `ID, conf_id, pred_<task>…, attn_<task>…`, as CSV or Parquet. For an ensemble these are means,
//! followed by their standard deviations `pred_std_<task>…, attn_std_<task>…` and, where asked for, what each member
//! says: `pred_<task>[<member>]…, attn_<task>[<member>]…`.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    data_type::{ByteArray, ByteArrayType, FloatType},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

use crate::atomic_file;
use crate::file_error::FileError;

/// Predictions and attention for a set of conformers.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionTable {
    /// Names of the T tasks.
    pub tasks: Vec<String>,
    /// Names of the A number columns after those of the tasks.
    pub additional: Vec<String>,
    /// One row a conformer, the conformers of a molecule together.
    pub rows: Vec<AttentionRow>,
}

/// One conformer.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionRow {
    /// Molecule.
    pub id: String,
    /// Conformer.
    pub conf_id: String,
    /// Predicted probability of each task `[T]`, the same in all rows of a molecule.
    pub probabilities: Vec<f32>,
    /// Share of this conformer in the pooled representation, for each task `[T]`; sums to 1 over a molecule.
    pub attention: Vec<f32>,
    /// Values of the additional columns `[A]`.
    pub additional: Vec<f32>,
}

impl AttentionRow {
    /// The values of all number columns, in their order.
    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.probabilities.iter().chain(&self.attention).chain(&self.additional).copied()
    }
}

/// Why an attention table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AttentionTableError {
    /// A file name that says neither CSV nor Parquet.
    #[error("{path}: tables are written as .csv or .parquet: give it one of these endings", path = .0.display())]
    Extension(PathBuf),
    /// A row with another number of values than tasks.
    #[error(
        "row {row} of the attention table has {probabilities} probabilities and {attention} attention weights for {tasks} tasks, and {additional} values for {columns} more columns"
    )]
    RowWidth {
        /// The row, counted from 1.
        row: usize,
        /// Probabilities in it.
        probabilities: usize,
        /// Attention weights in it.
        attention: usize,
        /// Tasks of the table.
        tasks: usize,
        /// Additional values in it.
        additional: usize,
        /// Additional columns of the table.
        columns: usize,
    },
    /// Two columns of one name.
    #[error("the attention table would have two columns \"{0}\": rename a task or a member of the ensemble")]
    SameColumn(String),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// How the table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format that the ending of a file name asks for.
    ///
    /// # Errors
    /// [`AttentionTableError::Extension`] for any other ending than .csv and .parquet.
    pub fn of(path: &Path) -> Result<Self, AttentionTableError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(AttentionTableError::Extension(path.into())),
        }
    }
}

/// Rows encoded at once, which bounds what writing needs besides the table itself.
const ROW_GROUP: usize = 1 << 16;

impl AttentionTable {
    /// Writes the table to a `.csv` or `.parquet` file, as a whole or not at all.
    ///
    /// # Errors
    /// [`AttentionTableError`] for another ending, a row that does not fit the tasks, or a file that cannot be
    /// written.
    pub fn write(&self, path: &Path) -> Result<(), AttentionTableError> {
        let (tasks, columns) = (self.tasks.len(), self.additional.len());
        for (index, row) in self.rows.iter().enumerate() {
            let (probabilities, attention) = (row.probabilities.len(), row.attention.len());
            let additional = row.additional.len();
            if probabilities != tasks || attention != tasks || additional != columns {
                return Err(AttentionTableError::RowWidth {
                    row: index + 1,
                    probabilities,
                    attention,
                    tasks,
                    additional,
                    columns,
                });
            }
        }
        let mut names = HashSet::new();
        if let Some(twice) = self.number_columns().find(|name| !names.insert(name.clone())) {
            return Err(AttentionTableError::SameColumn(twice));
        }
        let written = match Format::of(path)? {
            Format::Csv => atomic_file::write(path, |file| self.write_csv(file)),
            Format::Parquet => {
                atomic_file::write(path, |file| self.write_parquet(file).map_err(io::Error::other))
            }
        };
        Ok(written.map_err(|error| FileError::unwritable(path, error))?)
    }

    /// Names of the number columns.
    fn number_columns(&self) -> impl Iterator<Item = String> + '_ {
        ["pred", "attn"]
            .into_iter()
            .flat_map(|kind| self.tasks.iter().map(move |task| format!("{kind}_{task}")))
            .chain(self.additional.iter().cloned())
    }

    fn write_csv(&self, file: &mut impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(file);
        writer
            .write_record(["ID".to_owned(), "conf_id".to_owned()].into_iter().chain(self.number_columns()))?;
        for row in &self.rows {
            // The shortest decimals that read back to the same float32.
            let numbers = row.numbers().map(|number| format!("{number:?}"));
            writer.write_record([row.id.clone(), row.conf_id.clone()].into_iter().chain(numbers))?;
        }
        writer.flush()
    }

    fn write_parquet(&self, file: &mut (impl Write + Send)) -> Result<(), ParquetError> {
        let text = |name| {
            Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::String))
                .build()
        };
        let mut fields = vec![Arc::new(text("ID")?), Arc::new(text("conf_id")?)];
        for name in self.number_columns() {
            let number = Type::primitive_type_builder(&name, Physical::FLOAT);
            fields.push(Arc::new(number.with_repetition(Repetition::REQUIRED).build()?));
        }
        let schema = Arc::new(Type::group_type_builder("attention").with_fields(fields).build()?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        for rows in self.rows.chunks(ROW_GROUP) {
            let mut group = writer.next_row_group()?;
            let keys: [fn(&AttentionRow) -> &String; 2] = [|row| &row.id, |row| &row.conf_id];
            for key in keys {
                let keys: Vec<ByteArray> = rows.iter().map(|row| key(row).as_str().into()).collect();
                let mut column = group.next_column()?.expect("the schema has two key columns");
                column.typed::<ByteArrayType>().write_batch(&keys, None, None)?;
                column.close()?;
            }
            for column in 0..self.number_columns().count() {
                let value = |row: &AttentionRow| row.numbers().nth(column).expect("rows have all columns");
                let values: Vec<f32> = rows.iter().map(value).collect();
                let mut writer = group.next_column()?.expect("the schema has a column for each number");
                writer.typed::<FloatType>().write_batch(&values, None, None)?;
                writer.close()?;
            }
            group.close()?;
        }
        writer.close()?;
        Ok(())
    }
}
