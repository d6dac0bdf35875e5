//! The molecules of the bundle: a table of which only the visible rows are in the document.

use std::ops::Range;
use std::sync::Arc;

use leptos::ev::KeyboardEvent;
use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::ResizeObserver;

use super::estimate::{in_words, probability_bar};
use super::state::{Explorer, OpenBundle};
use crate::view::Screen;

/// Height of a row in CSS pixels; the style sheet says the same (`--row-height`).
const ROW_HEIGHT: f64 = 44.0;

/// Rows kept beyond either edge, so that a short scroll shows no gap.
const SPARE_ROWS: usize = 8;

/// The table and the search above it.
#[component]
pub fn MoleculeTable(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let heading = heading(&bundle);
    let searched = bundle.clone();
    let shown = Memo::new(move |_| matching(&searched, &explorer.view.read().search));
    let viewport = NodeRef::<Div>::new();
    let scroll = RwSignal::new(0.0);
    let height = RwSignal::new(800.0);
    let rows = Memo::new(move |_| visible_rows(scroll.get(), height.get(), shown.with(|shown| shown.len())));

    viewport.on_load(move |viewport| observe_height(&viewport, height));
    // A new selection, by keyboard or because the search hides the old one, scrolls into view.
    Effect::new(move |_| {
        let (Some(viewport), Some(selected)) = (viewport.get(), explorer.selected.get()) else { return };
        if let Some(row) = shown.with(|shown| row_of(shown, selected)) {
            scroll_into_view(&viewport, row);
        }
    });
    let keys = move |event: KeyboardEvent| {
        if event.key() == "Enter" {
            return explorer.go_to(Screen::Molecule);
        }
        let page = ((height.get_untracked() / ROW_HEIGHT) as usize).saturating_sub(2).max(1);
        if let Some(next) = shown.with_untracked(|shown| next_row(&event.key(), shown, explorer, page)) {
            event.prevent_default();
            explorer.select(next);
        }
    };
    let count = move || shown.with(|shown| format!("{} shown", shown.len()));
    let search = move |text: String| {
        explorer.view.update(|view| view.search = text);
        let first = shown.with_untracked(|shown| {
            let selected = explorer.selected.get_untracked()?;
            if row_of(shown, selected).is_some() { None } else { shown.first().copied() }
        });
        if let Some(first) = first {
            explorer.select(first as usize);
        }
    };
    view! {
        <section class="molecules" aria-label="Molecules">
            <div class="toolbar">
                <input
                    type="search"
                    id="search"
                    placeholder="Search by ID"
                    aria-label="Search by ID"
                    prop:value=move || explorer.view.read().search.clone()
                    on:input:target=move |event| search(event.target().value())
                    on:keydown=move |event| if event.key() == "Enter" { explorer.go_to(Screen::Molecule) }
                />
                <span role="status">{count}</span>
            </div>
            <div
                class="viewport"
                node_ref=viewport
                on:scroll:target=move |event| scroll.set(f64::from(event.target().scroll_top()))
            >
                <table
                    role="grid"
                    id="molecules"
                    tabindex="0"
                    aria-label="Molecules: arrow keys select"
                    aria-rowcount=move || shown.with(|shown| shown.len() + 1)
                    aria-activedescendant=move || explorer.selected.get().map(|selected| format!("molecule-{selected}"))
                    on:keydown=keys
                >
                    {heading}
                    <tbody>
                        <tr class="spacer" aria-hidden="true">
                            <td style:height=move || pixels(rows.get().start)></td>
                        </tr>
                        <For
                            each=move || shown.with(|shown| {
                                let rows = rows.get();
                                rows.clone().zip(shown[rows].to_vec()).collect::<Vec<_>>()
                            })
                            key=|row| *row
                            children=move |(row, molecule)| {
                                view! { <MoleculeRow bundle=bundle.clone() row molecule=molecule as usize/> }
                            }
                        />
                        <tr class="spacer" aria-hidden="true">
                            <td style:height=move || pixels(shown.with(|shown| shown.len()) - rows.get().end)></td>
                        </tr>
                    </tbody>
                </table>
            </div>
        </section>
    }
}

fn heading(bundle: &OpenBundle) -> impl IntoView + use<> {
    let tasks = bundle.manifest.schema.tasks.iter().map(|task| {
        view! { <th scope="col" class="task" title=task.description.clone()>{breakable(&task.name)}</th> }
    });
    view! {
        <thead>
            <tr aria-rowindex="1">
                <th scope="col">"ID"</th>
                <th scope="col" class="split">"Split"</th>
                {tasks.collect_view()}
            </tr>
        </thead>
    }
}

/// A column name that may break after its underscores.
pub fn breakable(name: &str) -> impl IntoView + use<> {
    name.split_inclusive('_').map(|part| view! { {part.to_owned()} <wbr/> }).collect_view()
}

#[component]
fn MoleculeRow(bundle: Arc<OpenBundle>, row: usize, molecule: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let entry = &bundle.molecules()[molecule];
    let selected = move || explorer.selected.get() == Some(molecule);
    let choose = move |_| {
        explorer.select(molecule);
        if !molecule_is_beside() {
            explorer.go_to(Screen::Molecule);
        }
    };
    let cells = (0..bundle.manifest.schema.tasks.len())
        .map(|task| {
            let label = entry.labels.as_ref().and_then(|labels| labels.get(task).copied());
            view! { <ProbabilityCell molecule task label/> }
        })
        .collect_view();
    view! {
        <tr
            id=format!("molecule-{molecule}")
            aria-rowindex=row + 2
            aria-selected=move || selected().to_string()
            class:selected=selected
            on:click=choose
            on:dblclick=move |_| explorer.go_to(Screen::Molecule)
        >
            <th scope="row" title=entry.smiles.clone()>{entry.id.clone()}</th>
            <td class="split">{entry.split.clone()}</td>
            {cells}
        </tr>
    }
}

/// Whether the window has room for the molecule beside the table.
fn molecule_is_beside() -> bool {
    let panel = document().query_selector("section.molecule").ok().flatten();
    panel.is_some_and(|panel| panel.client_width() > 0)
}

/// One probability as a number and a bar, with the label where it is known.
#[component]
fn ProbabilityCell(molecule: usize, task: usize, label: Option<u8>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let probability = move || {
        explorer.predictions.with(|predictions| predictions.get(molecule)?.as_ref()?.probability(task))
    };
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

/// Positions of the molecules whose ID contains the text.
fn matching(bundle: &OpenBundle, text: &str) -> Arc<Vec<u32>> {
    let text = text.trim().to_lowercase();
    let molecules = bundle.molecules().iter().enumerate();
    let matches = molecules.filter(|(_, molecule)| molecule.id.to_lowercase().contains(&text));
    Arc::new(matches.map(|(position, _)| position as u32).collect())
}

/// The row in which a molecule is shown; positions are in ascending order.
fn row_of(shown: &[u32], molecule: usize) -> Option<usize> {
    shown.binary_search(&(molecule as u32)).ok()
}

fn visible_rows(scroll: f64, height: f64, count: usize) -> Range<usize> {
    let first = (scroll / ROW_HEIGHT) as usize;
    let last = first + (height / ROW_HEIGHT).ceil() as usize + SPARE_ROWS;
    first.saturating_sub(SPARE_ROWS).min(count)..last.min(count)
}

/// The molecule that a key leads to.
fn next_row(key: &str, shown: &[u32], explorer: Explorer, page: usize) -> Option<usize> {
    let last = shown.len().checked_sub(1)?;
    let now = explorer.selected.get_untracked().and_then(|selected| row_of(shown, selected)).unwrap_or(0);
    let row = match key {
        "ArrowDown" => now + 1,
        "ArrowUp" => now.saturating_sub(1),
        "PageDown" => now + page,
        "PageUp" => now.saturating_sub(page),
        "Home" => 0,
        "End" => last,
        _ => return None,
    };
    Some(shown[row.min(last)] as usize)
}

fn pixels(rows: usize) -> String {
    format!("{}px", rows as f64 * ROW_HEIGHT)
}

/// Keeps the height of the viewport known.
fn observe_height(viewport: &web_sys::HtmlDivElement, height: RwSignal<f64>) {
    let watched = viewport.clone();
    let callback = Closure::<dyn FnMut()>::new(move || height.set(f64::from(watched.client_height())));
    if let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) {
        observer.observe(viewport);
    }
    // The observer lives as long as the element, which lives as long as the bundle is open.
    callback.forget();
}

/// Scrolls as little as shows the row below the sticky heading.
fn scroll_into_view(viewport: &web_sys::HtmlDivElement, row: usize) {
    let heading = viewport
        .query_selector("thead")
        .ok()
        .flatten()
        .map_or(0.0, |heading| heading.get_bounding_client_rect().height());
    let (top, height) = (f64::from(viewport.scroll_top()), f64::from(viewport.client_height()));
    let row_top = row as f64 * ROW_HEIGHT;
    // The heading covers the first pixels of the view, but pushes the rows down by as much.
    let visible = height - heading;
    if row_top < top {
        viewport.set_scroll_top(row_top as i32);
    } else if row_top + ROW_HEIGHT > top + visible {
        viewport.set_scroll_top((row_top + ROW_HEIGHT - visible).ceil() as i32);
    }
}
