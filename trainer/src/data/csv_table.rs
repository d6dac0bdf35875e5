//! CSV tables, plain or gzipped.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;

use super::{
    cell::Cell,
    error::DataError,
    table::{EachCell, EachRow, Format, Place, Row, unreadable},
};

type Reader = csv::Reader<QuoteCounter<Box<dyn Read>>>;

/// The column names.
pub(super) fn columns(path: &Path, format: Format) -> Result<Vec<String>, DataError> {
    let mut reader = open(path, format)?;
    let header = reader.byte_headers().map_err(|error| failure(path, format, error))?.clone();
    if header.is_empty() {
        return Err(DataError::Empty { path: path.into() });
    }
    let name = |(index, bytes): (usize, &[u8])| {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DataError::NotUtf8 {
            path: path.into(),
            place: Place::Line(1),
            column: (index + 1).to_string(),
        })
    };
    header.iter().enumerate().map(name).collect()
}

/// See [`super::table::Table::text_rows`]; `names` are the names of all columns.
pub(super) fn text_rows(
    path: &Path,
    format: Format,
    names: &[String],
    columns: &[usize],
    each: &mut EachRow<'_>,
) -> Result<usize, DataError> {
    records(path, format, names, &mut |row, record| {
        let mut cells = Vec::with_capacity(columns.len());
        for &column in columns {
            let text = text(path, names, row, record, column)?;
            cells.push((!text.trim().is_empty()).then_some(text));
        }
        each(row, &cells)
    })
}

/// See [`super::table::Table::numbers`]; `names` are the names of all columns.
pub(super) fn numbers(
    path: &Path,
    format: Format,
    names: &[String],
    columns: &[usize],
    wanted: &dyn Fn(usize) -> bool,
    each: &mut EachCell<'_>,
) -> Result<usize, DataError> {
    records(path, format, names, &mut |row, record| {
        if wanted(row.index) {
            for (position, &column) in columns.iter().enumerate() {
                each(row, position, Cell::from_text(text(path, names, row, record, column)?))?;
            }
        }
        Ok(())
    })
}

/// One field as text.
fn text<'a>(
    path: &Path,
    names: &[String],
    row: Row,
    record: &'a ByteRecord,
    column: usize,
) -> Result<&'a str, DataError> {
    std::str::from_utf8(&record[column]).map_err(|_| DataError::NotUtf8 {
        path: path.into(),
        place: row.place,
        column: format!("\"{}\"", names[column]),
    })
}

/// Gives record after record, all as long as the header; returns their number.
fn records(
    path: &Path,
    format: Format,
    names: &[String],
    each: &mut dyn FnMut(Row, &ByteRecord) -> Result<(), DataError>,
) -> Result<usize, DataError> {
    let mut reader = open(path, format)?;
    let header = reader.byte_headers().map_err(|error| failure(path, format, error))?;
    if !header.iter().eq(names.iter().map(String::as_bytes)) {
        return Err(DataError::ChangedWhileRead { path: path.into() });
    }
    let mut record = ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).map_err(|error| failure(path, format, error))? {
        let line = record.position().map_or(0, csv::Position::line);
        each(Row { index: rows, place: Place::Line(line) }, &record)?;
        rows += 1;
    }
    if !reader.get_ref().quotes.is_multiple_of(2) {
        return Err(DataError::OpenQuote { path: path.into() });
    }
    Ok(rows)
}

fn open(path: &Path, format: Format) -> Result<Reader, DataError> {
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(|error| unreadable(path, &error))?);
    let bytes: Box<dyn Read> = match format {
        Format::GzippedCsv => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    Ok(csv::ReaderBuilder::new()
        .buffer_capacity(1 << 16)
        .from_reader(QuoteCounter { inner: bytes, quotes: 0 }))
}

fn failure(path: &Path, format: Format, error: csv::Error) -> DataError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => DataError::Ragged {
            path,
            line: pos.map_or(0, |position| position.line()),
            found: len,
            expected: expected_len,
        },
        csv::ErrorKind::Io(error) if format == Format::GzippedCsv => {
            DataError::DamagedGzip { path, reason: error.to_string() }
        }
        csv::ErrorKind::Io(error) => unreadable(&path, &error),
        other => DataError::Unreadable { path, reason: format!("{other:?}") },
    }
}

/// Counts quotation marks. The CSV reader takes a quoted field that is never closed up to the end of the file
/// for a field; in a sound table the marks come in pairs.
struct QuoteCounter<R> {
    inner: R,
    quotes: usize,
}

impl<R: Read> Read for QuoteCounter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.quotes += buffer[..read].iter().filter(|&&byte| byte == b'"').count();
        Ok(read)
    }
}
