//! Fields and numbers of CSV text without quotation marks: where speed is decided.
//!
//! All commas and line feeds of a block are found first. Then every field is known, and numbers can be read without
//! waiting for the end of the one before. Where the processor has them, vector instructions do both; the results are
//! the same.

#[cfg(target_arch = "x86_64")]
mod avx2;

use memchr::memchr2_iter;

use super::decimal;

/// Where the fields and lines of a text end, which has less than 2^32 bytes, the last of them a line feed.
#[derive(Default)]
pub(super) struct Separators {
    /// Positions of all commas and line feeds, behind a −1: field `f` stands between the `f`-th and the next.
    positions: Vec<u32>,
    /// The line feeds among them.
    line_feeds: Vec<u32>,
    /// How many positions are of this text; others are left from earlier ones.
    count: usize,
}

impl Separators {
    /// Finds the separators of a text, in place of those of another.
    pub fn find(&mut self, text: &[u8]) {
        self.line_feeds.clear();
        // As many as bytes, and some that are written in vain.
        if self.positions.len() < text.len() + 128 {
            self.positions.resize(text.len() + 128, 0);
        }
        self.positions[0] = u32::MAX;
        #[cfg(target_arch = "x86_64")]
        if let Some(vectors) = avx2::Vectors::available() {
            self.count = 1 + vectors.separators(text, &mut self.positions[1..], &mut self.line_feeds);
            return;
        }
        self.find_one_by_one(text);
    }

    fn find_one_by_one(&mut self, text: &[u8]) {
        self.count = 1;
        for at in memchr2_iter(b',', b'\n', text) {
            if text[at] == b'\n' {
                self.line_feeds.push(self.count as u32 - 1);
            }
            self.positions[self.count] = at as u32;
            self.count += 1;
        }
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.line_feeds.len()
    }

    /// One line.
    pub fn line(&self, index: usize) -> Line<'_> {
        let begin = index.checked_sub(1).map_or(0, |before| self.line_feeds[before] as usize + 1);
        Line { positions: &self.positions[..self.count][begin..self.line_feeds[index] as usize + 2] }
    }
}

/// One line: the position before each of its fields, and that behind the last.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    positions: &'a [u32],
}

impl Line<'_> {
    pub fn fields(&self) -> usize {
        self.positions.len() - 1
    }

    /// Where a field begins and ends.
    #[inline(always)]
    pub fn field(&self, column: usize) -> (usize, usize) {
        (self.positions[column].wrapping_add(1) as usize, self.positions[column + 1] as usize)
    }

    pub fn is_blank(&self) -> bool {
        let (start, end) = self.field(0);
        self.fields() == 1 && start == end
    }

    /// Reads the numbers of neighbouring columns, from one on, into as many slots. Stops at a cell that is not written as
    /// most are; returns how many were read. The slots behind those hold anything.
    pub fn numbers(&self, text: &[u8], first: usize, slots: &mut [f64]) -> usize {
        let fields = Line { positions: &self.positions[first..=first + slots.len()] };
        #[cfg(target_arch = "x86_64")]
        if let Some(vectors) = avx2::Vectors::available() {
            return vectors.numbers(fields, text, slots);
        }
        fields.numbers_one_by_one(text, slots)
    }

    /// The same for all fields.
    fn numbers_one_by_one(&self, text: &[u8], slots: &mut [f64]) -> usize {
        for (column, slot) in slots.iter_mut().enumerate() {
            let (start, end) = self.field(column);
            match number(text, start, end) {
                Some(value) => *slot = value,
                None => return column,
            }
        }
        slots.len()
    }
}

/// The number between two positions.
pub(super) fn number(text: &[u8], start: usize, end: usize) -> Option<f64> {
    let (value, length) = decimal::leading(&text[start..])?;
    (length == end - start && (value as f32).is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields<'a>(separators: &Separators, text: &'a str) -> Vec<Vec<&'a str>> {
        let field = |(start, end): (usize, usize)| &text[start..end];
        (0..separators.lines())
            .map(|index| separators.line(index))
            .map(|line| (0..line.fields()).map(|column| field(line.field(column))).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn all_separators_are_found(
            texts in prop::collection::vec(
                prop::collection::vec(prop::sample::select(vec!["a", ",", "\n", "1234567890123456", "é", ",,,,,,,,", "\n\n\n"]), 0..60),
                1..3,
            ),
        ) {
            let mut separators = Separators::default();
            for text in texts {
                let text = text.concat() + "\n";
                let expected: Vec<Vec<&str>> =
                    text.trim_end_matches('\n').split('\n').map(|line| line.split(',').collect()).collect();
                let blank = text.len() - text.trim_end_matches('\n').len() - 1;
                let expected = [expected, vec![vec![""]; blank]].concat();
                separators.find(text.as_bytes());
                prop_assert_eq!(&fields(&separators, &text), &expected);
                separators.line_feeds.clear();
                separators.find_one_by_one(text.as_bytes());
                prop_assert_eq!(fields(&separators, &text), expected);
            }
        }

        #[test]
        fn numbers_have_the_same_bits_as_by_the_standard_library(
            cells in prop::collection::vec("-?[0-9]{0,9}(\\.[0-9]{0,9})?(e-?[0-9])?|[0-9]{14,20}|-?0\\.[0-9]{12,18}|x|-|--1|1-|1\\.2\\.3|", 1..30),
        ) {
            // Some bytes before the first, as in all lines of a table but the first.
            let text = format!("0123456789abcde,{}\n", cells.join(","));
            let mut separators = Separators::default();
            separators.find(text.as_bytes());
            let line = separators.line(0);
            let mut together = vec![f64::NAN; cells.len()];
            let mut at = 0;
            while at < cells.len() {
                let read = line.numbers(text.as_bytes(), 1 + at, &mut together[at..]);
                for (slot, cell) in together[at..at + read].iter().zip(&cells[at..]) {
                    prop_assert_eq!(slot.to_bits(), cell.parse::<f64>().expect("a number").to_bits());
                }
                at += read;
                if at < cells.len() {
                    prop_assert_eq!(line.numbers(text.as_bytes(), 1 + at, &mut [0.0]), 0, "{:?}", &cells[at]);
                    at += 1;
                }
            }
        }
    }

    #[test]
    fn usual_cells_are_read_at_once() {
        let cells =
            ["x", "a long identifier", "0.123456", "-1.5", "12", "-0", "1.", ".5", "12345678901234.5", "x"];
        let text = format!("{}\n", cells.join(","));
        let mut separators = Separators::default();
        separators.find(text.as_bytes());
        let line = separators.line(0);
        let mut slots = [0.0; 7];
        assert_eq!(line.numbers(text.as_bytes(), 2, &mut slots), slots.len());
        assert_eq!(slots, [0.123456, -1.5, 12.0, -0.0, 1.0, 0.5, 12_345_678_901_234.5]);
        assert!(slots[3].is_sign_negative());
    }
}
