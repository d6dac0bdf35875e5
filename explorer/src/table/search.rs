//! The search above the table.

use shared_model::bundle::Molecule;

/// What a search looks through, made ready once: it answers while somebody types.
#[derive(Debug, Default)]
pub struct SearchText {
    /// Lower-case IDs.
    ids: Vec<String>,
}

impl SearchText {
    /// The text of some molecules.
    pub fn new(molecules: &[Molecule]) -> Self {
        Self { ids: molecules.iter().map(|molecule| molecule.id.to_lowercase()).collect() }
    }

    /// Whether each of the molecules has the text in its ID, in whatever case, or in its SMILES, where case matters.
    pub fn find(&self, molecules: &[Molecule], text: &str) -> Vec<bool> {
        let text = text.trim();
        let lower = text.to_lowercase();
        let matches = |(id, molecule): (&String, &Molecule)| {
            id.contains(&lower) || molecule.smiles.as_deref().is_some_and(|smiles| smiles.contains(text))
        };
        if text.is_empty() {
            vec![true; molecules.len()]
        } else {
            self.ids.iter().zip(molecules).map(matches).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_any_case_and_smiles_as_written() {
        let molecule = |id: &str, smiles: Option<&str>| Molecule {
            id: id.into(),
            smiles: smiles.map(str::to_owned),
            split: None,
            labels: None,
            conformers: vec!["1".into()],
        };
        let molecules =
            [molecule("EOS-1", Some("c1ccccc1")), molecule("eos-2", Some("C1CCCCC1")), molecule("x", None)];
        let text = SearchText::new(&molecules);
        assert_eq!(text.find(&molecules, " eoS-"), [true, true, false]);
        assert_eq!(text.find(&molecules, "ccc"), [true, false, false]);
        assert_eq!(text.find(&molecules, "CCC"), [false, true, false]);
        assert_eq!(text.find(&molecules, " "), [true; 3]);
    }
}
