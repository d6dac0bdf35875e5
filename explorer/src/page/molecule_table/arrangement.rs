//! Which rows the table has, as signals: who looks at them is not disturbed while predictions come in.

use std::sync::Arc;

use leptos::prelude::*;

use crate::page::model_run::ModelStatus;
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::{self, Column};
use explorer::view::{Filter, Sort};

/// The rows of the table, and what they are arranged by.
#[derive(Clone, Copy)]
pub struct Arrangement {
    /// Positions of the molecules that match search and filters, in order.
    pub matching: Memo<Arc<Vec<u32>>>,
    /// Positions of the molecules of all rows: those that are pinned, then the others that match.
    pub rows: Memo<Arc<Vec<u32>>>,
    /// How many of the rows are pinned.
    pub pinned: Memo<usize>,
    /// The columns that are shown.
    pub columns: Memo<Arc<Vec<Column>>>,
    /// Whether predictions have come since the rows were arranged that may change them.
    pub outdated: Memo<bool>,
    /// How many molecules were predicted when the rows were arranged.
    arranged_at: RwSignal<usize>,
    /// Arranges the rows again.
    again: Trigger,
}

impl Arrangement {
    /// The rows of a bundle, as the view asks for them.
    pub fn new(explorer: Explorer, bundle: Arc<OpenBundle>) -> Self {
        let view = explorer.view;
        let search = Memo::new(move |_| view.with(|view| view.search.clone()));
        let sort = Memo::new(move |_| view.with(|view| view.sort.clone()));
        let filters = Memo::new(move |_| view.with(|view| view.filters.clone()));
        let arranged_at = RwSignal::new(0);
        let again = Trigger::new();

        let searched = bundle.clone();
        let found =
            Memo::new(move |_| Arc::new(searched.search_text.find(searched.molecules(), &search.read())));
        let matching = Memo::new(move |_| {
            again.track();
            let (filters, sort) = (filters.read(), sort.read());
            Arc::new(
                explorer
                    .numbers
                    .with_value(|numbers| table::rows(numbers, &filters, sort.as_ref(), &found.read())),
            )
        });

        let names = bundle.clone();
        let pins = Memo::new(move |_| {
            let positions = |id: &String| names.position(id).map(|position| position as u32);
            view.with(|view| view.pinned.iter().filter_map(positions).collect::<Vec<u32>>())
        });
        let rows = Memo::new(move |_| {
            let pins = pins.read();
            let matching = matching.get();
            if pins.is_empty() {
                return matching;
            }
            let others = matching.iter().filter(|row| !pins.contains(row));
            Arc::new(pins.iter().chain(others).copied().collect())
        });

        let all = bundle.clone();
        let columns = Memo::new(move |_| {
            let chosen = view.with(|view| view.columns.clone());
            Arc::new(
                all.columns.iter().filter(|column| column.is_shown(&chosen)).cloned().collect::<Vec<_>>(),
            )
        });
        let depends = Memo::new(move |_| {
            let predicted = |key: &String| {
                bundle.columns.iter().any(|column| column.key == *key && column.quantity.is_predicted())
            };
            let sorted = sort.with(|sort| sort.as_ref().is_some_and(|Sort { column, .. }| predicted(column)));
            let ranges = |filters: &Vec<Filter>| filters.iter().any(|filter| predicted(&filter.column));
            sorted || filters.with(ranges)
        });
        let outdated = Memo::new(move |_| depends.get() && explorer.predicted.get() != arranged_at.get());
        let arrangement = Self {
            matching,
            rows,
            pinned: Memo::new(move |_| pins.read().len()),
            columns,
            outdated,
            arranged_at,
            again,
        };
        // What somebody asks for is done with all that is known.
        Effect::new(move |_| {
            sort.track();
            filters.track();
            arranged_at.set(explorer.predicted.get_untracked());
        });
        // Another model knows nothing yet, and at the end everything is known.
        let nothing = Memo::new(move |_| explorer.predicted.get() == 0);
        let finished = Memo::new(move |_| {
            explorer.status.with(|status| matches!(status, ModelStatus::Running { seconds: Some(_), .. }))
        });
        Effect::new(move |_| {
            if finished.get() || nothing.get() {
                arrangement.update(explorer);
            }
        });
        arrangement
    }

    /// Arranges the rows again, by the predictions that are there now.
    pub fn update(self, explorer: Explorer) {
        self.arranged_at.set(explorer.predicted.get_untracked());
        self.again.notify();
    }

    /// The molecule so many rows below another one, or above; from one that is not in the table, the first.
    pub fn neighbour(self, molecule: usize, step: isize) -> Option<usize> {
        let row = match self.row_of(molecule) {
            Some(row) => row.checked_add_signed(step)?,
            None => 0,
        };
        self.rows.with_untracked(|rows| rows.get(row).map(|&row| row as usize))
    }

    /// The row of a molecule, if it is shown.
    pub fn row_of(self, molecule: usize) -> Option<usize> {
        self.rows.with_untracked(|rows| rows.iter().position(|&row| row as usize == molecule))
    }
}
