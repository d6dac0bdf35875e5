//! Parquet tables of flat columns, read in batches of one column at a time.

use std::{fs::File, ops::Range, path::Path};

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{
    error::DataError,
    parquet_column::{Chunk, NotUtf8, foreign_type, guarded, too_short},
    table::{EachRow, EachTile, Number, Place, Row, Scan, Tile, unreadable},
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
) -> Result<Scan, DataError> {
    let reader = open(path)?;
    let leaves = leaves(&reader, path, names, columns)?;
    let mut first = 0;
    for group in 0..reader.num_row_groups() {
        let group = guarded(path, || reader.get_row_group(group))?;
        let mut chunks = Vec::with_capacity(leaves.len());
        for &leaf in &leaves {
            chunks.push(Chunk::new(path, &*group, leaf)?);
        }
        let rows = rows_from(first, path, group.metadata().num_rows())?;
        first = rows.end;
        for batch in batches(rows) {
            let mut texts: Vec<Vec<Option<String>>> = Vec::with_capacity(chunks.len());
            for (chunk, &column) in chunks.iter_mut().zip(columns) {
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
                each(row_at(row), &cells)?;
            }
        }
    }
    Ok(Scan { rows: first, blocks: Vec::new() })
}

/// See [`super::table::Table::numbers`]; `names` are the names of all columns.
pub(super) fn numbers(
    path: &Path,
    names: &[String],
    columns: &[usize],
    scan: &Scan,
    wanted: &(dyn Fn(usize) -> bool + Sync),
    number: &Number<'_>,
    each: &mut EachTile<'_>,
) -> Result<(), DataError> {
    let reader = open(path)?;
    let leaves = leaves(&reader, path, names, columns)?;
    let mut first = 0;
    for group in 0..reader.num_row_groups() {
        let group = guarded(path, || reader.get_row_group(group))?;
        let rows = rows_from(first, path, group.metadata().num_rows())?;
        first = rows.end;
        for (position, (&leaf, &column)) in leaves.iter().zip(columns).enumerate() {
            let mut chunk = Chunk::new(path, &*group, leaf)?;
            for batch in batches(rows.clone()) {
                let mut tile = Tile { rows: Vec::new(), columns: position..position + 1, values: Vec::new() };
                chunk.read(batch, &mut |row, value| {
                    if wanted(row) {
                        let cell = value.number().map_err(|NotUtf8| not_utf8(path, row, &names[column]))?;
                        tile.rows.push(row);
                        tile.values.push(number(row_at(row), position, cell)?);
                    }
                    Ok(())
                })?;
                each(&tile);
            }
        }
    }
    if first == scan.rows { Ok(()) } else { Err(DataError::ChangedWhileRead { path: path.into() }) }
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

fn row_at(index: usize) -> Row {
    Row { index, place: Place::Row(index as u64 + 1) }
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
    DataError::NotUtf8 { path: path.into(), place: row_at(row).place, column: format!("{column:?}") }
}
