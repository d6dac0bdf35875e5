//! Molecules as bags, with their labels, targets and weights.

use shared_model::{
    bags::{Bags, Matrix},
    schema::TaskSchema,
};

use super::{
    digest::KnownDigest,
    error::{DataError, first_few},
    labels::{LabelTable, Molecule, Target},
};

/// M molecules that each have an instance, in the order of the label table; made by [`load`](super::load).
///
/// All arrays have one entry or row a molecule, and every number is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    pub(super) schema: TaskSchema,
    pub(super) ids: Vec<String>,
    pub(super) smiles: Vec<Option<String>>,
    pub(super) splits: Vec<Option<String>>,
    pub(super) folds: Vec<Option<u32>>,
    pub(super) bags: Bags,
    pub(super) conformers: Vec<String>,
    pub(super) names_2d: Vec<String>,
    pub(super) names_3d: Vec<String>,
    pub(super) labels: Vec<bool>,
    pub(super) weights: Matrix,
    pub(super) absorbance: Targets,
    pub(super) fluorescence: Targets,
    pub(super) report: Report,
    pub(super) digest: KnownDigest,
}

/// Auxiliary regression targets [M, outputs]; a masked one is stored as 0, so that no NaN reaches a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    pub(super) values: Matrix,
    pub(super) mask: Vec<bool>,
    pub(super) weights: Matrix,
}

impl Targets {
    fn of(rows: &[&[Target]], outputs: usize) -> Self {
        let cells = || rows.iter().copied().flatten();
        Self {
            values: matrix(rows.len(), outputs, cells().map(|(value, _)| value.unwrap_or(0.0))),
            mask: cells().map(|(value, _)| value.is_some()).collect(),
            weights: matrix(rows.len(), outputs, cells().map(|&(_, weight)| weight)),
        }
    }

    /// The targets [M, outputs] in their own units, not standardised.
    pub fn values(&self) -> &Matrix {
        &self.values
    }

    /// Which targets exist [M, outputs], molecule by molecule.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// The target of one molecule and output, if it exists.
    pub fn get(&self, molecule: usize, output: usize) -> Option<f32> {
        let exists = self.mask[molecule * self.outputs()..][..self.outputs()][output];
        exists.then(|| self.values.row(molecule)[output])
    }

    /// Sample weights [M, outputs], at least 0; given for masked targets as well.
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.values.columns()
    }
}

/// What was left out or filled in on loading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Molecules without an instance, which are not in the dataset.
    pub dropped: Vec<String>,
    /// Columns that the schema names and the label table lacks.
    pub absent_columns: Vec<String>,
}

impl Report {
    /// What a person should know about the molecules that are missing, if any are.
    pub fn dropped_notice(&self) -> Option<String> {
        let (count, examples) = (self.dropped.len(), first_few(&self.dropped));
        (count > 0).then(|| {
            format!("left out for want of a usable conformer: {count} of the molecules ({examples})")
        })
    }

    /// What a person who trains should know about the columns that are missing, if any are.
    pub fn absent_columns_notice(&self) -> Option<String> {
        (!self.absent_columns.is_empty()).then(|| {
            let columns = first_few(&self.absent_columns);
            format!(
                "not in the label table, so without effect (labels and targets unknown, weights 1): {columns}"
            )
        })
    }
}

impl Dataset {
    pub(super) fn assemble(
        schema: TaskSchema,
        table: LabelTable,
        kept: &[usize],
        bags: Bags,
        conformers: Vec<String>,
        names_2d: Vec<String>,
        names_3d: Vec<String>,
    ) -> Self {
        let (mut molecules, mut dropped) = (Vec::with_capacity(kept.len()), Vec::new());
        let mut next = kept.iter().peekable();
        for (position, molecule) in table.molecules.into_iter().enumerate() {
            if next.next_if_eq(&&position).is_some() {
                molecules.push(molecule);
            } else {
                dropped.push(molecule.id);
            }
        }
        let tasks = || molecules.iter().flat_map(|molecule| &molecule.tasks);
        let targets = |part: fn(&Molecule) -> &[Target], outputs| {
            Targets::of(&molecules.iter().map(part).collect::<Vec<_>>(), outputs)
        };
        Self {
            labels: tasks().map(|&(label, _)| label).collect(),
            weights: matrix(molecules.len(), schema.task_count(), tasks().map(|&(_, weight)| weight)),
            absorbance: targets(|molecule| &molecule.absorbance, schema.absorbance.len()),
            fluorescence: targets(|molecule| &molecule.fluorescence, schema.fluorescence.len()),
            smiles: molecules.iter_mut().map(|molecule| molecule.smiles.take()).collect(),
            splits: molecules.iter_mut().map(|molecule| molecule.split.take()).collect(),
            folds: molecules.iter().map(|molecule| molecule.fold).collect(),
            ids: molecules.into_iter().map(|molecule| molecule.id).collect(),
            report: Report { dropped, absent_columns: table.absent_columns },
            schema,
            bags,
            conformers,
            names_2d,
            names_3d,
            digest: KnownDigest::default(),
        }
    }

    /// The same molecules with other instances, one bag a molecule.
    pub(super) fn with_instances(&self, bags: Bags, conformers: Vec<String>) -> Self {
        Self {
            schema: self.schema.clone(),
            ids: self.ids.clone(),
            smiles: self.smiles.clone(),
            splits: self.splits.clone(),
            folds: self.folds.clone(),
            bags,
            conformers,
            names_2d: self.names_2d.clone(),
            names_3d: self.names_3d.clone(),
            labels: self.labels.clone(),
            weights: self.weights.clone(),
            absorbance: self.absorbance.clone(),
            fluorescence: self.fluorescence.clone(),
            report: self.report.clone(),
            digest: KnownDigest::default(),
        }
    }

    /// Number of molecules, M.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no molecule; never true of a loaded dataset.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The tasks and columns the tables were read by.
    pub fn schema(&self) -> &TaskSchema {
        &self.schema
    }

    /// Identifiers.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// SMILES, where the label table has them.
    pub fn smiles(&self) -> &[Option<String>] {
        &self.smiles
    }

    /// Split names, where the label table has them.
    pub fn splits(&self) -> &[Option<String>] {
        &self.splits
    }

    /// Fold numbers, where the label table has them.
    pub fn folds(&self) -> &[Option<u32>] {
        &self.folds
    }

    /// The features as bags.
    pub fn bags(&self) -> &Bags {
        &self.bags
    }

    /// Conformer identifier of each instance row.
    pub fn conformers(&self) -> &[String] {
        &self.conformers
    }

    /// Names of the 2D features `[F2]`, in the order of their columns: sorted.
    pub fn names_2d(&self) -> &[String] {
        &self.names_2d
    }

    /// Names of the 3D features `[F3]`, in the order of their columns: geometry sorted, then quantum sorted.
    pub fn names_3d(&self) -> &[String] {
        &self.names_3d
    }

    /// Labels [M, T], molecule by molecule.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Labels `[T]` of one molecule.
    pub fn labels_of(&self, molecule: usize) -> &[bool] {
        let tasks = self.schema.task_count();
        &self.labels[molecule * tasks..][..tasks]
    }

    /// Sample weights of the classification tasks [M, T], at least 0.
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// Targets of the absorbance group.
    pub fn absorbance(&self) -> &Targets {
        &self.absorbance
    }

    /// Targets of the fluorescence group.
    pub fn fluorescence(&self) -> &Targets {
        &self.fluorescence
    }

    /// What was left out or filled in.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Checks that the features are exactly a model's, in its order.
    ///
    /// # Errors
    /// [`DataError::OtherFeatures`] with the first missing and additional names.
    pub fn check_features(&self, expected_2d: &[String], expected_3d: &[String]) -> Result<(), DataError> {
        check_names("2D", expected_2d, &self.names_2d)?;
        check_names("3D", expected_3d, &self.names_3d)
    }
}

fn check_names(input: &'static str, expected: &[String], found: &[String]) -> Result<(), DataError> {
    if expected == found {
        return Ok(());
    }
    let without = |names: &[String], others: &[String]| -> Vec<String> {
        let others: std::collections::HashSet<&String> = others.iter().collect();
        names.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    let (missing, additional) = (without(expected, found), without(found, expected));
    let mut difference = String::new();
    if !missing.is_empty() {
        difference += &format!("; missing: {}", first_few(&missing));
    }
    if !additional.is_empty() {
        difference += &format!("; additional: {}", first_few(&additional));
    }
    if difference.is_empty() {
        difference += "; the names agree, but not their order or number";
    }
    Err(DataError::OtherFeatures { input, expected: expected.len(), found: found.len(), difference })
}

/// A matrix from as many values as it has cells.
fn matrix(rows: usize, columns: usize, values: impl Iterator<Item = f32>) -> Matrix {
    Matrix::new(rows, columns, values.collect()).expect("every row of the label table has all outputs")
}
