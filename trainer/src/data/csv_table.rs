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

type Reader = csv::Reader<Lines<Box<dyn Read>>>;

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
        column: format!("{:?}", names[column]),
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
        // The reader stands on the line behind the record; blank lines before it are counted already.
        let line = reader.position().line().saturating_sub(1 + count(record.as_slice(), b'\n') as u64);
        if record.len() != names.len() {
            let (found, expected) = (record.len(), names.len());
            return Err(DataError::Ragged { path: path.into(), line, found, expected });
        }
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
    let lines = Lines { inner: bytes, quotes: 0, last: b'\n' };
    Ok(csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(lines))
}

fn failure(path: &Path, format: Format, error: csv::Error) -> DataError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if format == Format::GzippedCsv => {
            DataError::DamagedGzip { path, reason: error.to_string() }
        }
        csv::ErrorKind::Io(error) => unreadable(&path, &error),
        // Lengths are checked here, and bytes are read, so that no other kind can occur.
        other => DataError::Unreadable { path, reason: format!("{other:?}") },
    }
}

/// Text with every line ended by one line feed, so that lines can be counted, and its quotation marks counted.
///
/// The CSV reader takes a quoted field that is never closed, up to the end of the file, for a field; in a sound
/// table the marks come in pairs.
struct Lines<R> {
    inner: R,
    quotes: usize,
    last: u8,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 {
                if self.last == b'\n' || buffer.is_empty() {
                    return Ok(0);
                }
                (self.last, buffer[0]) = (b'\n', b'\n');
                return Ok(1);
            }
            let kept = without_carriage_returns(&mut buffer[..read]);
            if let Some(&last) = buffer[..kept].last() {
                self.quotes += count(&buffer[..kept], b'"');
                self.last = last;
                return Ok(kept);
            }
        }
    }
}

/// Moves all bytes but carriage returns to the front; returns their number.
fn without_carriage_returns(bytes: &mut [u8]) -> usize {
    let Some(mut kept) = bytes.iter().position(|&byte| byte == b'\r') else { return bytes.len() };
    let first = kept;
    for index in first..bytes.len() {
        if bytes[index] != b'\r' {
            bytes[kept] = bytes[index];
            kept += 1;
        }
    }
    kept
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|&&byte| byte == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> (Vec<u8>, usize) {
        let mut lines = Lines { inner: text, quotes: 0, last: b'\n' };
        let mut bytes = Vec::new();
        lines.read_to_end(&mut bytes).expect("read");
        (bytes, lines.quotes)
    }

    #[test]
    fn every_line_ends_with_one_line_feed() {
        assert_eq!(lines(b"a\r\nb\"\r\n\r\n\"c"), (b"a\nb\"\n\n\"c\n".to_vec(), 2));
        assert_eq!(lines(b"a\n"), (b"a\n".to_vec(), 0));
        assert_eq!(lines(b"\r\r"), (Vec::new(), 0));
        assert_eq!(lines(b""), (Vec::new(), 0));
    }
}
