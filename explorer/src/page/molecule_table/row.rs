//! A row of the table: its elements are made once, and written anew for each molecule that comes into the window.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::Molecule;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, Node};

use crate::page::estimate::{in_words, whisker_place};
use crate::page::structure::fitting_bond;
use explorer::protocol::Prediction;
use explorer::table::{Column, Numbers, Quantity};

/// Room for a structure in a row, in CSS pixels; the style sheet says the same (`--structure-width`, `--row-height`).
const STRUCTURE: [f64; 2] = [104.0, 66.0];

/// Longest bond in a row, in pixels.
const LONGEST_BOND: f64 = 15.0;

/// What a row shows: rows of equal content look the same.
#[derive(Debug, Clone)]
pub struct Content {
    /// Which row of the table it is.
    pub row: usize,
    /// Position of its molecule.
    pub molecule: usize,
    /// Whether that is the molecule that is looked at.
    pub selected: bool,
    /// Whether it is pinned.
    pub pinned: bool,
    /// What the model says of it.
    pub prediction: Option<Arc<Prediction>>,
    /// What stands for a number that it has not told.
    pub unknown: &'static str,
}

/// The elements of a row.
#[derive(Debug)]
pub struct Row {
    element: Element,
    cells: Vec<Cell>,
    shown: Option<Content>,
    /// Whether the structure of its molecule is in it, or why there is none.
    pictured: bool,
}

/// A cell, and those of its elements that change.
#[derive(Debug)]
struct Cell {
    column: Column,
    element: Element,
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    Id { pin: Element, name: Element },
    Probability { number: Node, label: HtmlElement, bar: HtmlElement, whisker: HtmlElement },
    Structure(HtmlElement),
    Text(Node),
}

/// A row without content, to be copied: making elements one by one takes longer.
pub fn template(columns: &[Column]) -> Element {
    let cells = columns.iter().map(|column| match column.quantity {
        Quantity::Id => {
            "<th scope=row><button type=button class=pin tabindex=-1></button><span>.</span></th>"
        }
        Quantity::Structure => "<td class=picture><span class=structure role=img></span></td>",
        Quantity::Split => "<td class=split>.</td>",
        Quantity::Probability(_) => {
            "<td class=task><span class=number>.</span><span class=label role=img hidden>.</span>\
             <span class=bar aria-hidden=true><span class=whisker hidden></span></span></td>"
        }
        _ => "<td class=number>.</td>",
    });
    let row = document().create_element("tr").expect("a page has rows");
    row.set_inner_html(&cells.collect::<String>());
    row
}

impl Row {
    /// A copy of the template for these columns.
    pub fn new(template: &Element, columns: &[Column]) -> Self {
        let element: Element =
            template.clone_node_with_deep(true).expect("elements can be copied").unchecked_into();
        let mut next = element.first_element_child();
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let cell = next.expect("the template has a cell for each column");
            next = cell.next_element_sibling();
            cells.push(Cell {
                column: column.clone(),
                parts: Parts::of(&cell, column.quantity),
                element: cell,
            });
        }
        Self { element, cells, shown: None, pictured: false }
    }

    /// The element.
    pub fn element(&self) -> &Element {
        &self.element
    }

    /// Position of its molecule, if that should have a structure here and has none yet.
    pub fn wants_structure(&self) -> Option<usize> {
        let molecule = self.shown.as_ref()?.molecule;
        (!self.pictured && self.structure().is_some()).then_some(molecule)
    }

    /// Puts the structure of its molecule in.
    pub fn put_structure(&mut self, drawn: &Result<Arc<depiction::Structure>, String>) {
        self.pictured = true;
        let Some(place) = self.structure() else { return };
        style(place, "visibility", "visible");
        set_or_remove(place, "title", None);
        match drawn {
            Ok(structure) => {
                let bond = fitting_bond(structure, STRUCTURE).min(LONGEST_BOND);
                place.set_inner_html(&structure.thumbnail(bond));
            }
            Err(reason) => {
                set(place, "title", &format!("This SMILES cannot be drawn: {reason}."));
                place.set_text_content(Some("not drawn"));
            }
        }
    }

    fn structure(&self) -> Option<&HtmlElement> {
        self.cells.iter().find_map(|cell| match &cell.parts {
            Parts::Structure(place) => Some(place),
            _ => None,
        })
    }

    /// Writes what is other than before; whether that is another molecule.
    pub fn show(&mut self, content: Content, molecules: &[Molecule], numbers: &Numbers) -> bool {
        let before = self.shown.as_ref();
        let other = before.is_none_or(|before| before.molecule != content.molecule);
        let told = other
            || !before.is_some_and(|before| {
                same(&before.prediction, &content.prediction) && before.unknown == content.unknown
            });
        if before.is_none_or(|before| before.row != content.row) {
            // Counted from 1, and the heading is the first.
            set(&self.element, "aria-rowindex", &(content.row + 2).to_string());
        }
        if before.is_none_or(|before| before.selected != content.selected) {
            set(&self.element, "aria-selected", if content.selected { "true" } else { "false" });
            self.element.set_class_name(if content.selected { "selected" } else { "" });
        }
        let molecule = &molecules[content.molecule];
        if other {
            self.element.set_id(&row_id(content.molecule));
            self.pictured = molecule.smiles.is_none();
        }
        if other || before.is_none_or(|before| before.pinned != content.pinned) {
            for cell in &self.cells {
                cell.show_pin(content.pinned);
            }
        }
        for cell in &self.cells {
            if other {
                cell.show_molecule(molecule);
            }
            if told {
                cell.show_numbers(&content, numbers);
            }
        }
        self.shown = Some(content);
        other
    }
}

/// The identifier of the row of a molecule.
pub fn row_id(molecule: usize) -> String {
    format!("molecule-{molecule}")
}

/// Which row of the table an element is.
pub fn place(row: &Element) -> Option<usize> {
    row.get_attribute("aria-rowindex")?.parse::<usize>().ok()?.checked_sub(2)
}

fn same(a: &Option<Arc<Prediction>>, b: &Option<Arc<Prediction>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl Parts {
    fn of(cell: &Element, quantity: Quantity) -> Self {
        let text = |element: &Element| element.first_child().expect("the template has a text there");
        let child =
            |element: &Element| element.first_element_child().expect("the template has an element there");
        let after = |element: &Element| element.next_element_sibling().expect("and one behind it");
        match quantity {
            Quantity::Id => {
                let pin = child(cell);
                Self::Id { name: after(&pin), pin }
            }
            Quantity::Probability(_) => {
                let number = child(cell);
                let label = after(&number);
                let bar = after(&label);
                let whisker = child(&bar);
                Self::Probability {
                    number: text(&number),
                    label: label.unchecked_into(),
                    whisker: whisker.unchecked_into(),
                    bar: bar.unchecked_into(),
                }
            }
            Quantity::Structure => Self::Structure(child(cell).unchecked_into()),
            _ => Self::Text(text(cell)),
        }
    }
}

impl Cell {
    fn show_pin(&self, pinned: bool) {
        if let Parts::Id { pin, .. } = &self.parts {
            set(pin, "aria-pressed", if pinned { "true" } else { "false" });
            set(pin, "title", if pinned { "Unpin (p)" } else { "Pin to the head of the table (p)" });
        }
    }

    /// What is known of a molecule without the model.
    fn show_molecule(&self, molecule: &Molecule) {
        match (&self.parts, self.column.quantity) {
            (Parts::Id { pin, name }, _) => {
                set(pin, "aria-label", &format!("Pin {}", molecule.id));
                name.set_text_content(Some(&molecule.id));
                set_or_remove(&self.element, "title", molecule.smiles.as_deref());
            }
            (Parts::Probability { label, .. }, Quantity::Probability(task)) => {
                let known = molecule.labels.as_ref().and_then(|labels| labels.get(task).copied());
                label.set_hidden(known.is_none());
                if let Some(known) = known {
                    let (mark, name) = mark(known);
                    label.set_text_content(Some(mark));
                    set(label, "aria-label", name);
                    set(label, "title", name);
                }
            }
            (Parts::Structure(place), _) => {
                // That of the molecule before stays unseen until its own comes, when there is time: to take it out takes long.
                style(place, "visibility", "hidden");
                set(place, "aria-label", &format!("Structure of {}", molecule.id));
            }
            (Parts::Text(text), Quantity::Split) => {
                text.set_node_value(molecule.split.as_deref().or(Some("")));
                set_or_remove(&self.element, "title", molecule.split.as_deref());
            }
            _ => {}
        }
    }

    /// What the model says, and all other numbers.
    fn show_numbers(&self, content: &Content, numbers: &Numbers) {
        match (&self.parts, self.column.quantity) {
            (Parts::Probability { number, bar, whisker, .. }, Quantity::Probability(task)) => {
                let probability =
                    content.prediction.as_ref().and_then(|prediction| prediction.probability(task));
                let (value, text, share) = match probability {
                    Some(p) => (Some(p.mean.to_string()), format!("{:.3}", p.mean), 100.0 * p.mean),
                    None => (None, content.unknown.to_owned(), 0.0),
                };
                number.set_node_value(Some(&text));
                set_or_remove(&self.element, "data-value", value.as_deref());
                style(bar, "background-size", &format!("{share:.1}% 100%"));
                // The row has no room for both numbers: the spread is a whisker, and a tooltip.
                let spread = probability.and_then(|p| Some((in_words(p, 3), whisker_place(p, 1.0)?)));
                whisker.set_hidden(spread.is_none());
                set_or_remove(&self.element, "title", spread.as_ref().map(|(words, _)| words.as_str()));
                if let Some((_, [left, width])) = spread {
                    style(whisker, "left", &left);
                    style(whisker, "width", &width);
                }
            }
            (Parts::Text(text), quantity) if !quantity.is_text() => {
                let decimals = match quantity {
                    Quantity::Effective | Quantity::EffectiveOf(_) => 1,
                    Quantity::Spread(_) => 3,
                    _ => 0,
                };
                let number = numbers
                    .column(&self.column.key)
                    .and_then(|numbers| numbers.get(content.molecule).copied());
                let number = number.filter(|number| !number.is_nan());
                let unknown = if quantity.is_predicted() { content.unknown } else { "" };
                let words = number.map_or(unknown.to_owned(), |number| format!("{number:.decimals$}"));
                text.set_node_value(Some(&words));
                let value = number.map(|number| number.to_string());
                set_or_remove(&self.element, "data-value", value.as_deref());
            }
            _ => {}
        }
    }
}

fn set(element: &Element, name: &str, value: &str) {
    element.set_attribute(name, value).expect("the name is one");
}

fn set_or_remove(element: &Element, name: &str, value: Option<&str>) {
    match value {
        Some(value) => set(element, name, value),
        None => element.remove_attribute(name).expect("the name is one"),
    }
}

fn style(element: &HtmlElement, property: &str, value: &str) {
    element.style().set_property(property, value).expect("the property is one");
}

/// A filled mark for a positive, a hollow one for a negative; and its name.
fn mark(label: u8) -> (&'static str, &'static str) {
    if label > 0 { ("●", "known positive") } else { ("○", "known negative") }
}

/// The mark of a label.
pub fn label_mark(label: u8) -> impl IntoView {
    let (mark, name) = mark(label);
    view! { <span class="label" role="img" aria-label=name title=name>{mark}</span> }
}
