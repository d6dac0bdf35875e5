//! CSV tables, plain or gzipped.
//!
//! The text is cut into blocks of whole records, which several threads take apart; what they find is handed on in
//! the order of the file.

use std::{
    fs::File,
    io::{self, Read},
    num::NonZeroUsize,
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use memchr::{memchr, memchr_iter};

use super::{
    cell::Cell,
    csv_blocks::{Block, Blocks},
    csv_field::Field,
    decimal,
    error::DataError,
    in_order::in_order,
    table::{EachRow, EachTile, Format, Number, Place, Row, Scan, Tile, unreadable},
};

/// A CSV file, and how it is read.
pub(super) struct CsvTable<'a> {
    pub path: &'a Path,
    pub format: Format,
    /// Names of all columns; empty while they are not known.
    pub names: &'a [String],
    pub threads: NonZeroUsize,
    /// Bytes of a block.
    pub block: usize,
}

/// Where a block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockStart {
    /// Index of its first row.
    row: usize,
    /// Its first line, counted from 1.
    line: u64,
}

impl CsvTable<'_> {
    /// The column names.
    pub fn columns(&self) -> Result<Vec<String>, DataError> {
        let mut blocks = self.open()?;
        let block = blocks.next().map_err(|error| self.failure(error))?;
        let text = block.map(|block| block.text).unwrap_or_default();
        let Some(mut at) = text.iter().position(|&byte| byte != b'\n') else {
            return Err(DataError::Empty { path: self.path.into() });
        };
        let mut names = Vec::new();
        loop {
            let field = Field::at(&text, at);
            let name = field.text().map_err(|_| DataError::NotUtf8 {
                path: self.path.into(),
                place: Place::Line(1),
                column: (names.len() + 1).to_string(),
            })?;
            names.push(name.to_owned());
            if text.get(field.end) != Some(&b',') {
                return Ok(names);
            }
            at = field.end + 1;
        }
    }

    /// See [`super::table::Table::text_rows`].
    pub fn text_rows(&self, columns: &[usize], each: &mut EachRow<'_>) -> Result<Scan, DataError> {
        let mut blocks = self.open()?;
        let mut starts = Vec::new();
        let mut next = BlockStart { row: 0, line: 1 };
        let take = || blocks.next().map_err(|error| self.failure(error));
        let done = |part: TextRows| {
            starts.push(next);
            let mut cells = Vec::with_capacity(columns.len());
            for (index, &line) in part.lines.iter().enumerate() {
                cells.clear();
                let spans = &part.spans[index * columns.len()..][..columns.len()];
                cells.extend(spans.iter().map(|&(start, end)| {
                    let text = &part.text[start..end];
                    (!text.trim().is_empty()).then_some(text)
                }));
                each(Row { index: next.row + index, place: Place::Line(next.line + line) }, &cells)?;
            }
            if let Some((line, flaw)) = part.flaw {
                return Err(self.flawed(next.line + line, flaw));
            }
            next.row += part.lines.len();
            next.line += part.line_feeds;
            Ok(())
        };
        in_order(self.threads, take, |block| self.texts(&block, columns), done)?;
        if blocks.quote_is_open() {
            return Err(DataError::OpenQuote { path: self.path.into() });
        }
        Ok(Scan { rows: next.row, blocks: starts })
    }

    /// See [`super::table::Table::numbers`].
    pub fn numbers(
        &self,
        columns: &[usize],
        scan: &Scan,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        number: &Number<'_>,
        each: &mut EachTile<'_>,
    ) -> Result<(), DataError> {
        let mut blocks = self.open()?;
        let mut positions = vec![None; self.names.len()];
        for (position, &column) in columns.iter().enumerate() {
            positions[column] = Some(position);
        }
        let take = || blocks.next().map_err(|error| self.failure(error));
        let mut count = 0;
        let work = |block: Block| self.tile(&block, &positions, columns.len(), scan, wanted, number);
        let done = |tile: Tile| {
            count += 1;
            each(&tile);
            Ok(())
        };
        in_order(self.threads, take, work, done)?;
        if count == scan.blocks.len() { Ok(()) } else { Err(self.changed()) }
    }

    /// The wanted cells of a block as text.
    fn texts(&self, block: &Block, columns: &[usize]) -> Result<TextRows, DataError> {
        let mut wanted: Vec<(usize, usize)> =
            columns.iter().enumerate().map(|(position, &column)| (column, position)).collect();
        wanted.sort_unstable();
        let mut part = TextRows::default();
        let mut records = Records::of(block);
        self.check_header(block, &mut records)?;
        while let Some(start) = records.begin() {
            let first_span = part.spans.len();
            part.spans.resize(first_span + columns.len(), (0, 0));
            let (mut column, mut at, mut left) = (0, start, wanted.as_slice());
            let mut not_utf8 = None;
            let end = loop {
                let end = match left {
                    [] => break records.end_of_rest(&mut column, at),
                    [(next, _), ..] if *next > column => Field::end(&block.text, at),
                    _ => {
                        let field = Field::at(&block.text, at);
                        let begin = part.text.len();
                        match field.text() {
                            Ok(text) => part.text.push_str(text),
                            Err(_) => not_utf8 = not_utf8.or(Some(column)),
                        }
                        while let [(next, position), rest @ ..] = left
                            && *next == column
                        {
                            part.spans[first_span + position] = (begin, part.text.len());
                            left = rest;
                        }
                        field.end
                    }
                };
                if block.text.get(end) != Some(&b',') {
                    break end;
                }
                column += 1;
                at = end + 1;
            };
            let flaw = match (column + 1, not_utf8) {
                (found, _) if found != self.names.len() => Some(Flaw::Ragged { found }),
                (_, Some(column)) => Some(Flaw::NotUtf8 { column }),
                _ => None,
            };
            if let Some(flaw) = flaw {
                part.flaw = Some((records.line, flaw));
                return Ok(part);
            }
            part.lines.push(records.line);
            records.finish(start, end);
        }
        part.line_feeds = records.line;
        Ok(part)
    }

    /// The wanted numbers of a block.
    fn tile(
        &self,
        block: &Block,
        positions: &[Option<usize>],
        width: usize,
        scan: &Scan,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        number: &Number<'_>,
    ) -> Result<Tile, DataError> {
        let begin = *scan.blocks.get(block.number).ok_or_else(|| self.changed())?;
        let behind = scan.blocks.get(block.number + 1).map_or(scan.rows, |next| next.row);
        let expected = behind - begin.row;
        let mut tile = Tile { rows: Vec::new(), columns: 0..width, values: Vec::new() };
        tile.rows.extend((begin.row..behind).filter(|&row| wanted(row)));
        tile.values.resize(tile.rows.len() * width, 0.0);
        let mut values = tile.values.as_mut_slice();
        let mut records = Records::of(block);
        self.check_header(block, &mut records)?;
        let text = block.text.as_slice();
        let mut rows = 0;
        while let Some(start) = records.begin() {
            let line = begin.line + records.line;
            let row = Row { index: begin.row + rows, place: Place::Line(line) };
            rows += 1;
            if !wanted(row.index) {
                let end = records.end_of_rest(&mut 0, start);
                records.finish(start, end);
                continue;
            }
            if rows > expected {
                return Err(self.changed());
            }
            let (slots, others) = values.split_at_mut(width);
            values = others;
            let (mut column, mut at) = (0, start);
            let end = loop {
                let position = *positions.get(column).ok_or_else(|| self.changed())?;
                let end = match position {
                    None => Field::end(text, at),
                    Some(position) => match decimal::leading(&text[at..]) {
                        Some((value, length))
                            if matches!(text[at + length], b',' | b'\n') && (value as f32).is_finite() =>
                        {
                            slots[position] = value;
                            at + length
                        }
                        _ => {
                            let field = Field::at(text, at);
                            let cell =
                                field.text().map_err(|_| self.flawed(line, Flaw::NotUtf8 { column }))?;
                            slots[position] = number(row, position, Cell::from_text(cell))?;
                            field.end
                        }
                    },
                };
                if text.get(end) != Some(&b',') {
                    break end;
                }
                column += 1;
                at = end + 1;
            };
            if column + 1 != positions.len() {
                return Err(self.changed());
            }
            records.finish(start, end);
        }
        if rows == expected { Ok(tile) } else { Err(self.changed()) }
    }

    /// Steps over the header, which is the first record of the first block.
    fn check_header(&self, block: &Block, records: &mut Records<'_>) -> Result<(), DataError> {
        if block.number > 0 {
            return Ok(());
        }
        let start = records.begin().ok_or_else(|| self.changed())?;
        let mut end = start;
        for (column, name) in self.names.iter().enumerate() {
            let field = Field::at(&block.text, end + usize::from(column > 0));
            end = field.end;
            let more = block.text.get(end) == Some(&b',');
            if *field.content != *name.as_bytes() || more != (column + 1 < self.names.len()) {
                return Err(self.changed());
            }
        }
        records.finish(start, end);
        Ok(())
    }

    fn open(&self) -> Result<Blocks<Box<dyn Read + Send>>, DataError> {
        let file = File::open(self.path).map_err(|error| unreadable(self.path, &error))?;
        let bytes: Box<dyn Read + Send> = match self.format {
            Format::GzippedCsv => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, file))),
            _ => Box::new(file),
        };
        Ok(Blocks::new(bytes, self.block))
    }

    fn failure(&self, error: io::Error) -> DataError {
        match self.format {
            Format::GzippedCsv => {
                DataError::DamagedGzip { path: self.path.into(), reason: error.to_string() }
            }
            _ => unreadable(self.path, &error),
        }
    }

    fn changed(&self) -> DataError {
        DataError::ChangedWhileRead { path: self.path.into() }
    }

    fn flawed(&self, line: u64, flaw: Flaw) -> DataError {
        let path = self.path.to_owned();
        match flaw {
            Flaw::Ragged { found } => DataError::Ragged { path, line, found, expected: self.names.len() },
            Flaw::NotUtf8 { column } => DataError::NotUtf8 {
                path,
                place: Place::Line(line),
                column: format!("{:?}", self.names[column]),
            },
        }
    }
}

/// The wanted cells of the rows of a block.
#[derive(Default)]
struct TextRows {
    /// All cells, one behind the other.
    text: String,
    /// Begin and end of each cell in `text`, row by row.
    spans: Vec<(usize, usize)>,
    /// Line feeds of the block before each row.
    lines: Vec<u64>,
    /// Line feeds of the block.
    line_feeds: u64,
    /// What is wrong with the record behind the last row, and the line feeds before it.
    flaw: Option<(u64, Flaw)>,
}

/// What is wrong with a record.
enum Flaw {
    Ragged { found: usize },
    NotUtf8 { column: usize },
}

/// The records of a block, one after the other.
struct Records<'a> {
    block: &'a Block,
    at: usize,
    /// Line feeds before the record.
    line: u64,
}

impl<'a> Records<'a> {
    fn of(block: &'a Block) -> Self {
        Self { block, at: 0, line: 0 }
    }

    /// Where the next record begins. Blank lines are none.
    fn begin(&mut self) -> Option<usize> {
        while *self.block.text.get(self.at)? == b'\n' {
            self.at += 1;
            self.line += 1;
        }
        Some(self.at)
    }

    /// Where a record ends, all fields of which from `at` on are left; `column` becomes that of the last one.
    fn end_of_rest(&self, column: &mut usize, mut at: usize) -> usize {
        let text = self.block.text.as_slice();
        if !self.block.quoted {
            let end = memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset);
            *column += memchr_iter(b',', &text[at..end]).count();
            return end;
        }
        loop {
            let end = Field::end(text, at);
            if text.get(end) != Some(&b',') {
                return end;
            }
            *column += 1;
            at = end + 1;
        }
    }

    /// Steps over a record and its line feed.
    fn finish(&mut self, start: usize, end: usize) {
        let text = self.block.text.as_slice();
        self.at = (end + 1).min(text.len());
        self.line +=
            if self.block.quoted { memchr_iter(b'\n', &text[start..self.at]).count() as u64 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::data::table::Table;

    type Rows = Vec<Vec<Option<String>>>;

    fn table(text: &[u8], threads: usize, block: usize) -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("table.csv");
        fs::write(&path, text).expect("written");
        let threads = NonZeroUsize::new(threads).expect("not 0");
        let table = Table::open_with(&path, threads, block).expect("opened");
        (folder, table)
    }

    /// All rows, and what ends the reading.
    fn rows(table: &Table) -> (Rows, Option<DataError>) {
        let mut rows = Rows::new();
        let columns: Vec<usize> = (0..table.columns().len()).collect();
        let end = table.text_rows(&columns, &mut |row, cells| {
            assert_eq!(row.index, rows.len());
            rows.push(cells.iter().map(|cell| cell.map(str::to_owned)).collect());
            Ok(())
        });
        (rows, end.err())
    }

    /// The same by the `csv` crate: rows, the number of fields of a row that has not as many as the header, and
    /// whether a quoted field is left open.
    fn reference(text: &str) -> (Rows, Option<usize>, bool) {
        let mut text = text.replace('\r', "");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let width = reader.headers().expect("header").len();
        let mut rows = Rows::new();
        for record in reader.records() {
            let record = record.expect("UTF-8");
            if record.len() != width {
                return (rows, Some(record.len()), false);
            }
            let cell = |cell: &str| (!cell.trim().is_empty()).then(|| cell.to_owned());
            rows.push(record.iter().map(cell).collect());
        }
        (rows, None, !count(&text).is_multiple_of(2))
    }

    fn count(text: &str) -> usize {
        text.matches('"').count()
    }

    /// Cells as tables have them, numbers among them, and their value.
    fn number() -> impl Strategy<Value = (String, f64)> {
        let written = (any::<f32>().prop_filter("finite", |value| value.is_finite()), 0..5).prop_map(
            |(value, style)| match style {
                0 => format!("{value}"),
                1 => format!("{value:e}"),
                2 => format!(" {:.6}", value % 1000.0),
                3 => format!("\"{:.4}\"", value % 10.0),
                _ => format!("{:?}", f64::from(value) / 3.0),
            },
        );
        written.prop_map(|text| {
            let value = text.trim_matches(['"', ' ']).parse().expect("a number");
            (text, value)
        })
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_as_by_the_csv_crate_whatever_the_blocks(
            text in prop::collection::vec(prop::sample::select(
                vec!["a", "1.5", ",", ",", "\"", "\"\"", "\n", "\r\n", "\r", " ", "\"b,\nc\"", "x,y\n", "é"],
            ), 0..40),
            block in 1usize..60,
            threads in 1usize..4,
        ) {
            let text = format!("k,v\n{}", text.concat());
            let (expected, ragged, open) = reference(&text);
            let (_folder, table) = table(text.as_bytes(), threads, block);
            let (found, error) = rows(&table);
            match error {
                Some(DataError::Ragged { found, .. }) => prop_assert_eq!(Some(found), ragged),
                Some(DataError::OpenQuote { .. }) => prop_assert!(open),
                Some(DataError::NoRows { .. }) => prop_assert!(expected.is_empty()),
                Some(other) => prop_assert!(false, "{other}"),
                None => prop_assert!(ragged.is_none() && !open),
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn numbers_come_in_the_order_of_the_rows_with_the_same_bits_whatever_the_blocks(
            cells in prop::collection::vec((number(), number(), "[a-z ]{0,3}"), 1..40),
            line_feed in prop::sample::select(vec!["\n", "\r\n", "\n\n"]),
            block in 1usize..200,
            threads in 1usize..4,
        ) {
            let mut text = format!("b,name,a{line_feed}");
            for ((b, _), (a, _), name) in &cells {
                text += &format!("{b},\"{name}\",{a}{line_feed}");
            }
            let (_folder, table) = table(text.as_bytes(), threads, block);
            let scan = table.text_rows(&[1], &mut |_, _| Ok(())).expect("read");
            prop_assert_eq!(scan.rows, cells.len());
            let number = |_: Row, _: usize, cell: Cell<'_>| match cell {
                Cell::Number(number) => Ok(number),
                _ => panic!("{cell:?}"),
            };
            let mut found = Vec::new();
            let each: &mut EachTile<'_> = &mut |tile| {
                let pairs = tile.values.chunks(2).map(|pair| (pair[0].to_bits(), pair[1].to_bits()));
                found.extend(tile.rows.iter().copied().zip(pairs));
            };
            table.numbers(&[2, 0], &scan, &|row| row % 3 != 1, &number, each).expect("read");
            let pairs = cells.iter().map(|((_, b), (_, a), _)| (a.to_bits(), b.to_bits()));
            let expected: Vec<_> = pairs.enumerate().filter(|(row, _)| row % 3 != 1).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn lines_are_counted_over_blocks() {
        let text = "k,v\r\n\"a\nb\",1\n\n".to_owned() + &"c,1\r\n".repeat(20) + "d\n";
        for block in [3, 10, 30, 1000] {
            let (_folder, table) = table(text.as_bytes(), 2, block);
            let (rows, error) = rows(&table);
            assert_eq!(rows.len(), 21);
            let path = table.path().to_owned();
            assert_eq!(error, Some(DataError::Ragged { path, line: 25, found: 1, expected: 2 }));
        }
    }

    #[test]
    fn a_table_that_changes_between_the_passes_is_noticed() {
        let (_folder, table) = table(b"k,v\na,1\nb,2\n", 2, 1000);
        let scan = table.text_rows(&[0], &mut |_, _| Ok(())).expect("read");
        for changed in ["k,v\na,1\n", "k,v\na,1\nb,2\nc,3\n", "k,w\na,1\nb,2\n", "k,v\na,1\nb\n", "k,v\n", ""]
        {
            fs::write(table.path(), changed).expect("written");
            let number: &Number<'_> = &|_, _, _| Ok(0.0);
            let result = table.numbers(&[1], &scan, &|_| true, number, &mut |_| {});
            assert_eq!(result, Err(DataError::ChangedWhileRead { path: table.path().into() }), "{changed:?}");
        }
    }
}
