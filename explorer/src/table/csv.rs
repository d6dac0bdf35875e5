//! The table as CSV (RFC 4180).

use shared_model::bundle::Molecule;

use super::{Column, Numbers, Quantity};

/// The rows in the order given: ID and SMILES, then the other columns. An empty field is a number that is not known. A
/// picture has no field: the SMILES says the same.
pub fn csv(columns: &[&Column], numbers: &Numbers, molecules: &[Molecule], rows: &[u32]) -> String {
    let smiles = molecules.iter().any(|molecule| molecule.smiles.is_some());
    let mut text = String::new();
    let columns: Vec<&&Column> =
        columns.iter().filter(|column| column.quantity != Quantity::Structure).collect();
    let heading = columns.iter().flat_map(|column| {
        let also = smiles && column.quantity == Quantity::Id;
        [Some(column.key.as_str()), also.then_some("smiles")].into_iter().flatten()
    });
    record(&mut text, heading.map(str::to_owned));
    let numbers: Vec<&[f32]> =
        columns.iter().map(|column| numbers.column(&column.key).unwrap_or_default()).collect();
    for &row in rows {
        let molecule = &molecules[row as usize];
        let fields = columns.iter().zip(&numbers).flat_map(|(column, numbers)| {
            let field = match column.quantity {
                Quantity::Id => molecule.id.clone(),
                Quantity::Split => molecule.split.clone().unwrap_or_default(),
                _ => numbers
                    .get(row as usize)
                    .filter(|number| !number.is_nan())
                    .map(f32::to_string)
                    .unwrap_or_default(),
            };
            let also = smiles && column.quantity == Quantity::Id;
            [Some(field), also.then(|| molecule.smiles.clone().unwrap_or_default())].into_iter().flatten()
        });
        record(&mut text, fields);
    }
    text
}

fn record(text: &mut String, fields: impl Iterator<Item = String>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\r', '\n']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_quoted_and_unknown_numbers_are_empty() {
        let molecule = |id: &str, smiles: Option<&str>| Molecule {
            id: id.into(),
            smiles: smiles.map(str::to_owned),
            split: None,
            labels: None,
            conformers: vec!["1".into()],
        };
        let molecules = [molecule("a,\"b\"\n", Some("CC")), molecule("c", None)];
        let column =
            |key: &str, quantity| Column { key: key.into(), title: key.into(), quantity, usual: true };
        let (id, task) = (column("id", Quantity::Id), column("p, task", Quantity::Probability(0)));
        let picture = column("structure", Quantity::Structure);
        let numbers = Numbers::of(&[("p, task", &[0.25, f32::NAN])]);
        let text = csv(&[&id, &picture, &task], &numbers, &molecules, &[1, 0]);
        assert_eq!(text, "id,smiles,\"p, task\"\r\nc,,\r\n\"a,\"\"b\"\"\n\",CC,0.25\r\n");
    }
}
