//! What columns the table of a bundle has.

use std::collections::BTreeMap;

use shared_model::bundle::{Manifest, Molecule};

/// What a column says of a molecule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Its ID.
    Id,
    /// Its skeletal formula.
    Structure,
    /// Its split in the label table.
    Split,
    /// How many conformers it has.
    Conformers,
    /// Over how many of them its attention is spread: the mean over the tasks.
    Effective,
    /// Probability of a task.
    Probability(usize),
    /// Standard deviation of that probability over the members of an ensemble.
    Spread(usize),
    /// Whether it is a known positive (1) or negative (0) of a task.
    Known(usize),
    /// Over how many conformers a task spreads its attention.
    EffectiveOf(usize),
}

impl Quantity {
    /// Whether its values are words or pictures rather than numbers.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Id | Self::Structure | Self::Split)
    }

    /// Whether it is not known before the model has run.
    pub fn is_predicted(self) -> bool {
        !matches!(self, Self::Id | Self::Structure | Self::Split | Self::Conformers | Self::Known(_))
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name in links and files.
    pub key: String,
    /// Its heading.
    pub title: String,
    /// What it says.
    pub quantity: Quantity,
    /// Whether it is shown if nobody asks.
    pub usual: bool,
}

impl Column {
    /// Whether it is shown, where `chosen` says what somebody asked for.
    pub fn is_shown(&self, chosen: &BTreeMap<String, bool>) -> bool {
        self.quantity == Quantity::Id || chosen.get(&self.key).copied().unwrap_or(self.usual)
    }
}

/// The columns of a bundle, in their order. Those that would be empty are left out. Structures are shown if nobody asks
/// where the window is `wide`.
pub fn columns(manifest: &Manifest, molecules: &[Molecule], wide: bool) -> Vec<Column> {
    let column = |key: &str, title: &str, quantity, usual| Column {
        key: key.to_owned(),
        title: title.to_owned(),
        quantity,
        usual,
    };
    let mut columns = vec![column("id", "ID", Quantity::Id, true)];
    if molecules.iter().any(|molecule| molecule.smiles.is_some()) {
        columns.push(column("structure", "Structure", Quantity::Structure, wide));
    }
    if molecules.iter().any(|molecule| molecule.split.is_some()) {
        columns.push(column("split", "Split", Quantity::Split, true));
    }
    columns.push(column("conformers", "Conformers", Quantity::Conformers, false));
    columns.push(column("effective", "Effective conformers", Quantity::Effective, true));
    let tasks = || manifest.schema.tasks.iter().map(|task| task.name.as_str()).enumerate();
    for (task, name) in tasks() {
        columns.push(column(&format!("p {name}"), name, Quantity::Probability(task), true));
    }
    if manifest.models.len() > 1 {
        columns.extend(tasks().map(|(task, name)| {
            column(&format!("sd {name}"), &format!("Spread of {name}"), Quantity::Spread(task), false)
        }));
    }
    if molecules.iter().any(|molecule| molecule.labels.is_some()) {
        columns.extend(tasks().map(|(task, name)| {
            column(&format!("known {name}"), &format!("Known: {name}"), Quantity::Known(task), false)
        }));
    }
    columns.extend(tasks().map(|(task, name)| {
        let title = format!("Effective conformers of {name}");
        column(&format!("effective {name}"), &title, Quantity::EffectiveOf(task), false)
    }));
    columns
}
