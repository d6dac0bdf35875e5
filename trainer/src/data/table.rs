//! One way to read a table row by row or cell by cell, whether CSV, CSV.gz or Parquet.
//!
//! The format is recognised by content, never by name. A table is read once from begin to end: each row is chosen or
//! not by its keys, and its numbers go where the [`Receiver`] says. Nothing is held in memory but the column names and
//! a few blocks of rows, on which several threads work.

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
    cell::Unusable,
    csv_table::CsvTable,
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
const BLOCK: usize = 128 << 10;

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

/// The columns of a table that are read, in one pass.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Columns that are read as text, from every row.
    pub texts: &'a [usize],
    /// Columns that are read as numbers, from the chosen rows.
    pub numbers: &'a [usize],
    /// Chooses rows by their text cells, and passes on what it found for a row.
    pub choose: &'a Choose<'a>,
}

pub(super) type Choose<'a> = dyn Fn(&[Option<&str>]) -> Option<usize> + Sync + 'a;

/// Receives what is read from a table.
pub(super) trait Receiver: Send {
    /// Takes the text cells of one row, in the order of the table; `None` is an empty cell. Says where the numbers
    /// of a chosen row go, if anywhere.
    fn row(
        &mut self,
        place: Place,
        cells: &[Option<&str>],
        chosen: Option<usize>,
    ) -> Result<Option<Destination>, DataError>;

    /// Takes numbers of rows whose destinations are known. Those of one column come in the order of the rows.
    fn numbers(&mut self, tile: &Tile<'_>) -> Result<(), DataError>;
}

/// The rows of a table that go into one row of a matrix are averaged; `rank` counts them from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub row: usize,
    pub rank: u32,
}

/// Numbers of some chosen rows.
pub(super) struct Tile<'a> {
    /// Where the rows go.
    pub destinations: &'a [Option<Destination>],
    /// Positions in the list of wanted columns.
    pub columns: Range<usize>,
    /// The numbers, row by row.
    pub values: &'a [f64],
    /// Cells without a number; what the tile holds for them and the rest of their row has no meaning.
    pub flaws: Vec<Flaw>,
}

/// A cell that holds no number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flaw {
    /// Index of its row in the tile.
    pub row: usize,
    pub place: Place,
    /// Position in the list of wanted columns.
    pub column: usize,
    pub content: Unusable,
}

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

    /// Reads a table, which must have a row.
    pub fn read(&self, wanted: Wanted<'_>, receiver: &mut dyn Receiver) -> Result<(), DataError> {
        let rows = match self.format {
            Format::Parquet => {
                parquet_table::read(&self.path, &self.columns, self.threads, wanted, receiver)?
            }
            _ => self.csv().read(wanted, receiver)?,
        };
        if rows == 0 { Err(DataError::NoRows { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Gives the cells of some columns, row after row, as text.
    pub fn text_rows(
        &self,
        columns: &[usize],
        each: impl FnMut(Place, &[Option<&str>]) -> Result<(), DataError> + Send,
    ) -> Result<(), DataError> {
        struct Each<F>(F);

        impl<F: FnMut(Place, &[Option<&str>]) -> Result<(), DataError> + Send> Receiver for Each<F> {
            fn row(
                &mut self,
                place: Place,
                cells: &[Option<&str>],
                _: Option<usize>,
            ) -> Result<Option<Destination>, DataError> {
                (self.0)(place, cells).map(|()| None)
            }

            fn numbers(&mut self, _: &Tile<'_>) -> Result<(), DataError> {
                Ok(())
            }
        }

        self.read(Wanted { texts: columns, numbers: &[], choose: &|_| None }, &mut Each(each))
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
