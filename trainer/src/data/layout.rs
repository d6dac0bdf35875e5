//! Which row of the 3D tables becomes which instance, decided from keys alone before any feature is read.

use std::collections::HashMap;

use shared_model::schema::Columns;

use super::{
    cell::is_missing,
    error::DataError,
    table::{Row, Scan, Table},
};

/// The rows of a table that go into one row of a matrix are averaged; `rank` counts them from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub row: usize,
    pub rank: u32,
}

/// How the rows of a table lie in its file, and the destination of each; `None` for a row that is not used.
pub(super) struct Destinations {
    pub scan: Scan,
    pub rows: Vec<Option<Destination>>,
}

/// Where the instances of each molecule stand, and where they come from.
pub(super) struct Layout {
    /// The molecules that have instances, as positions in the label table, in order.
    pub kept: Vec<usize>,
    /// First instance of each kept molecule, and the number of instances.
    pub offsets: Vec<usize>,
    /// Conformer of each instance.
    pub conformers: Vec<String>,
    pub geometry: Destinations,
    pub quantum: Option<Destinations>,
}

/// The conformers of the wanted molecules, numbered as the geometry table brings them up.
struct Conformers<'a> {
    /// Position of each wanted molecule.
    index: &'a HashMap<String, usize>,
    /// Numbers of the conformers of each molecule.
    numbers: Vec<HashMap<Box<str>, usize>>,
    /// Molecule of each conformer.
    molecules: Vec<usize>,
}

impl Conformers<'_> {
    fn number(&self, molecule: usize, conformer: &str) -> Option<usize> {
        self.numbers[molecule].get(conformer).copied()
    }

    fn number_or_new(&mut self, molecule: usize, conformer: &str) -> usize {
        self.number(molecule, conformer).unwrap_or_else(|| {
            let number = self.molecules.len();
            self.numbers[molecule].insert(conformer.into(), number);
            self.molecules.push(molecule);
            number
        })
    }
}

/// Joins the 3D tables on molecule and conformer for the molecules in `index`.
pub(super) fn join(
    index: &HashMap<String, usize>,
    columns: &Columns,
    geometry: &Table,
    quantum: Option<&Table>,
) -> Result<Layout, DataError> {
    let mut conformers =
        Conformers { index, numbers: vec![HashMap::new(); index.len()], molecules: Vec::new() };
    // Destinations are conformer numbers at first.
    let mut geometry = geometry_rows(geometry, columns, &mut conformers)?;
    let mut quantum = quantum.map(|table| quantum_rows(table, columns, &conformers)).transpose()?;

    let mut complete = vec![quantum.is_none(); conformers.molecules.len()];
    for destination in quantum.iter().flat_map(|quantum| &quantum.rows).flatten() {
        complete[destination.row] = true;
    }
    let mut counts = vec![0; index.len()];
    for (&molecule, _) in conformers.molecules.iter().zip(&complete).filter(|&(_, &complete)| complete) {
        counts[molecule] += 1;
    }
    let (mut kept, mut offsets, mut instances) = (Vec::new(), vec![0], 0);
    let mut next: Vec<usize> = Vec::with_capacity(counts.len());
    for (molecule, &count) in counts.iter().enumerate() {
        next.push(instances);
        instances += count;
        if count > 0 {
            kept.push(molecule);
            offsets.push(instances);
        }
    }

    let mut take_next = |molecule: usize| {
        next[molecule] += 1;
        next[molecule] - 1
    };
    let places = conformers.molecules.iter().zip(&complete);
    let instance_of: Vec<Option<usize>> =
        places.map(|(&molecule, &complete)| complete.then(|| take_next(molecule))).collect();
    for destinations in [Some(&mut geometry), quantum.as_mut()].into_iter().flatten() {
        for slot in &mut destinations.rows {
            *slot = slot.and_then(|old| Some(Destination { row: instance_of[old.row]?, ..old }));
        }
    }
    let mut names = vec![String::new(); instances];
    for (name, number) in conformers.numbers.into_iter().flatten() {
        if let Some(instance) = instance_of[number] {
            names[instance] = name.into();
        }
    }
    Ok(Layout { kept, offsets, conformers: names, geometry, quantum })
}

/// Destinations of the geometry rows of wanted molecules, whose conformers are numbered on the way.
fn geometry_rows(
    table: &Table,
    columns: &Columns,
    conformers: &mut Conformers<'_>,
) -> Result<Destinations, DataError> {
    let (mut rows, mut ranks) = (Vec::new(), Vec::new());
    let scan = table.text_rows(&key_columns(table, columns)?, &mut |row, cells| {
        let (id, conformer) = keys(table, columns, row, cells)?;
        rows.push(conformers.index.get(id).map(|&molecule| {
            let number = conformers.number_or_new(molecule, conformer);
            ranks.resize(conformers.molecules.len(), 0);
            next_destination(number, &mut ranks)
        }));
        Ok(())
    })?;
    Ok(Destinations { scan, rows })
}

/// Destinations of the quantum rows that succeeded and whose conformer has a geometry.
fn quantum_rows(
    table: &Table,
    columns: &Columns,
    conformers: &Conformers<'_>,
) -> Result<Destinations, DataError> {
    let mut wanted = key_columns(table, columns)?;
    let mut optional = |name: &str| {
        table.find(name).map(|column| {
            wanted.push(column);
            wanted.len() - 1
        })
    };
    let (status, failure) = (optional(&columns.qm_status), optional(&columns.qm_error));
    let (mut rows, mut ranks) = (Vec::new(), vec![0; conformers.molecules.len()]);
    let scan = table.text_rows(&wanted, &mut |row, cells| {
        let (id, conformer) = keys(table, columns, row, cells)?;
        let succeeded = status.and_then(|status| cells[status]).is_none_or(is_success)
            && failure.and_then(|failure| cells[failure]).is_none_or(is_missing);
        let molecule = conformers.index.get(id).filter(|_| succeeded);
        let number = molecule.and_then(|&molecule| conformers.number(molecule, conformer));
        rows.push(number.map(|number| next_destination(number, &mut ranks)));
        Ok(())
    })?;
    Ok(Destinations { scan, rows })
}

fn next_destination(number: usize, ranks: &mut [u32]) -> Destination {
    ranks[number] += 1;
    Destination { row: number, rank: ranks[number] }
}

/// The columns of molecule and conformer.
fn key_columns(table: &Table, columns: &Columns) -> Result<Vec<usize>, DataError> {
    Ok(vec![
        table.require(&columns.id, "the identifier of the molecule")?,
        table.require(&columns.conformer, "the identifier of the conformer")?,
    ])
}

/// Molecule and conformer of a row, whose cells begin with the key columns.
fn keys<'a>(
    table: &Table,
    columns: &Columns,
    row: Row,
    cells: &[Option<&'a str>],
) -> Result<(&'a str, &'a str), DataError> {
    Ok((key(table, row, cells[0], &columns.id)?, key(table, row, cells[1], &columns.conformer)?))
}

/// Whether a quantum calculation succeeded. Table writers turn whole numbers beside missing ones into floats.
fn is_success(status: &str) -> bool {
    const WORDS: [&str; 7] = ["ok", "success", "true", "0", "1", "0.0", "1.0"];
    is_missing(status) || WORDS.iter().any(|word| status.trim().eq_ignore_ascii_case(word))
}

/// A key cell, which must hold something.
pub(super) fn key<'a>(
    table: &Table,
    row: Row,
    cell: Option<&'a str>,
    column: &str,
) -> Result<&'a str, DataError> {
    cell.ok_or_else(|| DataError::MissingKey {
        path: table.path().into(),
        place: row.place,
        column: column.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_success_in_any_case_or_when_missing() {
        for status in ["ok", "OK", "Success", "0", "1", "true", "TRUE", "1.0", "nan", " ok "] {
            assert!(is_success(status), "{status:?}");
        }
        for status in ["failed", "2", "false", "okay", "error"] {
            assert!(!is_success(status), "{status:?}");
        }
    }
}
