//! The table as an SD file: a record for each conformer of each molecule shown.

use shared_model::bundle::Molecule;

use super::{Column, Numbers, Quantity};
use crate::export::conformer_record;
use crate::protocol::Prediction;

/// What the records say beside coordinates: the columns shown, and the attention of each task.
#[derive(Debug)]
pub struct SdfTable<'a> {
    /// Columns and the names of their properties; ID and structure are in the record already.
    columns: Vec<(&'a Column, String)>,
    tasks: Vec<&'a str>,
}

impl<'a> SdfTable<'a> {
    /// Records with these columns, of a model of these tasks.
    pub fn new(columns: &'a [Column], tasks: impl Iterator<Item = &'a str>) -> Self {
        let told = |column: &&Column| !matches!(column.quantity, Quantity::Id | Quantity::Structure);
        let columns = columns.iter().filter(told).map(|column| (column, property(column))).collect();
        Self { columns, tasks: tasks.collect() }
    }

    /// The text of the molecule at a position, of the records of its conformers; empty if it has none. What is not known yet
    /// is left out.
    pub fn text(
        &self,
        position: usize,
        molecule: &Molecule,
        numbers: &Numbers,
        prediction: Option<&Prediction>,
        records: &[Option<String>],
    ) -> String {
        let number = |column: &Column| {
            let number = numbers.column(&column.key)?.get(position)?;
            (!number.is_nan()).then(|| number.to_string())
        };
        let properties = self.columns.iter().filter_map(|(column, name)| {
            let value = match column.quantity {
                Quantity::Split => molecule.split.clone()?,
                _ => number(column)?,
            };
            Some((name.as_str(), value))
        });
        let properties: Vec<(&str, String)> = properties.collect();
        let conformers = molecule.conformers.len();
        let attention = |conformer: usize| {
            let of_task = move |(task, name): (usize, &&'a str)| {
                Some((*name, *prediction?.attention.get(task * conformers + conformer)?))
            };
            self.tasks.iter().enumerate().filter_map(of_task)
        };
        let records = records.iter().enumerate().filter_map(|(place, record)| {
            Some(conformer_record(record.as_ref()?, &properties, attention(place)))
        });
        records.collect()
    }
}

/// The name of a column in an SD file: that of `optimil predict` where it has one, and none has a space of its own.
fn property(column: &Column) -> String {
    let of_task = |prefix: &str| column.key.strip_prefix(prefix).unwrap_or(&column.key).to_owned();
    match column.quantity {
        Quantity::Probability(_) => format!("pred_{}", of_task("p ")),
        Quantity::Spread(_) => format!("pred_std_{}", of_task("sd ")),
        _ => column.key.replacen(' ', "_", 1),
    }
}

#[cfg(test)]
mod tests {
    use shared_model::sd_file;

    use super::*;
    use crate::protocol::Models;

    #[test]
    fn each_conformer_has_the_columns_of_its_molecule_and_its_own_attention() {
        let record =
            |conformer: &str| format!("a\n\n\nM  END\n> <ID>\na\n\n> <conf_id>\n{conformer}\n\n$$$$\n");
        let found = [Some(record("0")), None, Some(record("2"))];
        let molecule = Molecule {
            id: "a".into(),
            smiles: None,
            split: Some("test".into()),
            labels: Some(vec![1, 0]),
            conformers: ["0", "1", "2"].map(String::from).to_vec(),
        };
        let column =
            |key: &str, quantity| Column { key: key.into(), title: key.into(), quantity, usual: true };
        let columns = [
            column("id", Quantity::Id),
            column("structure", Quantity::Structure),
            column("split", Quantity::Split),
            column("p red", Quantity::Probability(0)),
            column("sd red", Quantity::Spread(0)),
            column("known blue", Quantity::Known(1)),
        ];
        let numbers = Numbers::of(&[("p red", &[0.75]), ("sd red", &[f32::NAN]), ("known blue", &[0.0])]);
        let prediction = Prediction {
            probabilities: vec![0.75, 0.5],
            attention: vec![0.125, 0.25, 0.625, 0.5, 0.0, 0.5],
            models: Models::Single { logits: vec![1.1, 0.0] },
        };
        let table = SdfTable::new(&columns, ["red", "blue"].into_iter());
        let text = table.text(0, &molecule, &numbers, Some(&prediction), &found);
        let records: Vec<&str> = sd_file::records(&text).collect();
        assert_eq!(records.len(), 2, "one conformer has no coordinates");
        let last = |name| sd_file::property(records[1], name);
        assert_eq!(
            (last("conf_id"), last("split"), last("pred_red")),
            (Some("2"), Some("test"), Some("0.75"))
        );
        assert_eq!((last("attn_red"), last("attn_blue")), (Some("0.625"), Some("0.5")));
        assert_eq!((last("known_blue"), last("pred_std_red")), (Some("0"), None));
        assert_eq!(records[1].matches("<ID>").count(), 1);
        let unpredicted = table.text(0, &molecule, &Numbers::default(), None, &found);
        assert_eq!(sd_file::records(&unpredicted).count(), 2);
        assert!(!unpredicted.contains("attn_"));
    }
}
