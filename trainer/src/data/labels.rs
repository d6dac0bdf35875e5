//! The label table: which molecules there are, and everything known about them.

use std::collections::HashMap;

use shared_model::schema::{AuxiliaryOutput, TaskSchema};

use super::{
    Labels, Splits,
    cell::{Cell, Unusable, is_missing},
    error::{DataError, first_few, shortened},
    table::{Place, Table},
};

/// The molecules of the wanted splits, in the order of the table.
pub(super) struct LabelTable {
    pub molecules: Vec<Molecule>,
    /// Position of each molecule by its identifier.
    pub index: HashMap<String, usize>,
    /// Columns that the schema names and the table lacks.
    pub absent_columns: Vec<String>,
}

/// Target of an auxiliary output, if there is one, and its weight.
pub(super) type Target = (Option<f32>, f32);

/// One row of the label table.
pub(super) struct Molecule {
    pub id: String,
    pub smiles: Option<String>,
    pub split: Option<String>,
    pub fold: Option<u32>,
    /// Label and weight of each task.
    pub tasks: Vec<(bool, f32)>,
    /// Outputs of the absorbance group.
    pub absorbance: Vec<Target>,
    /// Outputs of the fluorescence group.
    pub fluorescence: Vec<Target>,
}

/// Positions of an output's value and weight among the cells that are read, where the table has them.
#[derive(Clone, Copy)]
struct Output {
    value: Option<usize>,
    weight: Option<usize>,
}

/// Reads the molecules of the wanted splits. Identifiers must be unique over all splits.
pub(super) fn read(
    table: &Table,
    schema: &TaskSchema,
    splits: &Splits,
    labels: Labels,
) -> Result<LabelTable, DataError> {
    let names = &schema.columns;
    let mut wanted = Wanted { table, columns: Vec::new(), absent: Vec::new() };
    let id = wanted.require(&names.id, "the identifier of the molecule")?;
    let split = match splits {
        Splits::Named(_) => Some(wanted.require(&names.split, "the split of the molecule")?),
        Splits::All => wanted.find(&names.split),
    };
    let fold = wanted.find(&names.fold);
    let smiles = wanted.find(&names.smiles);
    let mut tasks = Vec::with_capacity(schema.tasks.len());
    for task in &schema.tasks {
        let value = match labels {
            Labels::Required => Some(wanted.require(&task.name, "the label of a task")?),
            Labels::Optional => wanted.find_or_note(&task.name),
        };
        let weight = task.weight.as_deref().and_then(|weight| wanted.find_or_note(weight));
        tasks.push(Output { value, weight });
    }
    let absorbance = wanted.auxiliary(&schema.absorbance);
    let fluorescence = wanted.auxiliary(&schema.fluorescence);
    let Wanted { columns, absent: absent_columns, .. } = wanted;

    let mut molecules = Vec::new();
    // Where each row is, and which molecule, if that is wanted.
    let mut rows: Vec<(Place, Option<usize>)> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut known_splits: Vec<String> = Vec::new();
    table.text_rows(&columns, |place, cells| {
        let at = Cells { table, columns: &columns, place, cells };
        let id = at.key(id)?;
        if let Some(first) = index.insert(id.into(), rows.len()) {
            return Err(DataError::DuplicateId {
                path: table.path().into(),
                id: id.into(),
                first: rows[first].0,
                second: place,
            });
        }
        let split = split.and_then(|split| cells[split]).map(str::to_owned);
        if let Some(split) = split.as_ref().filter(|split| !known_splits.contains(split)) {
            known_splits.push(split.clone());
        }
        let is_wanted = splits.contain(split.as_deref());
        rows.push((place, is_wanted.then_some(molecules.len())));
        if !is_wanted {
            return Ok(());
        }
        let auxiliary = |outputs: &[Output]| -> Result<Vec<Target>, DataError> {
            outputs.iter().map(|&output| Ok((at.finite(output.value)?, at.weight(output.weight)?))).collect()
        };
        molecules.push(Molecule {
            id: id.to_owned(),
            smiles: smiles.and_then(|smiles| cells[smiles]).map(str::to_owned),
            split,
            fold: at.fold(fold)?,
            tasks: tasks
                .iter()
                .map(|&task| {
                    Ok((at.finite(task.value)?.is_some_and(|label| label > 0.0), at.weight(task.weight)?))
                })
                .collect::<Result<_, DataError>>()?,
            absorbance: auxiliary(&absorbance)?,
            fluorescence: auxiliary(&fluorescence)?,
        });
        Ok(())
    })?;
    if let Splits::Named(splits) = splits {
        known_splits.sort();
        if let Some(unknown) = splits.iter().find(|split| !known_splits.contains(split)) {
            return Err(DataError::UnknownSplit { split: unknown.clone(), known: first_few(&known_splits) });
        }
    }
    index.retain(|_, at| match rows[*at].1 {
        Some(molecule) => {
            *at = molecule;
            true
        }
        None => false,
    });
    Ok(LabelTable { molecules, index, absent_columns })
}

/// The columns to read; their positions in this list are those of the cells of a row.
struct Wanted<'a> {
    table: &'a Table,
    columns: Vec<usize>,
    absent: Vec<String>,
}

impl Wanted<'_> {
    fn position(&mut self, column: usize) -> usize {
        self.columns.push(column);
        self.columns.len() - 1
    }

    fn require(&mut self, name: &str, role: &'static str) -> Result<usize, DataError> {
        self.table.require(name, role).map(|column| self.position(column))
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        self.table.find(name).map(|column| self.position(column))
    }

    fn find_or_note(&mut self, name: &str) -> Option<usize> {
        let found = self.find(name);
        if found.is_none() && !self.absent.iter().any(|absent| absent == name) {
            self.absent.push(name.to_owned());
        }
        found
    }

    fn auxiliary(&mut self, outputs: &[AuxiliaryOutput]) -> Vec<Output> {
        let output = |output: &AuxiliaryOutput| Output {
            value: self.find_or_note(&output.column),
            weight: output.weight.as_deref().and_then(|weight| self.find_or_note(weight)),
        };
        outputs.iter().map(output).collect()
    }
}

/// The cells of one row, and all that an error needs to name one.
struct Cells<'a> {
    table: &'a Table,
    columns: &'a [usize],
    place: Place,
    cells: &'a [Option<&'a str>],
}

impl<'a> Cells<'a> {
    fn column(&self, position: usize) -> String {
        self.table.columns()[self.columns[position]].clone()
    }

    fn key(&self, position: usize) -> Result<&'a str, DataError> {
        self.cells[position].ok_or_else(|| DataError::MissingKey {
            path: self.table.path().into(),
            place: self.place,
            column: self.column(position),
        })
    }

    /// A number, if the column exists and the cell is not missing.
    fn finite(&self, position: Option<usize>) -> Result<Option<f32>, DataError> {
        let Some((position, text)) = position.and_then(|position| Some((position, self.cells[position]?)))
        else {
            return Ok(None);
        };
        match Cell::from_text(text).finite() {
            Ok(number) => Ok(Some(number as f32)),
            Err(Unusable::Missing) => Ok(None),
            Err(content) => Err(content.error(self.table.path(), self.place, &self.column(position))),
        }
    }

    fn weight(&self, position: Option<usize>) -> Result<f32, DataError> {
        Ok(self.finite(position)?.map_or(1.0, |weight| weight.max(0.0)))
    }

    /// A fold number, also one that a table writer has made a float of.
    fn fold(&self, position: Option<usize>) -> Result<Option<u32>, DataError> {
        let Some((position, text)) = position.and_then(|position| Some((position, self.cells[position]?)))
        else {
            return Ok(None);
        };
        if is_missing(text) {
            return Ok(None);
        }
        match text.trim().parse::<f64>() {
            Ok(fold) if fold.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&fold) => {
                Ok(Some(fold as u32))
            }
            _ => Err(DataError::BadFold {
                path: self.table.path().into(),
                place: self.place,
                column: self.column(position),
                value: shortened(text),
            }),
        }
    }
}
