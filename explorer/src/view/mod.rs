//! What a person looks at, as one value: it stands in the fragment of the page's address, and a link that is opened
//! elsewhere restores it exactly.

mod fragment;

use std::collections::{BTreeMap, BTreeSet};

/// Molecules that can be pinned at a time: a window has room for some others below them.
const MAX_PINNED: usize = 5;

/// The view of an open bundle. Molecules, conformers, tasks and columns are called by their names, so that a link means
/// the same in another version of the page, and another order of the table changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Which part of the page is in front.
    pub screen: Screen,
    /// ID of the molecule that is looked at; none: the first.
    pub molecule: Option<String>,
    /// Its conformer that is looked at.
    pub conformer: Option<String>,
    /// The task that is looked at; none: the first.
    pub task: Option<String>,
    /// Conformers of the molecule that are switched off.
    pub off: BTreeSet<String>,
    /// Probability from which on a molecule counts as positive, by task, where it is not the usual one.
    pub thresholds: BTreeMap<String, f32>,
    /// Split whose molecules the model is measured on; none: the usual one.
    pub split: Option<String>,
    /// Text that the molecules in the table contain.
    pub search: String,
    /// Order of the table; none: that of the bundle.
    pub sort: Option<Sort>,
    /// Ranges that the molecules in the table lie in, one for a column at most.
    pub filters: Vec<Filter>,
    /// IDs of the molecules that stay at the head of the table, in this order.
    pub pinned: Vec<String>,
    /// Columns of the table that are shown or hidden against their habit.
    pub columns: BTreeMap<String, bool>,
}

/// A part of the page that one looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Screen {
    /// The table, with the molecule beside it where there is room.
    #[default]
    Molecules,
    /// One molecule.
    Molecule,
    /// The model: how good it is and where it comes from.
    Model,
    /// The model beside another one.
    Compare,
}

impl Screen {
    /// All screens, in the order of the navigation.
    pub const ALL: [Self; 4] = [Self::Molecules, Self::Molecule, Self::Model, Self::Compare];

    /// The word for this screen in the page's address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Molecules => "molecules",
            Self::Molecule => "molecule",
            Self::Model => "model",
            Self::Compare => "compare",
        }
    }

    /// Its name in the navigation.
    pub fn title(self) -> &'static str {
        match self {
            Self::Molecules => "Molecules",
            Self::Molecule => "Molecule",
            Self::Model => "Model",
            Self::Compare => "Compare",
        }
    }

    /// The screen of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|screen| screen.word() == word)
    }
}

/// An order by a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// The column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// A range of the numbers of a column, both ends included. Molecules without a number are not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// Smallest number; none: no bound.
    pub low: Option<f32>,
    /// Largest number; none: no bound.
    pub high: Option<f32>,
}

impl View {
    /// The same view with another screen in front.
    pub fn on_screen(&self, screen: Screen) -> Self {
        Self { screen, ..self.clone() }
    }

    /// Turns to a molecule. What was chosen among the conformers of another one is forgotten.
    pub fn look_at(&mut self, molecule: &str) {
        if self.molecule.as_deref() != Some(molecule) {
            self.molecule = Some(molecule.to_owned());
            self.conformer = None;
            self.off.clear();
        }
    }

    /// Puts a molecule at the head of the table, or back into its place. Of too many, the one pinned first goes back.
    pub fn pin(&mut self, molecule: &str) {
        if let Some(place) = self.pinned.iter().position(|pinned| pinned == molecule) {
            self.pinned.remove(place);
            return;
        }
        if self.pinned.len() == MAX_PINNED {
            self.pinned.remove(0);
        }
        self.pinned.push(molecule.to_owned());
    }

    /// Whether the table is sorted by a column, and then whether in descending order.
    pub fn order_of(&self, column: &str) -> Option<bool> {
        self.sort.as_ref().filter(|sort| sort.column == column).map(|sort| sort.descending)
    }

    /// Sorts by a column, then the other way round, then not at all.
    pub fn sort_by(&mut self, column: &str, descending_first: bool) {
        let descending = match self.order_of(column) {
            None => Some(descending_first),
            Some(descending) => (descending == descending_first).then_some(!descending_first),
        };
        self.sort = descending.map(|descending| Sort { column: column.to_owned(), descending });
    }

    /// Which of the molecule's conformers are on. There is no prediction of nothing: where all would be off, all are on.
    pub fn on(&self, conformers: &[String]) -> Vec<bool> {
        let on: Vec<bool> = conformers.iter().map(|conformer| !self.off.contains(conformer)).collect();
        if on.contains(&true) { on } else { vec![true; on.len()] }
    }

    /// Switches a conformer off, or on again.
    pub fn switch(&mut self, conformer: &str) {
        if !self.off.remove(conformer) {
            self.off.insert(conformer.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_molecule_has_all_of_its_conformers() {
        let mut view = View { molecule: Some("a".into()), ..View::default() };
        view.switch("1");
        view.conformer = Some("2".into());
        view.look_at("a");
        let names = ["1".to_owned(), "2".to_owned()];
        assert_eq!(view.on(&names), [false, true]);
        view.look_at("b");
        assert_eq!(view, View { molecule: Some("b".into()), ..View::default() });
    }

    #[test]
    fn a_column_sorts_both_ways_and_then_not_at_all() {
        let mut view = View::default();
        let orders: Vec<_> = (0..3)
            .map(|_| {
                view.sort_by("p", true);
                view.order_of("p")
            })
            .collect();
        assert_eq!(orders, [Some(true), Some(false), None]);
        view.sort_by("p", true);
        view.sort_by("id", false);
        assert_eq!((view.order_of("p"), view.order_of("id")), (None, Some(false)));
    }

    #[test]
    fn few_molecules_are_pinned_at_a_time() {
        let mut view = View::default();
        ["a", "b", "c", "d", "e", "f", "c"].into_iter().for_each(|molecule| view.pin(molecule));
        assert_eq!(view.pinned, ["b", "d", "e", "f"]);
    }

    #[test]
    fn one_conformer_stays_on() {
        let mut view = View::default();
        let names = ["1".to_owned(), "2".to_owned()];
        names.iter().for_each(|name| view.switch(name));
        assert_eq!(view.on(&names), [true, true]);
        view.switch("2");
        assert_eq!(view.on(&names), [false, true]);
    }
}
