//! The attention map: how much each task looks at each conformer.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use shared_model::bundle::Molecule;

use super::estimate::{EXPLANATION, whisker};
use super::help::Help;
use super::molecule::{Predicted, texts};
use super::molecule_table::{Arrangement, breakable};
use super::state::{Explorer, OpenBundle};
use explorer::colour::viridis;
use explorer::protocol::Prediction;
use wasm_bindgen::JsCast;

/// Position of the conformer under the pointer, in the map or in space.
pub type Looked = RwSignal<Option<usize>>;

/// Attention as a table, tasks × conformers, coloured from 0 to the largest weight of this molecule; the weights are filled in
/// when they come.
///
/// Its cells are chosen by a click or the arrow keys; Page Up and Page Down go to the molecule above and below in the table.
pub fn attention_map(
    explorer: Explorer,
    bundle: &OpenBundle,
    molecule: &Molecule,
    prediction: Predicted,
    looked: Looked,
) -> impl IntoView + use<> {
    let scale = Memo::new(move |_| prediction.with(|known| known.as_ref().map(|known| Scale::of(known))));
    let unknown = explorer.unknown;
    let spread = bundle.manifest.models.len() > 1;
    let columns = molecule.conformers.len();
    let size = [bundle.manifest.schema.tasks.len(), columns];
    let arrangement = expect_context::<Arrangement>();
    let current = move || [explorer.task.get(), explorer.conformer.get().unwrap_or(0)];
    let choose = move |[task, conformer]: [usize; 2]| {
        explorer.choose_task(task);
        explorer.choose_conformer(conformer);
    };
    let keys = move |event: KeyboardEvent| {
        if let Some(cell) = next_cell(&event.key(), untrack(current), size) {
            event.prevent_default();
            choose(cell);
            focus(cell);
        } else if let Some(step) = match event.key().as_str() {
            "PageUp" => Some(-1),
            "PageDown" => Some(1),
            _ => None,
        } {
            event.prevent_default();
            let selected = explorer.selected.get_untracked();
            if let Some(next) = selected.and_then(|selected| arrangement.neighbour(selected, step)) {
                explorer.select(next);
                focus([explorer.task.get_untracked(), 0]);
            }
        }
    };
    let head = molecule.conformers.iter().enumerate().map(|(conformer, id)| {
        let chosen = move || explorer.conformer.get() == Some(conformer);
        let looked_at = move || looked.get() == Some(conformer);
        view! { <th scope="col" class:chosen=chosen class:looked=looked_at>{id.clone()}</th> }
    });
    let head = head.collect_view();
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let cells = (0..columns).map(|conformer| {
            let weight = move || {
                prediction.with(|known| known.as_ref()?.attention().nth(task * columns + conformer))
            };
            let here = move || current() == [task, conformer];
            let chosen = move || here() && explorer.conformer.get().is_some();
            let colour = move || Some(viridis(weight()?.mean / scale.get()?.largest));
            let whisker = move || weight().zip(scale.get()).map(|(weight, scale)| whisker(weight, scale.farthest));
            view! {
                <td
                    id=cell_id([task, conformer])
                    tabindex=move || if here() { "0" } else { "-1" }
                    aria-selected=move || chosen().to_string()
                    class:looked=move || looked.get() == Some(conformer)
                    on:click=move |_| choose([task, conformer])
                    on:pointerenter=move |_| looked.set(Some(conformer))
                    on:pointerleave=move |_| looked.set(None)
                    data-value=move || weight().map(|weight| weight.mean.to_string())
                    data-std=move || weight().and_then(|weight| weight.std).map(|std| std.to_string())
                    style:background-color=move || colour().map(|colour| colour.background)
                    style:color=move || colour().map(|colour| colour.text)
                >
                    {move || weight().map_or_else(|| unknown.get().into(), |weight| format!("{:.3}", weight.mean))}
                    {spread.then(|| view! {
                        <span class="spread">
                            {move || weight().and_then(|weight| weight.std).map(|std| format!("±\u{a0}{std:.3}"))}
                        </span>
                        <span class="axis" aria-hidden="true">{whisker}</span>
                    })}
                </td>
            }
        });
        view! {
            <tr>
                <th scope="row" class:chosen=move || explorer.task.get() == task>{breakable(&about.name)}</th>
                {cells.collect_view()}
            </tr>
        }
    });
    view! {
        <h3>"Attention"<Help text=texts::ATTENTION/></h3>
        <p class="faint" id="attention-caption">
            "Share of each task's attention that goes to each conformer; a row adds up to 1."
            {spread.then(|| format!(" Shown is the {EXPLANATION}."))}
        </p>
        <div class="map" role="group" aria-label="Attention map">
            <table
                id="attention"
                role="grid"
                aria-label="Attention: arrow keys choose task and conformer, Page Up and Page Down the molecule"
                aria-describedby="attention-caption"
                on:keydown=keys
            >
                <thead>
                    <tr>
                        <th scope="col">"Conformer"</th>
                        {head}
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
        <p class="scale" aria-hidden="true">
            <span>"0"</span>
            <span class="viridis"></span>
            <span>{move || scale.get().map_or_else(|| unknown.get().into(), |scale| format!("{:.3}", scale.largest))}</span>
        </p>
    }
}

/// What the colours and whiskers of a map reach to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    /// The largest weight.
    largest: f32,
    /// The farthest end of a whisker.
    farthest: f32,
}

impl Scale {
    fn of(prediction: &Prediction) -> Self {
        let farthest = prediction.attention().map(|weight| weight.mean + weight.std.unwrap_or(0.0));
        Self {
            largest: prediction.attention.iter().copied().fold(0.0, f32::max),
            farthest: farthest.fold(0.0, f32::max),
        }
    }
}

/// The cell that a key leads to: task and conformer.
fn next_cell(
    key: &str,
    [task, conformer]: [usize; 2],
    [tasks, conformers]: [usize; 2],
) -> Option<[usize; 2]> {
    match key {
        "ArrowLeft" => Some([task, conformer.saturating_sub(1)]),
        "ArrowRight" => Some([task, (conformer + 1).min(conformers - 1)]),
        "ArrowUp" => Some([task.saturating_sub(1), conformer]),
        "ArrowDown" => Some([(task + 1).min(tasks - 1), conformer]),
        "Home" => Some([task, 0]),
        "End" => Some([task, conformers - 1]),
        "Enter" | " " => Some([task, conformer]),
        _ => None,
    }
}

fn cell_id([task, conformer]: [usize; 2]) -> String {
    format!("weight-{task}-{conformer}")
}

/// Puts the focus on a cell, as soon as it is drawn.
fn focus(cell: [usize; 2]) {
    request_animation_frame(move || {
        let found = document().get_element_by_id(&cell_id(cell));
        if let Some(cell) = found.and_then(|cell| cell.dyn_into::<web_sys::HtmlElement>().ok()) {
            // A cell that cannot have the focus leaves it where it is.
            let _ = cell.focus();
        }
    });
}
