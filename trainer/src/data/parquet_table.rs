//! Parquet tables of flat columns. Of each row group the keys are read first, then its features, column by column.

use std::{
    fs::File,
    io::BufReader,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use parquet::file::reader::{ChunkReader, FileReader, Length, RowGroupReader, SerializedFileReader};

use super::{
    cell::Unusable,
    error::DataError,
    in_order::in_order,
    parquet_column::{Chunk, NotUtf8, foreign_type, guarded, too_short},
    table::{Destination, Flaw, Place, Receiver, Tile, Wanted, unreadable},
};

/// Rows decoded at once.
const BATCH: usize = 4096;

/// Each thread decodes a column of a row group, which may have a million rows.
const MOST_THREADS: NonZeroUsize = NonZeroUsize::new(4).expect("not 0");

type Reader = SerializedFileReader<Reopened>;

/// A file that is opened anew for every part that is read, since clones of a [`File`] share their position.
struct Reopened {
    path: PathBuf,
    length: u64,
}

impl Length for Reopened {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Reopened {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        File::open(&self.path)?.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        File::open(&self.path)?.get_bytes(start, length)
    }
}

/// The column names. The row index that pandas stores beside the columns is not one of them.
pub(super) fn columns(path: &Path) -> Result<Vec<String>, DataError> {
    Ok(top_level(&open(path)?).into_iter().map(|(name, _)| name).collect())
}

/// See [`super::table::Table::read`]; `names` are the names of all columns. Returns the number of rows.
pub(super) fn read(
    path: &Path,
    names: &[String],
    threads: NonZeroUsize,
    wanted: Wanted<'_>,
    receiver: &mut dyn Receiver,
) -> Result<usize, DataError> {
    let reader = open(path)?;
    let texts = leaves(&reader, path, names, wanted.texts)?;
    let numbers = leaves(&reader, path, names, wanted.numbers)?;
    let mut first = 0;
    for group in 0..reader.num_row_groups() {
        let group = guarded(path, || reader.get_row_group(group))?;
        let rows = rows_from(first, path, group.metadata().num_rows())?;
        first = rows.end;
        let part = Group { path, names, wanted, group: &*group, rows };
        let chosen = part.texts(&texts, receiver)?;
        if chosen.destinations.is_empty() {
            continue;
        }
        let mut columns = numbers.iter().copied().enumerate();
        let done = |column: Column| {
            receiver.numbers(&Tile {
                destinations: &chosen.destinations,
                columns: column.position..column.position + 1,
                values: &column.values,
                flaws: column.flaws,
            })
        };
        let work = |(position, leaf)| part.column(&chosen, position, leaf);
        in_order(threads.min(MOST_THREADS), || Ok(columns.next()), work, done)?;
    }
    Ok(first)
}

/// A row group, and what is wanted of it.
struct Group<'a> {
    path: &'a Path,
    names: &'a [String],
    wanted: Wanted<'a>,
    group: &'a dyn RowGroupReader,
    rows: Range<usize>,
}

/// The chosen rows of a group.
struct Chosen {
    /// Whether each row is one.
    is_chosen: Vec<bool>,
    destinations: Vec<Option<Destination>>,
}

/// One column of the chosen rows.
struct Column {
    position: usize,
    values: Vec<f64>,
    flaws: Vec<Flaw>,
}

impl Group<'_> {
    /// Gives the text cells of the rows to the receiver.
    fn texts(&self, leaves: &[usize], receiver: &mut dyn Receiver) -> Result<Chosen, DataError> {
        let Self { path, names, wanted, group, ref rows } = *self;
        let mut chosen = Chosen { is_chosen: Vec::with_capacity(rows.len()), destinations: Vec::new() };
        let mut chunks = Vec::with_capacity(leaves.len());
        for &leaf in leaves {
            chunks.push(Chunk::new(path, group, leaf)?);
        }
        for batch in batches(rows.clone()) {
            let mut texts: Vec<Vec<Option<String>>> = Vec::with_capacity(chunks.len());
            for (chunk, &column) in chunks.iter_mut().zip(wanted.texts) {
                let mut cells = Vec::with_capacity(batch.len());
                chunk.read(batch.clone(), &mut |row, value| {
                    let text = value.text().map_err(|NotUtf8| not_utf8(path, row, &names[column]))?;
                    cells.push(text.filter(|text| !text.trim().is_empty()));
                    Ok(())
                })?;
                texts.push(cells);
            }
            for (offset, row) in batch.enumerate() {
                let cells: Vec<Option<&str>> = texts.iter().map(|column| column[offset].as_deref()).collect();
                let choice = (wanted.choose)(&cells);
                let destination = receiver.row(place(row), &cells, choice)?;
                chosen.is_chosen.push(choice.is_some());
                if choice.is_some() {
                    chosen.destinations.push(destination);
                }
            }
        }
        Ok(chosen)
    }

    /// The numbers of a column in the chosen rows.
    fn column(&self, chosen: &Chosen, position: usize, leaf: usize) -> Result<Column, DataError> {
        let mut chunk = Chunk::new(self.path, self.group, leaf)?;
        let values = Vec::with_capacity(chosen.destinations.len());
        let mut column = Column { position, values, flaws: Vec::new() };
        for batch in batches(self.rows.clone()) {
            chunk.read(batch, &mut |row, value| {
                if !chosen.is_chosen[row - self.rows.start] {
                    return Ok(());
                }
                let number = match value.number() {
                    Ok(cell) => cell.finite(),
                    Err(NotUtf8) => Err(Unusable::NotUtf8),
                };
                if let Err(content) = &number {
                    column.flaws.push(Flaw {
                        row: column.values.len(),
                        place: place(row),
                        column: position,
                        content: content.clone(),
                    });
                }
                column.values.push(number.unwrap_or_default());
                Ok(())
            })?;
        }
        Ok(column)
    }
}

fn open(path: &Path) -> Result<Reader, DataError> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let file = Reopened { path: path.into(), length: metadata.len() };
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

fn place(row: usize) -> Place {
    Place::Row(row as u64 + 1)
}

/// The rows of a group, the first of which is `first`.
fn rows_from(first: usize, path: &Path, count: i64) -> Result<Range<usize>, DataError> {
    let end = usize::try_from(count).ok().and_then(|count| first.checked_add(count));
    Ok(first..end.ok_or_else(|| too_short(path))?)
}

fn batches(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(BATCH).map(move |start| start..end.min(start + BATCH))
}

fn not_utf8(path: &Path, row: usize, column: &str) -> DataError {
    DataError::NotUtf8 { path: path.into(), place: place(row), column: format!("{column:?}") }
}
