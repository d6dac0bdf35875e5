//! Which row of the 3D tables becomes which instance, decided from keys alone before any feature is read.

use std::collections::HashMap;

use shared_model::schema::Columns;

use super::{
    cell::is_missing,
    error::DataError,
    table::{Row, Table},
};

/// The rows of a table that go into one row of a matrix are averaged; `rank` counts them from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub row: usize,
    pub rank: u32,
}

/// Destination of each row of a table; `None` for a row that is not used.
pub(super) type Destinations = Vec<Option<Destination>>;

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

/// Joins the 3D tables on molecule and conformer for the molecules in `index`.
pub(super) fn join(
    index: &HashMap<String, usize>,
    columns: &Columns,
    geometry: &Table,
    quantum: Option<&Table>,
) -> Result<Layout, DataError> {
    // Conformers are numbered as the geometry table brings them up.
    let mut known: Vec<HashMap<Box<str>, usize>> = vec![HashMap::new(); index.len()];
    let mut molecule_of: Vec<usize> = Vec::new();
    let mut ranks: Vec<u32> = Vec::new();
    let keys = geometry_keys(geometry, columns)?;
    let mut geometry_rows: Destinations = Vec::new();
    geometry.text_rows(&keys, &mut |row, cells| {
        let (id, conformer) =
            (key(geometry, row, cells[0], &columns.id)?, key(geometry, row, cells[1], &columns.conformer)?);
        geometry_rows.push(index.get(id).map(|&molecule| {
            let number = match known[molecule].get(conformer) {
                Some(&number) => number,
                None => {
                    known[molecule].insert(conformer.into(), molecule_of.len());
                    molecule_of.push(molecule);
                    ranks.push(0);
                    molecule_of.len() - 1
                }
            };
            ranks[number] += 1;
            Destination { row: number, rank: ranks[number] }
        }));
        Ok(())
    })?;

    let quantum_rows = match quantum {
        Some(table) => {
            ranks.fill(0);
            Some(quantum_rows(table, columns, index, &known, &mut ranks)?)
        }
        None => None,
    };

    // Every conformer that is left has a rank; they move together by molecule.
    let mut counts = vec![0; index.len()];
    for (&molecule, _) in molecule_of.iter().zip(&ranks).filter(|&(_, &rank)| rank > 0) {
        counts[molecule] += 1;
    }
    let mut next: Vec<usize> = Vec::with_capacity(counts.len());
    let (mut kept, mut offsets) = (Vec::new(), vec![0]);
    let mut instances = 0;
    for (molecule, &count) in counts.iter().enumerate() {
        next.push(instances);
        if count > 0 {
            instances += count;
            kept.push(molecule);
            offsets.push(instances);
        }
    }
    let place = |(&molecule, &rank): (&usize, &u32)| {
        (rank > 0).then(|| {
            next[molecule] += 1;
            next[molecule] - 1
        })
    };
    let instance_of: Vec<Option<usize>> = molecule_of.iter().zip(&ranks).map(place).collect();
    let mut conformers = vec![String::new(); instances];
    for (conformer, number) in known.into_iter().flatten() {
        if let Some(instance) = instance_of[number] {
            conformers[instance] = conformer.into();
        }
    }
    let settle = |rows: &mut Destinations| {
        for slot in rows {
            *slot = slot.and_then(|old| Some(Destination { row: instance_of[old.row]?, ..old }));
        }
    };
    let (mut geometry_rows, mut quantum_rows) = (geometry_rows, quantum_rows);
    settle(&mut geometry_rows);
    quantum_rows.iter_mut().for_each(settle);
    Ok(Layout { kept, offsets, conformers, geometry: geometry_rows, quantum: quantum_rows })
}

fn geometry_keys(table: &Table, columns: &Columns) -> Result<Vec<usize>, DataError> {
    Ok(vec![
        table.require(&columns.id, "the identifier of the molecule")?,
        table.require(&columns.conformer, "the identifier of the conformer")?,
    ])
}

/// Destinations of the quantum rows that succeeded and whose conformer has a geometry.
fn quantum_rows(
    table: &Table,
    columns: &Columns,
    index: &HashMap<String, usize>,
    known: &[HashMap<Box<str>, usize>],
    ranks: &mut [u32],
) -> Result<Destinations, DataError> {
    let mut wanted = geometry_keys(table, columns)?;
    let mut optional = |name: &str| {
        table.find(name).map(|column| {
            wanted.push(column);
            wanted.len() - 1
        })
    };
    let (status, failure) = (optional(&columns.qm_status), optional(&columns.qm_error));
    let mut rows: Destinations = Vec::new();
    table.text_rows(&wanted, &mut |row, cells| {
        let (id, conformer) =
            (key(table, row, cells[0], &columns.id)?, key(table, row, cells[1], &columns.conformer)?);
        let succeeded = status.and_then(|status| cells[status]).is_none_or(is_success)
            && failure.and_then(|failure| cells[failure]).is_none_or(is_missing);
        let number = index.get(id).filter(|_| succeeded).and_then(|&molecule| known[molecule].get(conformer));
        rows.push(number.map(|&number| {
            ranks[number] += 1;
            Destination { row: number, rank: ranks[number] }
        }));
        Ok(())
    })?;
    Ok(rows)
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
