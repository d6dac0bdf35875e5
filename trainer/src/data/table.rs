//! One way to read a table row by row or cell by cell, whether CSV, CSV.gz or Parquet.
//!
//! The format is recognised by content, never by name. Nothing is held in memory but the column names and a few
//! blocks of rows, on which several threads work.

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    cell::Cell,
    csv_table::{BlockStart, CsvTable},
    error::{DataError, first_few},
    in_order::all_cores,
    parquet_table,
};

/// A table on disk, whose header has been read.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    format: Format,
    columns: Vec<String>,
    threads: NonZeroUsize,
    block: usize,
}

/// Bytes of CSV text that a thread takes on at once: they and their numbers fit into the cache of a core.
const BLOCK: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    GzippedCsv,
    Parquet,
}

/// Where a row stands, as a person finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file; the header is line 1.
    Line(u64),
    /// Row of a Parquet table, counted from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A row: its index among the data rows, counted from 0, and where a person finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub index: usize,
    pub place: Place,
}

/// What the first pass learns about a table, so that the second can begin anywhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Number of rows, at least 1.
    pub rows: usize,
    /// The blocks of a CSV file.
    pub blocks: Vec<BlockStart>,
}

/// Numbers of some rows and columns.
pub(super) struct Tile {
    /// Indices of the rows, ascending.
    pub rows: Vec<usize>,
    /// Positions in the list of wanted columns.
    pub columns: Range<usize>,
    /// The numbers, row by row.
    pub values: Vec<f64>,
}

/// Receives the wanted cells of one row as text; `None` is an empty cell.
pub(super) type EachRow<'a> = dyn FnMut(Row, &[Option<&str>]) -> Result<(), DataError> + Send + 'a;

/// Receives numbers. Those of one column come in the order of the rows.
pub(super) type EachTile<'a> = dyn FnMut(&Tile) + Send + 'a;

/// Makes a number of a cell: of its row, its position in the list of wanted columns, its content. A finite number
/// is always what it is.
pub(super) type Number<'a> = dyn Fn(Row, usize, Cell) -> Result<f64, DataError> + Sync + 'a;

impl Table {
    /// Recognises the format and reads the column names, which must be unique and not empty.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::open_with(path, all_cores(), BLOCK)
    }

    /// As [`open`](Self::open), to be read by some number of threads, a CSV file in blocks of some number of bytes.
    /// Neither makes a difference to the content.
    pub fn open_with(path: &Path, threads: NonZeroUsize, block: usize) -> Result<Self, DataError> {
        let format = recognise(path)?;
        let columns = match format {
            Format::Parquet => parquet_table::columns(path)?,
            Format::Csv | Format::GzippedCsv => {
                CsvTable { path, format, names: &[], threads, block }.columns()?
            }
        };
        if let Some(unnamed) = columns.iter().position(|name| name.trim().is_empty()) {
            return Err(DataError::UnnamedColumn { path: path.into(), position: unnamed + 1 });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(DataError::DuplicateColumn { path: path.into(), column: twice.clone() });
        }
        Ok(Self { path: path.into(), format, columns, threads, block })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Position of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Position of a column that must exist.
    pub fn require(&self, name: &str, role: &'static str) -> Result<usize, DataError> {
        self.find(name).ok_or_else(|| DataError::MissingColumn {
            path: self.path.clone(),
            column: name.into(),
            role,
            found: first_few(&self.columns),
        })
    }

    /// Gives the cells of some columns, row after row, as text.
    pub fn text_rows(&self, columns: &[usize], each: &mut EachRow<'_>) -> Result<Scan, DataError> {
        let scan = match self.format {
            Format::Parquet => parquet_table::text_rows(&self.path, &self.columns, columns, each)?,
            _ => self.csv().text_rows(columns, each)?,
        };
        if scan.rows == 0 {
            return Err(DataError::NoRows { path: self.path.clone() });
        }
        Ok(scan)
    }

    /// Gives the numbers of some columns in the rows for which `wanted` (by index) holds.
    pub fn numbers(
        &self,
        columns: &[usize],
        scan: &Scan,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        number: &Number<'_>,
        each: &mut EachTile<'_>,
    ) -> Result<(), DataError> {
        match self.format {
            Format::Parquet => {
                parquet_table::numbers(&self.path, &self.columns, columns, scan, wanted, number, each)
            }
            _ => self.csv().numbers(columns, scan, wanted, number, each),
        }
    }

    fn csv(&self) -> CsvTable<'_> {
        let Self { path, format, columns, threads, block } = self;
        CsvTable { path, format: *format, names: columns, threads: *threads, block: *block }
    }
}

/// The format by its first bytes.
fn recognise(path: &Path) -> Result<Format, DataError> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(DataError::NotAFile { path: path.into() });
    }
    let mut magic = Vec::new();
    let mut start = File::open(path).map_err(|error| unreadable(path, &error))?.take(4);
    start.read_to_end(&mut magic).map_err(|error| unreadable(path, &error))?;
    Ok(match magic.as_slice() {
        [] => return Err(DataError::Empty { path: path.into() }),
        [0x1f, 0x8b, ..] => Format::GzippedCsv,
        b"PAR1" => Format::Parquet,
        _ => Format::Csv,
    })
}

/// The error of a file that the operating system does not give.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> DataError {
    match error.kind() {
        ErrorKind::NotFound => DataError::NotFound { path: path.into() },
        _ => DataError::Unreadable { path: path.into(), reason: error.to_string() },
    }
}
