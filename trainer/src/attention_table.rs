//! The attention table: what the model predicts for each molecule, and how it weighs the conformers.
//!
//! One row a conformer: `ID, conf_id, pred_<task>…, attn_<task>…`, as CSV or Parquet. For an ensemble these are means,
//! followed by their standard deviations `pred_std_<task>…, attn_std_<task>…` and, where asked for, what each member
//! says: `pred_<task>[<member>]…, attn_<task>[<member>]…`.

use std::collections::HashSet;
use std::path::Path;

use crate::column_table::{Column, ColumnTable, Format, UnknownEnding};
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

/// Why an attention table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AttentionTableError {
    /// A file name that says neither CSV nor Parquet.
    #[error(transparent)]
    Ending(#[from] UnknownEnding),
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
        let names =
            |kind: &str| self.tasks.iter().map(move |task| format!("{kind}_{task}")).collect::<Vec<_>>();
        type Values = fn(&AttentionRow) -> &[f32];
        let blocks: [(Vec<String>, Values); 3] = [
            (names("pred"), |row| &row.probabilities),
            (names("attn"), |row| &row.attention),
            (self.additional.clone(), |row| &row.additional),
        ];
        let mut seen = HashSet::new();
        if let Some(twice) = blocks.iter().flat_map(|(names, _)| names).find(|name| !seen.insert(*name)) {
            return Err(AttentionTableError::SameColumn(twice.clone()));
        }
        let keys = [
            Column::text("ID", |row| Some(self.rows[row].id.clone())),
            Column::text("conf_id", |row| Some(self.rows[row].conf_id.clone())),
        ];
        let numbers = blocks.into_iter().flat_map(|(names, values)| {
            let columns = names.into_iter().enumerate();
            columns.map(move |(at, name)| Column::numbers(name, move |row| Some(values(&self.rows[row])[at])))
        });
        let table = ColumnTable::new(self.rows.len(), keys.into_iter().chain(numbers).collect());
        let written = table.write(path, Format::of(path)?);
        Ok(written.map_err(|error| FileError::unwritable(path, error))?)
    }
}
