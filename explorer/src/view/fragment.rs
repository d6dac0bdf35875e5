//! The view as a fragment: `v=1` and then only what differs from the view at the beginning, as in a query.
//!
//! Names are not forgotten: a page of a later version reads the links of this one, and passes over words that it does
//! not know.

use std::fmt::{self, Display};

use super::{Filter, Screen, Sort, View};

/// Version of the words. Later ones read earlier ones.
const VERSION: &str = "1";

impl Display for View {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "v={VERSION}")?;
        // Empty for molecules of no split.
        if let Some(split) = &self.split {
            write!(f, "&split={}", encoded(split))?;
        }
        let mut word = |name: &str, value: &str| match value {
            "" => Ok(()),
            value => write!(f, "&{name}={}", encoded(value)),
        };
        if self.screen != Screen::default() {
            word("show", self.screen.word())?;
        }
        word("molecule", self.molecule.as_deref().unwrap_or_default())?;
        word("conformer", self.conformer.as_deref().unwrap_or_default())?;
        word("task", self.task.as_deref().unwrap_or_default())?;
        for conformer in &self.off {
            word("off", conformer)?;
        }
        for (task, threshold) in &self.thresholds {
            word("threshold", &format!("{threshold} {task}"))?;
        }
        word("search", &self.search)?;
        if let Some(Sort { column, descending }) = &self.sort {
            word(if *descending { "down" } else { "up" }, column)?;
        }
        for filter in &self.filters {
            let bound = |bound: Option<f32>| bound.map(|bound| bound.to_string()).unwrap_or_default();
            word("range", &format!("{}..{} {}", bound(filter.low), bound(filter.high), filter.column))?;
        }
        for molecule in &self.pinned {
            word("pin", molecule)?;
        }
        for (column, shown) in &self.columns {
            word(if *shown { "column" } else { "hide" }, column)?;
        }
        Ok(())
    }
}

impl View {
    /// Reads a fragment, with or without its `#`. What is not understood is passed over: half a link is better than none.
    pub fn from_fragment(fragment: &str) -> Self {
        let mut view = Self::default();
        for word in fragment.trim_start_matches('#').split('&') {
            let Some((name, value)) = word.split_once('=') else { continue };
            let value = decoded(value);
            match name {
                "show" => view.screen = Screen::from_word(&value).unwrap_or_default(),
                "molecule" => view.molecule = Some(value),
                "conformer" => view.conformer = Some(value),
                "task" => view.task = Some(value),
                "off" => drop(view.off.insert(value)),
                "threshold" => view.thresholds.extend(threshold(&value)),
                "split" => view.split = Some(value),
                "search" => view.search = value,
                "up" => view.sort = Some(Sort { column: value, descending: false }),
                "down" => view.sort = Some(Sort { column: value, descending: true }),
                "range" => view.filters.extend(range(&value)),
                "pin" => view.pinned.push(value),
                "column" => drop(view.columns.insert(value, true)),
                "hide" => drop(view.columns.insert(value, false)),
                _ => {}
            }
        }
        view
    }
}

/// `probability task`
fn threshold(text: &str) -> Option<(String, f32)> {
    let (threshold, task) = text.split_once(' ')?;
    let threshold = threshold.parse().ok().filter(|threshold| (0.0..=1.0).contains(threshold))?;
    Some((task.to_owned(), threshold))
}

/// `low..high column`
fn range(text: &str) -> Option<Filter> {
    let (bounds, column) = text.split_once(' ')?;
    let (low, high) = bounds.split_once("..")?;
    let bound = |text: &str| match text {
        "" => Some(None),
        text => text.parse().ok().filter(|bound: &f32| bound.is_finite()).map(Some),
    };
    Some(Filter { column: column.to_owned(), low: bound(low)?, high: bound(high)? })
}

/// Percent-encoding (RFC 3986) of everything that is not unreserved.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let value = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_restores_the_view() {
        let view = View {
            screen: Screen::Model,
            molecule: Some("CHR 0001/ä&b=c#1%".into()),
            conformer: Some("3".into()),
            task: Some("Fluorescence_340_450".into()),
            off: ["1".to_owned(), "2".to_owned()].into(),
            thresholds: [("Fluorescence_340_450".to_owned(), 0.137)].into(),
            split: Some("leaderboard".into()),
            search: "c1cc+".into(),
            sort: Some(Sort { column: "p Absorbs".into(), descending: true }),
            filters: vec![
                Filter { column: "p a b".into(), low: Some(0.25), high: None },
                Filter { column: "conformers".into(), low: None, high: Some(5.0) },
            ],
            pinned: vec!["b".into(), "a".into()],
            columns: [("effective".to_owned(), true), ("split".to_owned(), false)].into(),
        };
        let fragment = view.to_string();
        assert!(fragment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%&=".contains(c)), "{fragment}");
        assert_eq!(View::from_fragment(&format!("#{fragment}")), view);
        assert_eq!(View::default().to_string(), "v=1");
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for (fragment, molecule) in [
            ("", None),
            ("#", None),
            ("#v=7&colour=red&molecule=a", Some("a")),
            ("#molecule=%zz%4", Some("%zz%4")),
            ("#show=elsewhere&threshold=2 a&threshold=x a&molecule=c", Some("c")),
            ("#range=NaN.. a&molecule=d", Some("d")),
            ("#range=..&range=x..1 a&molecule=b", Some("b")),
        ] {
            let view = View::from_fragment(fragment);
            assert_eq!(view, View { molecule: molecule.map(str::to_owned), ..View::default() }, "{fragment}");
        }
    }
}
