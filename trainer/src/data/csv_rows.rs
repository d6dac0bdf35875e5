//! The rows of one block of CSV text.

use std::ops::Range;

use memchr::memchr_iter;

use super::{
    cell::{Cell, Unusable},
    csv_blocks::Block,
    csv_field::Field,
    csv_scan::{Line, Separators, number},
    table::Wanted,
};

/// A block, and what was found in it. Everything is used again for later blocks.
#[derive(Default)]
pub(super) struct Rows {
    pub block: Block,
    separators: Separators,
    /// Where each row is found: its line if there is no quotation mark, else its first byte.
    starts: Vec<usize>,
    /// Line feeds of the block before each row.
    pub lines: Vec<u64>,
    /// Line feeds of the block.
    pub line_feeds: u64,
    /// All text cells, one behind the other.
    text: String,
    /// Begin and end of each text cell, row by row.
    spans: Vec<(usize, usize)>,
    /// What was found for each row.
    pub chosen: Vec<Option<usize>>,
    /// The numbers of the chosen rows, row by row, and perhaps room behind them.
    pub numbers: Vec<f64>,
    pub unusable: Vec<UnusableNumber>,
    /// What is wrong with the record behind the last row, and the line feeds before it.
    pub flaw: Option<(u64, RecordFlaw)>,
}

/// The columns that are read, in the order of the table.
pub(super) struct Columns<'a> {
    /// Number of all columns.
    pub count: usize,
    texts: Vec<Target>,
    numbers: Vec<Target>,
    /// Ranges of `numbers` whose columns are neighbours.
    runs: Vec<Range<usize>>,
    /// Whether numbers are wanted in the order of the table.
    in_order: bool,
    wanted: Wanted<'a>,
}

/// A column that is read, and its position in the list of wanted ones.
type Target = (usize, usize);

/// A cell that should hold a number. The rest of its row was not looked at.
pub(super) struct UnusableNumber {
    /// Index among the chosen rows.
    pub chosen: usize,
    /// Line feeds of the block before the row.
    pub line: u64,
    /// Position in the list of wanted columns.
    pub position: usize,
    pub content: Unusable,
}

/// What is wrong with a record.
pub(super) enum RecordFlaw {
    Ragged { found: usize },
    NotUtf8 { column: usize },
}

impl<'a> Columns<'a> {
    pub fn new(count: usize, wanted: Wanted<'a>) -> Self {
        let sorted = |columns: &[usize]| {
            let mut targets: Vec<Target> =
                columns.iter().enumerate().map(|(position, &column)| (column, position)).collect();
            targets.sort_unstable();
            targets
        };
        let numbers = sorted(wanted.numbers);
        let in_order = numbers.iter().enumerate().all(|(index, &(_, position))| index == position);
        let neighbours = numbers.chunk_by(|before, after| before.0 + 1 == after.0);
        let runs = neighbours.scan(0, |end, run| {
            let begin = *end;
            *end += run.len();
            Some(begin..*end)
        });
        Self { count, texts: sorted(wanted.texts), runs: runs.collect(), in_order, numbers, wanted }
    }

    /// How many numbers are read from a row.
    pub fn numbers(&self) -> usize {
        self.numbers.len()
    }
}

impl Rows {
    /// Takes the block apart from a byte on, which begins a record.
    pub fn take_apart(&mut self, columns: &Columns<'_>, begin: usize) {
        self.starts.clear();
        self.lines.clear();
        self.text.clear();
        self.spans.clear();
        self.chosen.clear();
        self.unusable.clear();
        self.flaw = None;
        self.line_feeds = memchr_iter(b'\n', &self.block.text()[..begin]).count() as u64;
        let of_lines = !self.block.quoted && u32::try_from(self.block.text().len()).is_ok();
        if of_lines {
            self.split_lines(columns, begin);
        } else {
            self.split_records(columns, begin);
        }
        self.choose(columns);
        if !columns.numbers.is_empty() {
            self.read_numbers(columns, begin, of_lines);
        }
    }

    /// The text cells of a row.
    pub fn cells(&self, row: usize, columns: &Columns<'_>) -> impl Iterator<Item = Option<&str>> {
        let width = columns.texts.len();
        self.spans[row * width..][..width].iter().map(|&(start, end)| {
            let text = &self.text[start..end];
            (!text.trim().is_empty()).then_some(text)
        })
    }

    /// Finds the rows of a text without quotation marks, and their text cells.
    fn split_lines(&mut self, columns: &Columns<'_>, begin: usize) {
        let text = &self.block.text()[begin..];
        self.separators.find(text);
        for index in 0..self.separators.lines() {
            let line = self.separators.line(index);
            let number = self.line_feeds + index as u64;
            if line.is_blank() {
                continue;
            }
            if line.fields() != columns.count {
                self.flaw = Some((number, RecordFlaw::Ragged { found: line.fields() }));
                return;
            }
            let first_span = self.spans.len();
            self.spans.resize(first_span + columns.texts.len(), (0, 0));
            for &(column, position) in &columns.texts {
                let (start, end) = line.field(column);
                let Ok(cell) = str::from_utf8(&text[start..end]) else {
                    self.flaw = Some((number, RecordFlaw::NotUtf8 { column }));
                    return;
                };
                self.spans[first_span + position] = (self.text.len(), self.text.len() + cell.len());
                self.text.push_str(cell);
            }
            self.starts.push(index);
            self.lines.push(number);
        }
        self.line_feeds += self.separators.lines() as u64;
    }

    /// Finds the rows of any text, and their text cells.
    fn split_records(&mut self, columns: &Columns<'_>, begin: usize) {
        let text = self.block.text();
        let mut at = begin;
        while let Some(&first) = text.get(at) {
            if first == b'\n' {
                at += 1;
                self.line_feeds += 1;
                continue;
            }
            let start = at;
            let first_span = self.spans.len();
            self.spans.resize(first_span + columns.texts.len(), (0, 0));
            let (mut column, mut left, mut not_utf8) = (0, columns.texts.as_slice(), None);
            loop {
                let mut end = None;
                while let [(next, position), rest @ ..] = left
                    && *next == column
                {
                    let field = Field::at(text, at);
                    let begin = self.text.len();
                    match field.text() {
                        Ok(cell) => self.text.push_str(cell),
                        Err(_) => not_utf8 = not_utf8.or(Some(column)),
                    }
                    self.spans[first_span + position] = (begin, self.text.len());
                    end = Some(field.end);
                    left = rest;
                }
                let end = end.unwrap_or_else(|| Field::end(text, at));
                at = end + 1;
                if text.get(end) != Some(&b',') {
                    break;
                }
                column += 1;
            }
            at = at.min(text.len());
            let flaw = match (column + 1, not_utf8) {
                (found, _) if found != columns.count => Some(RecordFlaw::Ragged { found }),
                (_, Some(column)) => Some(RecordFlaw::NotUtf8 { column }),
                _ => None,
            };
            if let Some(flaw) = flaw {
                self.flaw = Some((self.line_feeds, flaw));
                return;
            }
            self.starts.push(start);
            self.lines.push(self.line_feeds);
            self.line_feeds += memchr_iter(b'\n', &text[start..at]).count() as u64;
        }
    }

    fn choose(&mut self, columns: &Columns<'_>) {
        let mut chosen = std::mem::take(&mut self.chosen);
        let mut cells = Vec::with_capacity(columns.texts.len());
        for row in 0..self.starts.len() {
            cells.clear();
            cells.extend(self.cells(row, columns));
            chosen.push((columns.wanted.choose)(&cells));
        }
        self.chosen = chosen;
    }

    /// Reads the numbers of the chosen rows.
    fn read_numbers(&mut self, columns: &Columns<'_>, begin: usize, of_lines: bool) {
        let width = columns.numbers.len();
        let needed = width * self.chosen.iter().flatten().count();
        if self.numbers.len() < needed {
            self.numbers.resize(needed, 0.0);
        }
        let rows = (0..self.starts.len()).filter(|&row| self.chosen[row].is_some());
        let mut in_table_order = vec![0.0; if columns.in_order { 0 } else { width }];
        for ((chosen, row), slots) in rows.enumerate().zip(self.numbers.chunks_exact_mut(width)) {
            let start = self.starts[row];
            let read = if of_lines {
                let text = &self.block.text()[begin..];
                let line = self.separators.line(start);
                if columns.in_order {
                    numbers_of_line(text, line, columns, slots)
                } else {
                    let read = numbers_of_line(text, line, columns, &mut in_table_order);
                    for (&(_, position), &number) in columns.numbers.iter().zip(&in_table_order) {
                        slots[position] = number;
                    }
                    read
                }
            } else {
                numbers_of_record(self.block.text(), start, &columns.numbers, slots)
            };
            if let Err((position, content)) = read {
                let line = self.lines[row];
                self.unusable.push(UnusableNumber { chosen, line, position, content });
            }
        }
    }
}

type Read = Result<(), (usize, Unusable)>;

/// Reads the numbers of a row without quotation marks, in the order of the table.
fn numbers_of_line(text: &[u8], line: Line<'_>, columns: &Columns<'_>, numbers: &mut [f64]) -> Read {
    for run in &columns.runs {
        let mut at = run.start;
        while at < run.end {
            let column = columns.numbers[at].0;
            at += line.numbers(text, column, &mut numbers[at..run.end]);
            if let Some(&(column, position)) = columns.numbers[..run.end].get(at) {
                let (start, end) = line.field(column);
                numbers[at] = any_number(&text[start..end]).map_err(|content| (position, content))?;
                at += 1;
            }
        }
    }
    Ok(())
}

/// Reads the numbers of a row that begins at `start`.
fn numbers_of_record(text: &[u8], start: usize, targets: &[Target], slots: &mut [f64]) -> Read {
    let (mut column, mut at) = (0, start);
    for &(next, position) in targets {
        while column < next {
            at = Field::end(text, at) + 1;
            column += 1;
        }
        let end = Field::end(text, at);
        slots[position] = match number(text, at, end) {
            Some(value) => value,
            None => any_number(&Field::at(text, at).content).map_err(|content| (position, content))?,
        };
    }
    Ok(())
}

/// A number in any notation.
fn any_number(cell: &[u8]) -> Result<f64, Unusable> {
    Cell::from_text(str::from_utf8(cell).map_err(|_| Unusable::NotUtf8)?).finite()
}
