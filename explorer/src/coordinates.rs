//! The coordinates that travel with a bundle, by molecule and conformer.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use shared_model::sd_file;

/// What the page asks of the coordinates worker.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// To read a bundle: the first request, and once only.
    Read {
        /// The bundle, a `Blob`: handed over by reference, read by the worker itself.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        bundle: wasm_bindgen::JsValue,
    },
    /// For the records of these molecules, at any time after [`Reply::Ready`].
    Find(Vec<Wanted>),
}

/// The conformers of a molecule whose records are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The molecule's.
    pub id: String,
    /// Names of the conformers.
    pub conformers: Vec<String>,
}

/// The records of a molecule's conformers, in the order asked for; nothing for one without coordinates.
pub type Records = Vec<Option<String>>;

/// What the worker answers. The loader script `start-worker.js` speaks of [`Reply::Failed`] too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is there, and listens.
    Started,
    /// The bundle is read.
    Ready,
    /// What a request was for, a molecule after the other.
    Found(Vec<Records>),
    /// The program could not be loaded, or the coordinates not be read; in words.
    Failed(String),
}

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

    /// The records of a molecule's conformers.
    pub fn find(&self, wanted: &Wanted) -> Records {
        let known = self.records.get(&wanted.id).map(Vec::as_slice).unwrap_or_default();
        let find = |conformer: &String| {
            let (_, place) = known.iter().find(|(name, _)| name == conformer)?;
            self.text.get(place.clone()).map(str::to_owned)
        };
        wanted.conformers.iter().map(find).collect()
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
        let find = |id: &str, conformers: [&str; 2]| {
            coordinates.find(&Wanted { id: id.into(), conformers: conformers.map(String::from).to_vec() })
        };
        assert_eq!(find("a", ["1", "0"]), [Some(record("a", "1")), Some(record("a", "0"))]);
        assert_eq!(find("b", ["1", "0"]), [None, Some(record("b", "0"))]);
        assert_eq!(find("c", ["0", "1"]), [None, None]);
    }
}
