//! CSV tables, plain or gzipped.
//!
//! The text is cut into blocks of whole records, which several threads take apart; what they find is handed on in
//! the order of the file.

use std::{
    fs::File,
    io::{self, Read},
    num::NonZeroUsize,
    path::Path,
    sync::{Mutex, PoisonError},
};

use flate2::bufread::MultiGzDecoder;

use super::{
    csv_blocks::{Block, Blocks},
    csv_field::Field,
    csv_rows::{Columns, RecordFlaw, Rows},
    error::DataError,
    in_order::in_order,
    table::{Destination, Flaw, Format, Place, Receiver, Tile, Wanted, unreadable},
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

impl CsvTable<'_> {
    /// The column names.
    pub fn columns(&self) -> Result<Vec<String>, DataError> {
        let mut block = Block::default();
        self.open()?.next(&mut block).map_err(|error| self.failure(error))?;
        let text = block.text();
        let Some(mut at) = text.iter().position(|&byte| byte != b'\n') else {
            return Err(DataError::Empty { path: self.path.into() });
        };
        let mut names = Vec::new();
        loop {
            let field = Field::at(text, at);
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

    /// See [`super::table::Table::read`]; returns the number of rows.
    pub fn read(&self, wanted: Wanted<'_>, receiver: &mut dyn Receiver) -> Result<usize, DataError> {
        let columns = Columns::new(self.names.len(), wanted);
        let mut blocks = self.open()?;
        let spare: Mutex<Vec<Rows>> = Mutex::default();
        let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
        let take = || {
            let mut rows = spare().pop().unwrap_or_default();
            let more = blocks.next(&mut rows.block).map_err(|error| self.failure(error))?;
            Ok(more.then_some(rows))
        };
        let work = |mut rows: Rows| {
            let begin = if rows.block.first { self.end_of_header(rows.block.text())? } else { 0 };
            rows.take_apart(&columns, begin);
            Ok::<_, DataError>(rows)
        };
        let (mut count, mut line) = (0, 1);
        let mut destinations = Vec::new();
        let done = |rows: Rows| {
            self.hand_on(&rows, &columns, line, &mut destinations, receiver)?;
            count += rows.lines.len();
            line += rows.line_feeds;
            spare().push(rows);
            Ok(())
        };
        in_order(self.threads, take, work, done)?;
        if blocks.quote_is_open() {
            return Err(DataError::OpenQuote { path: self.path.into() });
        }
        Ok(count)
    }

    /// Gives the rows of a block, which begins in a line counted from 1, to the receiver.
    fn hand_on(
        &self,
        rows: &Rows,
        columns: &Columns<'_>,
        first_line: u64,
        destinations: &mut Vec<Option<Destination>>,
        receiver: &mut dyn Receiver,
    ) -> Result<(), DataError> {
        destinations.clear();
        let mut cells = Vec::new();
        for (index, (&line, &chosen)) in rows.lines.iter().zip(&rows.chosen).enumerate() {
            cells.clear();
            cells.extend(rows.cells(index, columns));
            let destination = receiver.row(Place::Line(first_line + line), &cells, chosen)?;
            if chosen.is_some() {
                destinations.push(destination);
            }
        }
        if columns.numbers() > 0 && !destinations.is_empty() {
            let flaws = rows.unusable.iter().map(|cell| Flaw {
                row: cell.chosen,
                place: Place::Line(first_line + cell.line),
                column: cell.position,
                content: cell.content.clone(),
            });
            receiver.numbers(&Tile {
                destinations,
                columns: 0..columns.numbers(),
                values: &rows.numbers[..destinations.len() * columns.numbers()],
                flaws: flaws.collect(),
            })?;
        }
        if let Some((line, flaw)) = &rows.flaw {
            return Err(self.flawed(first_line + line, flaw));
        }
        Ok(())
    }

    /// Where the header of the table ends, which is the first record of the text, with its line feed.
    fn end_of_header(&self, text: &[u8]) -> Result<usize, DataError> {
        let changed = || DataError::ChangedWhileRead { path: self.path.into() };
        let mut end = text.iter().position(|&byte| byte != b'\n').ok_or_else(changed)?;
        for (column, name) in self.names.iter().enumerate() {
            let field = Field::at(text, end + usize::from(column > 0));
            end = field.end;
            let more = text.get(end) == Some(&b',');
            if *field.content != *name.as_bytes() || more != (column + 1 < self.names.len()) {
                return Err(changed());
            }
        }
        Ok(text.len().min(end + 1))
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

    fn flawed(&self, line: u64, flaw: &RecordFlaw) -> DataError {
        let path = self.path.to_owned();
        match *flaw {
            RecordFlaw::Ragged { found } => {
                DataError::Ragged { path, line, found, expected: self.names.len() }
            }
            RecordFlaw::NotUtf8 { column } => DataError::NotUtf8 {
                path,
                place: Place::Line(line),
                column: format!("{:?}", self.names[column]),
            },
        }
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
        let end = table.text_rows(&columns, |_, cells| {
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

    /// Keeps the indices of the chosen rows with the bits of two numbers.
    #[derive(Default)]
    struct Found {
        rows: usize,
        numbers: Vec<(usize, u64, u64)>,
    }

    impl Receiver for Found {
        fn row(
            &mut self,
            _: Place,
            cells: &[Option<&str>],
            chosen: Option<usize>,
        ) -> Result<Option<Destination>, DataError> {
            assert!(chosen.is_none_or(|chosen| cells[1].is_some_and(|cell| cell.len() == chosen)));
            self.rows += 1;
            Ok(chosen.map(|_| Destination { row: self.rows - 1, rank: 1 }))
        }

        fn numbers(&mut self, tile: &Tile<'_>) -> Result<(), DataError> {
            assert_eq!((&tile.flaws, tile.columns.clone()), (&Vec::new(), 0..2));
            for (destination, pair) in tile.destinations.iter().zip(tile.values.chunks(2)) {
                let row = destination.expect("chosen").row;
                self.numbers.push((row, pair[0].to_bits(), pair[1].to_bits()));
            }
            Ok(())
        }
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
            // Rows without quotation marks are read by other code.
            quote in prop::sample::select(vec!["\"", ""]),
            block in 1usize..200,
            threads in 1usize..4,
        ) {
            let mut text = format!("b,name,a{line_feed}");
            for ((b, _), (a, _), name) in &cells {
                text += &format!("{b},{quote}{name}{quote},{a}{line_feed}");
            }
            let (_folder, table) = table(text.as_bytes(), threads, block);
            let mut found = Found::default();
            let choose = |cells: &[Option<&str>]| cells[1].filter(|&number| !number.ends_with('7')).map(str::len);
            let wanted = Wanted { texts: &[1, 2], numbers: &[2, 0], choose: &choose };
            table.read(wanted, &mut found).expect("read");
            let is_chosen = |text: &str| !text.trim_matches('"').ends_with('7');
            prop_assert_eq!(found.rows, cells.len());
            let chosen = cells.iter().enumerate().filter(|(_, (_, (text, _), _))| is_chosen(text));
            let expected: Vec<_> =
                chosen.map(|(row, ((_, b), (_, a), _))| (row, a.to_bits(), b.to_bits())).collect();
            prop_assert_eq!(found.numbers, expected);
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
    fn a_table_whose_columns_change_before_it_is_read_is_noticed() {
        let (_folder, table) = table(b"k,v\na,1\nb,2\n", 2, 1000);
        for changed in ["k,w\na,1\n", "k,v,w\na,1,2\n", "k\na\n", "v,k\n1,a\n", "\n"] {
            fs::write(table.path(), changed).expect("written");
            let result = table.text_rows(&[0], |_, _| Ok(()));
            assert_eq!(result, Err(DataError::ChangedWhileRead { path: table.path().into() }), "{changed:?}");
        }
    }
}
