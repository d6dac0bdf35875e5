//! One cell of a table, and what counts as missing or as a number.

use std::path::Path;

use super::{
    error::{DataError, shortened},
    table::Place,
};

/// What a cell holds where a number is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing, NaN, or a word for it.
    Missing,
    /// A number, perhaps infinite.
    Number(f64),
    /// Text that is no number.
    Text(&'a str),
}

/// Why a cell holds no number that can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unusable {
    Missing,
    /// A number that is not finite as float32.
    NotFinite(f64),
    /// The begin of a text.
    Text(String),
    NotUtf8,
}

impl Unusable {
    /// The error of a column that must hold numbers.
    pub fn error(self, path: &Path, place: Place, column: &str) -> DataError {
        let (path, column) = (path.to_owned(), column.to_owned());
        match self {
            Self::Missing => DataError::MissingFeature { path, place, column },
            Self::NotFinite(value) => DataError::NotFinite { path, place, column, value },
            Self::Text(value) => DataError::NotANumber { path, place, column, value },
            Self::NotUtf8 => DataError::NotUtf8 { path, place, column: format!("{column:?}") },
        }
    }
}

impl<'a> Cell<'a> {
    /// Reads text as a number; booleans count as 0 and 1, as they do where a table stores them as such.
    pub fn from_text(text: &'a str) -> Self {
        let trimmed = text.trim();
        if is_missing(trimmed) {
            return Self::Missing;
        }
        match trimmed.parse::<f64>() {
            Ok(number) => Self::from_number(number),
            Err(_) if trimmed.eq_ignore_ascii_case("true") => Self::Number(1.0),
            Err(_) if trimmed.eq_ignore_ascii_case("false") => Self::Number(0.0),
            Err(_) => Self::Text(text),
        }
    }

    /// A number that is finite as float32.
    pub fn finite(self) -> Result<f64, Unusable> {
        match self {
            Self::Number(value) if (value as f32).is_finite() => Ok(value),
            Self::Number(value) => Err(Unusable::NotFinite(value)),
            Self::Missing => Err(Unusable::Missing),
            Self::Text(text) => Err(Unusable::Text(shortened(text))),
        }
    }

    /// A number, where NaN means missing.
    pub fn from_number(number: f64) -> Self {
        if number.is_nan() { Self::Missing } else { Self::Number(number) }
    }
}

/// Whether text stands for a missing value: empty, or one of the words that table writers use.
pub(super) fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 7] = ["nan", "na", "n/a", "<na>", "#n/a", "null", "none"];
    let text = text.trim();
    text.is_empty() || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells_and_words_for_nothing_are_missing() {
        for text in ["", "  ", "NaN", "nan", "-nan", "NA", "N/A", "<NA>", "null", "None"] {
            assert_eq!(Cell::from_text(text), Cell::Missing, "{text:?}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_numbers_and_the_rest_is_text() {
        assert_eq!(Cell::from_text(" -1.5e3 "), Cell::Number(-1500.0));
        assert_eq!(Cell::from_text("True"), Cell::Number(1.0));
        assert_eq!(Cell::from_text("FALSE"), Cell::Number(0.0));
        assert_eq!(Cell::from_text("inf"), Cell::Number(f64::INFINITY));
        for text in ["abc", "1,5", "0x10", "1_000", "--1"] {
            assert_eq!(Cell::from_text(text), Cell::Text(text));
        }
    }
}
