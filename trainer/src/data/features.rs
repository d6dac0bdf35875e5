//! Feature columns, and their values on the way into the final matrices.

use std::{collections::HashMap, path::Path};

use shared_model::{bags::Matrix, schema::TaskSchema};

use super::{
    cell::Cell,
    error::{DataError, first_few, shortened},
    layout::{Destination, Destinations, key},
    table::{Place, Row, Table},
};

/// The feature columns of a table, sorted by name.
pub(super) struct Features {
    pub names: Vec<String>,
    columns: Vec<usize>,
}

impl Features {
    /// All columns but the keys and the ignored ones. What the label table holds must not be among them.
    pub fn of(
        table: &Table,
        schema: &TaskSchema,
        keys: &[&str],
        ignored: &[String],
    ) -> Result<Self, DataError> {
        let is_feature = |name: &str| !keys.contains(&name) && !ignored.iter().any(|ignored| ignored == name);
        let mut columns: Vec<usize> = (0..table.columns().len()).collect();
        columns.retain(|&column| is_feature(&table.columns()[column]));
        columns.sort_by_key(|&column| &table.columns()[column]);
        let names: Vec<String> = columns.iter().map(|&column| table.columns()[column].clone()).collect();
        if names.is_empty() {
            return Err(DataError::NoFeatures { path: table.path().into() });
        }
        if let Some(column) = names.iter().find(|name| is_label(schema, name)) {
            return Err(DataError::LabelAmongFeatures { path: table.path().into(), column: column.clone() });
        }
        Ok(Self { names, columns })
    }
}

/// Whether the label table uses a column of that name for something a model must not see.
fn is_label(schema: &TaskSchema, name: &str) -> bool {
    let auxiliary = schema.absorbance.iter().chain(&schema.fluorescence);
    let values =
        schema.tasks.iter().map(|task| &task.name).chain(auxiliary.clone().map(|output| &output.column));
    let weights = schema.tasks.iter().map(|task| &task.weight).chain(auxiliary.map(|output| &output.weight));
    values
        .chain(weights.flatten())
        .chain([&schema.columns.fold, &schema.columns.split])
        .any(|label| label == name)
}

/// Destinations of the rows of the 2D table: one row for each molecule, rows of `kept` ones are used.
pub(super) fn molecule_rows(
    table: &Table,
    id: &str,
    index: &HashMap<String, usize>,
    kept: &[usize],
    ids: &[&str],
) -> Result<Destinations, DataError> {
    let mut row_of = vec![None; ids.len()];
    for (row, &molecule) in kept.iter().enumerate() {
        row_of[molecule] = Some(Destination { row, rank: 1 });
    }
    let mut places: Vec<Option<Place>> = vec![None; ids.len()];
    let mut destinations = Vec::new();
    let column = table.require(id, "the identifier of the molecule")?;
    let scan = table.text_rows(&[column], &mut |row, cells| {
        let molecule = index.get(key(table, row, cells[0], id)?);
        if let Some(&molecule) = molecule
            && let Some(first) = places[molecule].replace(row.place)
        {
            return Err(DataError::DuplicateId {
                path: table.path().into(),
                id: ids[molecule].into(),
                first,
                second: row.place,
            });
        }
        destinations.push(molecule.and_then(|&molecule| row_of[molecule]));
        Ok(())
    })?;
    let missing: Vec<&str> =
        ids.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(&id, _)| id).collect();
    if !missing.is_empty() {
        return Err(DataError::MissingFrom2d {
            path: table.path().into(),
            count: missing.len(),
            examples: first_few(&missing),
        });
    }
    Ok(Destinations { scan, rows: destinations })
}

/// Writes the features of a table into the columns of the matrix from `first_column` on.
///
/// Rows that share a destination are averaged in place: the mean of k values is that of the first k − 1 plus
/// 1/k of the difference, which needs no second copy.
pub(super) fn fill(
    matrix: &mut Matrix,
    first_column: usize,
    table: &Table,
    features: &Features,
    destinations: &Destinations,
) -> Result<(), DataError> {
    let Destinations { scan, rows } = destinations;
    let wanted = |row: usize| matches!(rows.get(row), Some(Some(_)));
    let number =
        |row, feature: usize, cell: Cell<'_>| finite(cell, table.path(), row, &features.names[feature]);
    table.numbers(&features.columns, scan, &wanted, &number, &mut |tile| {
        let width = tile.columns.len();
        for (index, &row) in tile.rows.iter().enumerate() {
            let Some(Destination { row: target, rank }) = rows[row] else { continue };
            let values = &tile.values[index * width..][..width];
            let slots = &mut matrix.row_mut(target)[first_column..][tile.columns.clone()];
            for (slot, &value) in slots.iter_mut().zip(values) {
                let mean = if rank == 1 { value } else { f64::from(*slot) };
                *slot = (mean + (value - mean) / f64::from(rank)) as f32;
            }
        }
    })
}

/// A feature, which must be finite as float32.
fn finite(cell: Cell<'_>, path: &Path, row: Row, column: &str) -> Result<f64, DataError> {
    let (path, place, column) = (|| path.to_owned(), row.place, || column.to_owned());
    match cell {
        Cell::Number(value) if (value as f32).is_finite() => Ok(value),
        Cell::Number(value) => Err(DataError::NotFinite { path: path(), place, column: column(), value }),
        Cell::Missing => Err(DataError::MissingFeature { path: path(), place, column: column() }),
        Cell::Text(text) => {
            Err(DataError::NotANumber { path: path(), place, column: column(), value: shortened(text) })
        }
    }
}
