//! Rows of the table that are in the document. They are few, and go round: when the window moves on, rows that leave it at
//! one end come in again at the other. Making rows anew would take several times as long as a frame lasts.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use leptos::ev::MouseEvent;
use leptos::html::Tbody;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

use super::Arrangement;
use super::pictures::Pictures;
use super::row::{self, Content, Row};
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::Column;
use explorer::view::Screen;

/// Keeps the rows of a part of the table in a `tbody`, before its last element if `before_last`.
pub fn keep_rows(
    tbody: NodeRef<Tbody>,
    bundle: Arc<OpenBundle>,
    places: Memo<Range<usize>>,
    before_last: bool,
) {
    let explorer = expect_context::<Explorer>();
    let arrangement = expect_context::<Arrangement>();
    let pool = StoredValue::new_local(Pool::default());
    let pictures = Pictures::new(pool, bundle.clone());
    Effect::new(move |_| {
        let Some(tbody) = tbody.get() else { return };
        let columns = arrangement.columns.get();
        let rows = arrangement.rows.get();
        let pinned = arrangement.pinned.get();
        let selected = explorer.selected.get();
        let unknown = explorer.unknown.get();
        let places = places.get();
        let places = places.start.min(rows.len())..places.end.min(rows.len());
        let mut moved = false;
        explorer.predictions.with(|predictions| {
            explorer.numbers.with_value(|numbers| {
                pool.update_value(|pool| {
                    let end = if before_last { tbody.last_element_child() } else { None };
                    pool.arrange(&tbody, end.as_ref(), &columns, places.clone());
                    for (place, row) in places.zip(&mut pool.rows) {
                        let molecule = rows[place] as usize;
                        let content = Content {
                            row: place,
                            molecule,
                            selected: selected == Some(molecule),
                            pinned: place < pinned,
                            prediction: predictions.get(molecule).cloned().flatten(),
                            unknown,
                        };
                        moved |= row.show(content, bundle.molecules(), numbers);
                    }
                });
            });
        });
        if moved {
            pictures.moved();
        }
    });
}

/// A click on a row looks at its molecule; one on its star pins it.
pub fn click(explorer: Explorer, arrangement: Arrangement, event: &MouseEvent) {
    let Some(molecule) = molecule_at(arrangement, event) else { return };
    if within(event, ".pin").is_some() {
        pin(explorer, molecule);
        return;
    }
    explorer.select(molecule);
    if !molecule_is_beside() {
        explorer.go_to(Screen::Molecule);
    }
}

/// A double click on a row opens its molecule.
pub fn double_click(explorer: Explorer, arrangement: Arrangement, event: &MouseEvent) {
    if molecule_at(arrangement, event).is_some() && within(event, ".pin").is_none() {
        explorer.go_to(Screen::Molecule);
    }
}

/// Puts a molecule at the head of the table, or back into its place.
pub fn pin(explorer: Explorer, molecule: usize) {
    let id =
        explorer.bundle.with_untracked(|bundle| Some(bundle.as_ref()?.molecules().get(molecule)?.id.clone()));
    if let Some(id) = id {
        explorer.view.update(|view| view.pin(&id));
    }
}

/// Position of the molecule whose row an event happened in.
fn molecule_at(arrangement: Arrangement, event: &MouseEvent) -> Option<usize> {
    let place = row::place(&within(event, "tr")?)?;
    arrangement.rows.with_untracked(|rows| rows.get(place).map(|&molecule| molecule as usize))
}

/// The nearest element of a kind that an event happened in.
pub fn within(event: &Event, selector: &str) -> Option<Element> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    target.closest(selector).ok().flatten()
}

/// Whether the window has room for the molecule beside the table.
fn molecule_is_beside() -> bool {
    let panel = document().query_selector("section.molecule").ok().flatten();
    panel.is_some_and(|panel| panel.client_width() > 0)
}

/// The rows that there are, in their order in the document.
#[derive(Debug, Default)]
pub struct Pool {
    columns: Arc<Vec<Column>>,
    template: Option<Element>,
    rows: VecDeque<Row>,
    /// Place of the first in the table.
    first: usize,
}

impl Pool {
    /// The rows, those in the middle of the window first.
    pub fn rows_from_the_middle(&mut self) -> impl Iterator<Item = &mut Row> {
        let middle = self.rows.len() / 2;
        let mut rows: Vec<(usize, &mut Row)> = self.rows.iter_mut().enumerate().collect();
        rows.sort_by_key(|(place, _)| place.abs_diff(middle));
        rows.into_iter().map(|(_, row)| row)
    }

    /// Has as many rows as there are places, before the element `end`; those whose place remains keep what they show.
    fn arrange(
        &mut self,
        tbody: &Element,
        end: Option<&Element>,
        columns: &Arc<Vec<Column>>,
        places: Range<usize>,
    ) {
        if self.columns != *columns || self.template.is_none() {
            self.rows.drain(..).for_each(|row| row.element().remove());
            self.columns = columns.clone();
            self.template = Some(row::template(columns));
        }
        let put = |row: &Row, before: Option<&Element>| {
            tbody
                .insert_before(row.element(), before.map(|element| &**element))
                .expect("both are in the table");
        };
        let (first, count) = (self.first, self.rows.len());
        self.first = places.start;
        if (first..first + count).contains(&places.start) {
            for _ in first..places.start {
                let row = self.rows.pop_front().expect("the range is that of the rows");
                put(&row, end);
                self.rows.push_back(row);
            }
        } else if (first.saturating_sub(count)..first).contains(&places.start) {
            for _ in places.start..first {
                let row = self.rows.pop_back().expect("the range is no longer than the rows");
                put(&row, self.rows.front().map(Row::element).or(end));
                self.rows.push_front(row);
            }
        }
        while self.rows.len() > places.len() {
            if let Some(row) = self.rows.pop_back() {
                row.element().remove();
            }
        }
        let template = self.template.as_ref().expect("it was made above");
        while self.rows.len() < places.len() {
            let row = Row::new(template, columns);
            put(&row, end);
            self.rows.push_back(row);
        }
    }
}
