//! The coordinates that travel with a bundle, by molecule and conformer.

use std::collections::HashMap;
use std::ops::Range;

use shared_model::sd_file;

/// An SD file whose records name their molecule and conformer.
#[derive(Debug)]
pub struct Coordinates {
    text: String,
    /// Records of each molecule: the name of the conformer, and where its record is.
    records: HashMap<String, Vec<(String, Range<usize>)>>,
}

impl Coordinates {
    /// An SD file; records that do not name their molecule and conformer are passed over.
    pub fn new(bytes: Vec<u8>) -> Self {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        let mut records: HashMap<String, Vec<(String, Range<usize>)>> = HashMap::new();
        let mut end = 0;
        for record in sd_file::records(&text) {
            let start = end;
            end += record.len();
            if let Some((id, conformer)) = sd_file::key(record) {
                records.entry(id.to_owned()).or_default().push((conformer.to_owned(), start..end));
            }
        }
        Self { text, records }
    }

    /// The record of a conformer.
    pub fn record(&self, id: &str, conformer: &str) -> Option<&str> {
        let (_, place) = self.records.get(id)?.iter().find(|(name, _)| name == conformer)?;
        self.text.get(place.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformers_are_found_by_their_names() {
        let record = |id: &str, conformer: &str| {
            format!("{id}\n\n\nM  END\n> <ID>\n{id}\n\n> <conf_id>\n{conformer}\n\n$$$$\n")
        };
        let file =
            [record("a", "0"), record("a", "1"), "\n\n\nM  END\n$$$$\n".into(), record("b", "0")].concat();
        let coordinates = Coordinates::new(file.into_bytes());
        assert_eq!(coordinates.record("a", "1"), Some(record("a", "1").as_str()));
        assert_eq!(coordinates.record("b", "0"), Some(record("b", "0").as_str()));
        assert_eq!(coordinates.record("b", "1"), None);
        assert_eq!(coordinates.record("c", "0"), None);
    }
}
