//! Predictions of labelled molecules: what metrics and reports are computed from.

use std::io;
use std::path::{Path, PathBuf};

use crate::column_table::{Column, ColumnTable, Format};
use crate::data::Dataset;
use crate::file_error::FileError;
use crate::labels::LabelMatrix;

/// Labels, weights and probabilities of M molecules for T tasks; matrices are `[M, T]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionTable {
    /// Names of the tasks.
    pub tasks: Vec<String>,
    /// Identifiers of the molecules.
    pub ids: Vec<String>,
    /// Where each molecule was held out.
    pub parts: Parts,
    /// Labels.
    pub labels: Vec<bool>,
    /// Sample weights.
    pub weights: Vec<f32>,
    /// Predicted probabilities.
    pub probabilities: Vec<f32>,
}

/// Where each molecule was held out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// In a split of the label table.
    Splits(Vec<String>),
    /// In a fold of a cross-validation.
    Folds(Vec<FoldKey>),
}

/// A fold of a repeat of the cross-validation, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct FoldKey {
    /// The repeat.
    pub repeat: u32,
    /// The fold.
    pub fold: u32,
}

/// Why a file is no table of predictions.
#[derive(Debug, thiserror::Error)]
pub enum PredictionTableError {
    /// It cannot be opened, or is no CSV.
    #[error(transparent)]
    File(#[from] FileError),
    /// A header that no such table has.
    #[error(
        "predictions {path}: the columns must be ID, split or repeat and fold, then label_, weight_ and pred_ of each task",
        path = path.display()
    )]
    Columns {
        /// The file.
        path: PathBuf,
    },
    /// A cell that is not what its column holds.
    #[error("predictions {path}, line {line}, column {column:?}: {value:?} is out of place", path = path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line of the row; the header is line 1.
        line: usize,
        /// Name of the column.
        column: String,
        /// What stands there.
        value: String,
    },
}

/// Prefixes of the columns of a task.
const KINDS: [&str; 3] = ["label_", "weight_", "pred_"];

impl PredictionTable {
    /// The predictions `[M, T]` for some rows of a data set.
    pub fn of_rows(dataset: &Dataset, rows: &[usize], parts: Parts, probabilities: Vec<f32>) -> Self {
        Self {
            tasks: dataset.schema().tasks.iter().map(|task| task.name.clone()).collect(),
            ids: rows.iter().map(|&row| dataset.ids()[row].clone()).collect(),
            parts,
            labels: rows.iter().flat_map(|&row| dataset.labels_of(row)).copied().collect(),
            weights: rows.iter().flat_map(|&row| dataset.weights().row(row)).copied().collect(),
            probabilities,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The labels as metrics see them.
    pub fn label_matrix(&self) -> LabelMatrix<'_> {
        LabelMatrix::new(&self.labels, self.tasks.len())
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns = vec![Column::text("ID", |row| Some(self.ids[row].clone()))];
        match &self.parts {
            Parts::Splits(splits) => columns.push(Column::text("split", |row| Some(splits[row].clone()))),
            Parts::Folds(folds) => {
                columns.push(Column::counts("repeat", |row| Some(folds[row].repeat)));
                columns.push(Column::counts("fold", |row| Some(folds[row].fold)));
            }
        }
        let count = self.tasks.len();
        let names =
            |kind: &'static str| self.tasks.iter().map(move |task| format!("{kind}{task}")).enumerate();
        let [label, weight, prediction] = KINDS;
        columns.extend(names(label).map(|(task, name)| {
            Column::counts(name, move |row| Some(self.labels[row * count + task].into()))
        }));
        for (kind, numbers) in [(weight, &self.weights), (prediction, &self.probabilities)] {
            columns.extend(
                names(kind)
                    .map(|(task, name)| Column::numbers(name, move |row| Some(numbers[row * count + task]))),
            );
        }
        columns
    }

    /// Writes the table.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, format: Format) -> io::Result<()> {
        ColumnTable::new(self.len(), self.columns()).write(path, format)
    }

    /// Reads a table that [`write`](Self::write) wrote as CSV.
    ///
    /// # Errors
    /// [`PredictionTableError`] by file, line and column.
    pub fn read_csv(path: &Path) -> Result<Self, PredictionTableError> {
        let unreadable = |error: csv::Error| FileError::unreadable(path, error);
        let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
        let header = reader.headers().map_err(unreadable)?.clone();
        let tasks: Vec<String> =
            header.iter().filter_map(|name| name.strip_prefix(KINDS[0])).map(str::to_owned).collect();
        let parts = match header.get(1) {
            Some("split") => Parts::Splits(Vec::new()),
            _ => Parts::Folds(Vec::new()),
        };
        let mut table = Self {
            tasks,
            ids: Vec::new(),
            parts,
            labels: Vec::new(),
            weights: Vec::new(),
            probabilities: Vec::new(),
        };
        if table.tasks.is_empty() || table.columns().iter().map(Column::name).ne(header.iter()) {
            return Err(PredictionTableError::Columns { path: path.into() });
        }
        let count = table.tasks.len();
        let first = header.len() - 3 * count;
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(unreadable)?;
            let wrong = |column: usize| PredictionTableError::Cell {
                path: path.into(),
                line: index + 2,
                column: header[column].to_owned(),
                value: record[column].to_owned(),
            };
            let whole = |column: usize| record[column].parse::<u32>().map_err(|_| wrong(column));
            let number = |column: usize| {
                let number = record[column].parse::<f32>().ok().filter(|number| number.is_finite());
                number.ok_or_else(|| wrong(column))
            };
            table.ids.push(record[0].to_owned());
            match &mut table.parts {
                Parts::Splits(splits) => splits.push(record[1].to_owned()),
                Parts::Folds(folds) => folds.push(FoldKey { repeat: whole(1)?, fold: whole(2)? }),
            }
            for column in first..first + count {
                table.labels.push(match &record[column] {
                    "0" => false,
                    "1" => true,
                    _ => return Err(wrong(column)),
                });
            }
            for column in first + count..first + 2 * count {
                table.weights.push(number(column)?);
            }
            for column in first + 2 * count..first + 3 * count {
                table.probabilities.push(number(column)?);
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(parts: Parts) -> PredictionTable {
        PredictionTable {
            tasks: vec!["active".into(), "toxic, very".into()],
            ids: vec!["A".into(), "007".into()],
            parts,
            labels: vec![true, false, false, true],
            weights: vec![1.0, 0.1, 0.25, 3.0],
            probabilities: vec![0.1, 1.0 / 3.0, 1e-9, 0.999_999_9],
        }
    }

    fn both() -> [PredictionTable; 2] {
        let folds = vec![FoldKey { repeat: 0, fold: 4 }, FoldKey { repeat: 1, fold: 0 }];
        [table(Parts::Splits(vec!["leaderboard".into(); 2])), table(Parts::Folds(folds))]
    }

    #[test]
    fn what_was_written_reads_back_bit_by_bit() {
        let folder = tempfile::tempdir().expect("folder");
        for table in both() {
            let path = folder.path().join("predictions.csv");
            table.write(&path, Format::Csv).expect("written");
            assert_eq!(PredictionTable::read_csv(&path).expect("read"), table);
        }
    }

    #[test]
    fn parquet_has_the_columns_of_the_csv_in_their_types() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        use parquet::record::Field;

        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("predictions.parquet");
        let [_, table] = both();
        table.write(&path, Format::Parquet).expect("written");
        let reader = SerializedFileReader::try_from(path.as_path()).expect("Parquet");
        let row = reader.get_row_iter(None).expect("rows").nth(1).expect("two rows").expect("a row");
        let cells: Vec<(String, Field)> =
            row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect();
        assert!(cells.iter().map(|(name, _)| name.as_str()).eq(table.columns().iter().map(Column::name)));
        assert_eq!(cells[0].1, Field::Str("007".into()));
        assert_eq!((&cells[1].1, &cells[2].1), (&Field::Int(1), &Field::Int(0)));
        assert_eq!(cells[4].1, Field::Int(1));
        assert_eq!((&cells[6].1, &cells[8].1), (&Field::Float(3.0), &Field::Float(0.999_999_9)));
    }

    #[test]
    fn what_is_no_such_table_is_told_by_place() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("predictions.csv");
        let refused = |text: &str| {
            std::fs::write(&path, text).expect("written");
            PredictionTable::read_csv(&path).expect_err("refused").to_string()
        };
        assert!(refused("ID,split,label_a,pred_a\n").contains("the columns must be"));
        let header = "ID,split,label_a,weight_a,pred_a\n";
        assert!(refused(&format!("{header}A,x,2,1,0.5\n")).contains("line 2, column \"label_a\": \"2\""));
        assert!(refused(&format!("{header}A,x,1,1,NaN\n")).contains("column \"pred_a\": \"NaN\""));
        assert!(PredictionTable::read_csv(&folder.path().join("none.csv")).is_err());
    }
}
