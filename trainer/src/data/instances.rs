//! The instances of the molecules: the 3D tables, joined on molecule and conformer while they are read.
//!
//! Conformers are numbered as the geometry table brings them up, and their features written into the row of that
//! number. When all tables are read, it is known which of them are complete, and the rows are put in order.

use std::collections::HashMap;

use shared_model::{bags::Matrix, schema::Columns};

use super::{
    cell::is_missing,
    conformers::Conformers,
    error::DataError,
    features::{FeatureReader, Features, key},
    growing_matrix::GrowingMatrix,
    table::{Destination, Place, Table, Wanted},
};

/// The instances, bag after bag.
pub(super) struct Instances {
    /// The molecules that have instances, as positions in the label table, in order.
    pub kept: Vec<usize>,
    /// First instance of each kept molecule, and the number of instances.
    pub offsets: Vec<usize>,
    /// Conformer of each instance.
    pub conformers: Vec<String>,
    /// Features of each instance: of the geometry, then of the quantum table.
    pub features: Matrix,
}

/// A 3D table and its features.
pub(super) type Source<'a> = (&'a Table, &'a Features);

/// Reads the instances of the molecules whose positions are in `index`.
pub(super) fn read(
    index: &HashMap<String, usize>,
    columns: &Columns,
    geometry: Source<'_>,
    quantum: Option<Source<'_>>,
) -> Result<Instances, DataError> {
    let width = |(_, features): Source<'_>| features.names.len();
    let mut matrix = GrowingMatrix::new(width(geometry) + quantum.map_or(0, width));
    let mut conformers = Conformers::of(index.len());
    let doubtful = read_geometry(index, columns, geometry, quantum.is_none(), &mut conformers, &mut matrix)?;
    let complete = match quantum {
        Some(quantum) => {
            Some(read_quantum(index, columns, quantum, width(geometry), &conformers, &mut matrix)?)
        }
        None => None,
    };
    let is_complete = |number: usize| complete.as_ref().is_none_or(|complete| complete[number]);
    if let Some((_, error)) = doubtful.into_iter().find(|&(number, _)| is_complete(number)) {
        return Err(error);
    }

    let mut counts = vec![0; index.len()];
    for number in (0..conformers.len()).filter(|&number| is_complete(number)) {
        counts[conformers.molecule(number)] += 1;
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
    let mut instance_of = vec![None; conformers.len()];
    let mut names = vec![String::new(); instances];
    for (number, (molecule, name)) in conformers.into_iter().enumerate() {
        if is_complete(number) {
            let instance = next[molecule];
            next[molecule] += 1;
            instance_of[number] = Some(instance);
            names[instance] = name.into();
        }
    }
    Ok(Instances { kept, offsets, conformers: names, features: matrix.arranged(&instance_of)? })
}

/// Reads the geometry rows of wanted molecules, whose conformers are numbered on the way. Returns the flaws of
/// rows, by number, of which it is not known yet whether they are needed, unless `all_needed`.
fn read_geometry(
    index: &HashMap<String, usize>,
    columns: &Columns,
    (table, features): Source<'_>,
    all_needed: bool,
    conformers: &mut Conformers,
    matrix: &mut GrowingMatrix,
) -> Result<Vec<(usize, DataError)>, DataError> {
    let mut ranks = Vec::new();
    let destination = |place: Place, cells: &[Option<&str>], molecule: Option<usize>| {
        let conformer = conformer_of(table, columns, place, cells)?;
        Ok(molecule.map(|molecule| {
            let number = conformers.number_or_new(molecule, conformer);
            ranks.resize(conformers.len(), 0);
            next_destination(number, &mut ranks)
        }))
    };
    let texts = key_columns(table, columns)?;
    let choose = |cells: &[Option<&str>]| cells[0].and_then(|id| index.get(id)).copied();
    let wanted = Wanted { texts: &texts, numbers: &features.columns, choose: &choose };
    let doubtful = (!all_needed).then(Vec::new);
    let mut reader = FeatureReader { table, features, matrix, first_column: 0, destination, doubtful };
    table.read(wanted, &mut reader)?;
    Ok(reader.doubtful.unwrap_or_default())
}

/// Reads the quantum rows that succeeded and whose conformer has a geometry; says which conformers have one.
fn read_quantum(
    index: &HashMap<String, usize>,
    columns: &Columns,
    (table, features): Source<'_>,
    first_column: usize,
    conformers: &Conformers,
    matrix: &mut GrowingMatrix,
) -> Result<Vec<bool>, DataError> {
    let mut texts = key_columns(table, columns)?;
    let mut optional = |name: &str| {
        table.find(name).map(|column| {
            texts.push(column);
            texts.len() - 1
        })
    };
    let (status, failure) = (optional(&columns.qm_status), optional(&columns.qm_error));
    let choose = |cells: &[Option<&str>]| {
        let succeeded = status.and_then(|status| cells[status]).is_none_or(is_success)
            && failure.and_then(|failure| cells[failure]).is_none_or(is_missing);
        let &molecule = index.get(cells[0]?).filter(|_| succeeded)?;
        conformers.number(molecule, cells[1]?)
    };
    let mut ranks = vec![0; conformers.len()];
    let destination = |place: Place, cells: &[Option<&str>], number: Option<usize>| {
        conformer_of(table, columns, place, cells)?;
        Ok(number.map(|number| next_destination(number, &mut ranks)))
    };
    let wanted = Wanted { texts: &texts, numbers: &features.columns, choose: &choose };
    let mut reader = FeatureReader { table, features, matrix, first_column, destination, doubtful: None };
    table.read(wanted, &mut reader)?;
    Ok(ranks.into_iter().map(|rows| rows > 0).collect())
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

/// The conformer of a row, whose cells begin with the key columns; its molecule must be named too.
fn conformer_of<'a>(
    table: &Table,
    columns: &Columns,
    place: Place,
    cells: &[Option<&'a str>],
) -> Result<&'a str, DataError> {
    key(table, place, cells[0], &columns.id)?;
    key(table, place, cells[1], &columns.conformer)
}

/// Whether a quantum calculation succeeded. Table writers turn whole numbers beside missing ones into floats.
fn is_success(status: &str) -> bool {
    const WORDS: [&str; 7] = ["ok", "success", "true", "0", "1", "0.0", "1.0"];
    is_missing(status) || WORDS.iter().any(|word| status.trim().eq_ignore_ascii_case(word))
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
