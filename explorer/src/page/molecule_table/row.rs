//! A row of the table.

use std::sync::Arc;

use leptos::prelude::*;

use crate::page::estimate::{in_words, probability_bar};
use crate::page::state::{Explorer, OpenBundle};
use crate::protocol::Prediction;
use crate::table::{Column, Quantity};
use crate::view::Screen;

use super::Arrangement;

/// The prediction of a row's molecule.
type Predicted = Memo<Option<Arc<Prediction>>>;

/// A molecule in the table.
#[component]
pub fn MoleculeRow(bundle: Arc<OpenBundle>, row: usize, molecule: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let arrangement = expect_context::<Arrangement>();
    let selected = move || explorer.selected.get() == Some(molecule);
    let prediction: Predicted =
        Memo::new(move |_| explorer.predictions.with(|predictions| predictions.get(molecule)?.clone()));
    let choose = move |_| {
        explorer.select(molecule);
        if !molecule_is_beside() {
            explorer.go_to(Screen::Molecule);
        }
    };
    let cells = move || {
        let columns = arrangement.columns.get();
        columns.iter().map(|column| cell(explorer, &bundle, molecule, column, prediction)).collect_view()
    };
    view! {
        <tr
            id=format!("molecule-{molecule}")
            aria-rowindex=row + 2
            aria-selected=move || selected().to_string()
            class:selected=selected
            on:click=choose
            on:dblclick=move |_| explorer.go_to(Screen::Molecule)
        >
            {cells}
        </tr>
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

/// Whether the window has room for the molecule beside the table.
fn molecule_is_beside() -> bool {
    let panel = document().query_selector("section.molecule").ok().flatten();
    panel.is_some_and(|panel| panel.client_width() > 0)
}

fn cell(
    explorer: Explorer,
    bundle: &OpenBundle,
    molecule: usize,
    column: &Column,
    prediction: Predicted,
) -> AnyView {
    let entry = &bundle.molecules()[molecule];
    match column.quantity {
        Quantity::Id => {
            let (id, title) = (entry.id.clone(), entry.smiles.clone());
            let is_pinned = {
                let id = id.clone();
                move || explorer.view.with(|view| view.pinned.contains(&id))
            };
            let pressed = is_pinned.clone();
            let name = format!("Pin {id}");
            view! {
                <th scope="row" title=title>
                    <button
                        type="button"
                        class="pin"
                        tabindex="-1"
                        aria-label=name
                        aria-pressed=move || pressed().to_string()
                        title=move || if is_pinned() { "Unpin (p)" } else { "Pin to the head of the table (p)" }
                        on:click=move |event| {
                            event.stop_propagation();
                            pin(explorer, molecule);
                        }
                    ></button>
                    <span>{id}</span>
                </th>
            }
            .into_any()
        }
        Quantity::Split => view! { <td class="split">{entry.split.clone()}</td> }.into_any(),
        Quantity::Probability(task) => {
            let label = entry.labels.as_ref().and_then(|labels| labels.get(task).copied());
            view! { <ProbabilityCell prediction task label/> }.into_any()
        }
        quantity => {
            let decimals = match quantity {
                Quantity::Effective | Quantity::EffectiveOf(_) => 1,
                Quantity::Spread(_) => 3,
                _ => 0,
            };
            let key = column.key.clone();
            let number = move || {
                if quantity.is_predicted() {
                    prediction.track();
                }
                let number = |numbers: &crate::table::Numbers| numbers.column(&key)?.get(molecule).copied();
                explorer.numbers.with_value(number).filter(|number| !number.is_nan())
            };
            let unknown = if quantity.is_predicted() { "…" } else { "" };
            let shown = number.clone();
            view! {
                <td class="number" data-value=move || number().map(|number| number.to_string())>
                    {move || shown().map_or(unknown.to_owned(), |number| format!("{number:.decimals$}"))}
                </td>
            }
            .into_any()
        }
    }
}

/// One probability as a number and a bar, with the label where it is known.
#[component]
fn ProbabilityCell(prediction: Predicted, task: usize, label: Option<u8>) -> impl IntoView {
    let probability = move || prediction.with(|prediction| prediction.as_ref()?.probability(task));
    // The row has no room for both numbers: the spread is a whisker, and a tooltip.
    let title = move || probability().filter(|p| p.std.is_some()).map(|p| in_words(p, 3));
    view! {
        <td class="task" data-value=move || probability().map(|p| p.mean.to_string()) title=title>
            <span class="number">{move || probability().map_or("…".to_owned(), |p| format!("{:.3}", p.mean))}</span>
            {label.map(label_mark)}
            {probability_bar(probability)}
        </td>
    }
}

/// A filled mark for a positive, a hollow one for a negative.
pub fn label_mark(label: u8) -> impl IntoView {
    let (mark, name) = if label > 0 { ("●", "known positive") } else { ("○", "known negative") };
    view! { <span class="label" role="img" aria-label=name title=name>{mark}</span> }
}
