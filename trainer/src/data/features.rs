//! Feature columns, and their values on the way into the final matrices.

use std::collections::HashMap;

use shared_model::{bags::Matrix, schema::TaskSchema};

use super::{
    error::{DataError, first_few},
    growing_matrix::GrowingMatrix,
    table::{Destination, Place, Receiver, Table, Tile, Wanted},
};

/// The feature columns of a table, sorted by name.
pub(super) struct Features {
    pub names: Vec<String>,
    pub columns: Vec<usize>,
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

/// Reads features into the columns of a matrix.
pub(super) struct FeatureReader<'a, D> {
    pub table: &'a Table,
    pub features: &'a Features,
    pub matrix: &'a mut GrowingMatrix,
    pub first_column: usize,
    /// See [`Receiver::row`].
    pub destination: D,
    /// The flaws of rows of which it is not known yet whether they are needed, each with the row of the matrix;
    /// without such a list, a flaw is an error at once.
    pub doubtful: Option<Vec<(usize, DataError)>>,
}

impl<D> Receiver for FeatureReader<'_, D>
where
    D: FnMut(Place, &[Option<&str>], Option<usize>) -> Result<Option<Destination>, DataError> + Send,
{
    fn row(
        &mut self,
        place: Place,
        cells: &[Option<&str>],
        chosen: Option<usize>,
    ) -> Result<Option<Destination>, DataError> {
        (self.destination)(place, cells, chosen)
    }

    fn numbers(&mut self, tile: &Tile<'_>) -> Result<(), DataError> {
        for flaw in &tile.flaws {
            let Some(Destination { row, .. }) = tile.destinations[flaw.row] else { continue };
            let content = flaw.content.clone();
            let error = content.error(self.table.path(), flaw.place, &self.features.names[flaw.column]);
            match &mut self.doubtful {
                Some(doubtful) => doubtful.push((row, error)),
                None => return Err(error),
            }
        }
        self.matrix.write(self.first_column, tile)
    }
}

/// Reads the features of the `kept` ones among the molecules `ids`, whose positions are in `index`: one row each.
pub(super) fn of_molecules(
    table: &Table,
    features: &Features,
    id: &str,
    index: &HashMap<String, usize>,
    kept: &[usize],
    ids: &[&str],
) -> Result<Matrix, DataError> {
    let mut row_of = vec![None; ids.len()];
    for (row, &molecule) in kept.iter().enumerate() {
        row_of[molecule] = Some(row);
    }
    let mut places: Vec<Option<Place>> = vec![None; ids.len()];
    let mut matrix = GrowingMatrix::new(features.names.len());
    let destination = |place: Place, cells: &[Option<&str>], molecule: Option<usize>| {
        key(table, place, cells[0], id)?;
        let Some(molecule) = molecule else { return Ok(None) };
        if let Some(first) = places[molecule].replace(place) {
            return Err(DataError::DuplicateId {
                path: table.path().into(),
                id: ids[molecule].into(),
                first,
                second: place,
            });
        }
        Ok(row_of[molecule].map(|row| Destination { row, rank: 1 }))
    };
    let texts = [table.require(id, "the identifier of the molecule")?];
    let choose = |cells: &[Option<&str>]| cells[0].and_then(|id| index.get(id)).copied();
    let wanted = Wanted { texts: &texts, numbers: &features.columns, choose: &choose };
    let (matrix_2d, doubtful) = (&mut matrix, None);
    let mut reader =
        FeatureReader { table, features, matrix: matrix_2d, first_column: 0, destination, doubtful };
    table.read(wanted, &mut reader)?;
    let missing: Vec<&str> =
        ids.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(&id, _)| id).collect();
    if !missing.is_empty() {
        return Err(DataError::MissingFrom2d {
            path: table.path().into(),
            count: missing.len(),
            examples: first_few(&missing),
        });
    }
    matrix.arranged(&(0..kept.len()).map(Some).collect::<Vec<_>>())
}

/// A key cell, which must hold something.
pub(super) fn key<'a>(
    table: &Table,
    place: Place,
    cell: Option<&'a str>,
    column: &str,
) -> Result<&'a str, DataError> {
    cell.ok_or_else(|| DataError::MissingKey { path: table.path().into(), place, column: column.into() })
}
