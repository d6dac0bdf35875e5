//! The molecules of the bundle: a table of which only the visible rows are in the document.

mod arrangement;
mod body;
mod choices;
mod filters;
mod heading;
mod pictures;
mod row;
mod sdf;
mod texts;
mod toolbar;
mod viewport;

use std::sync::Arc;

use leptos::ev::KeyboardEvent;
use leptos::html::{Div, Tbody};
use leptos::prelude::*;

pub use self::arrangement::Arrangement;
use self::heading::Heading;
pub use self::row::label_mark;
use self::toolbar::Toolbar;
use self::viewport::Viewport;
use super::help::HelpPanel;
use super::state::{Explorer, OpenBundle};
use explorer::table::Quantity;
use explorer::view::Screen;

/// The table, and the controls above it.
#[component]
pub fn MoleculeTable(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let arrangement = expect_context::<Arrangement>();
    let element = NodeRef::<Div>::new();
    let pictured = Memo::new(move |_| {
        arrangement.columns.read().iter().any(|column| column.quantity == Quantity::Structure)
    });
    let viewport = Viewport::new(element, pictured);
    let rows = arrangement.rows;
    let count = Memo::new(move |_| rows.read().len() - arrangement.pinned.get());
    let visible = Memo::new(move |_| viewport.visible_rows(arrangement.pinned.get(), count.get()));

    let bodies = [NodeRef::<Tbody>::new(), NodeRef::<Tbody>::new()];
    body::keep_rows(bodies[0], bundle.clone(), Memo::new(move |_| 0..arrangement.pinned.get()), false);
    let below_pinned = Memo::new(move |_| {
        let (pinned, visible) = (arrangement.pinned.get(), visible.get());
        visible.start + pinned..visible.end + pinned
    });
    body::keep_rows(bodies[1], bundle.clone(), below_pinned, true);
    let click = move |event| body::click(explorer, arrangement, &event);
    let double_click = move |event| body::double_click(explorer, arrangement, &event);

    // A new selection, by keyboard or because the search hides the old one, scrolls into view.
    Effect::new(move |_| {
        if let Some(row) = explorer.selected.get().and_then(|selected| arrangement.row_of(selected))
            && let Some(row) = row.checked_sub(arrangement.pinned.get_untracked())
        {
            viewport.show(row, arrangement.pinned.get_untracked());
        }
    });
    let keys = move |event: KeyboardEvent| {
        // Headings and pins are buttons, with keys of their own.
        let within = |selector| body::within(&event, selector).is_some();
        if within("thead") || (event.key() == "Enter" && within("button")) {
            return;
        }
        let page = viewport.rows_of_page(arrangement.pinned.get_untracked());
        let Some(selected) = explorer.selected.get_untracked() else { return };
        match event.key().as_str() {
            "Enter" => explorer.go_to(Screen::Molecule),
            "p" => body::pin(explorer, selected),
            key => {
                let row = arrangement.row_of(selected);
                let next = rows.with_untracked(|rows| {
                    viewport::next_row(key, row, rows.len(), page).map(|row| rows[row] as usize)
                });
                let Some(next) = next else { return };
                // The first row may be a pinned one, which is always seen.
                if key == "Home" {
                    viewport.show(0, arrangement.pinned.get_untracked());
                }
                explorer.select(next);
            }
        }
        event.prevent_default();
    };
    // Only a row that is in the document can be named.
    let selected_row = Memo::new(move |_| {
        let selected = explorer.selected.get()?;
        rows.read().iter().position(|&row| row as usize == selected)
    });
    let active = move || {
        let below = selected_row.get()?.checked_sub(arrangement.pinned.get());
        let drawn = below.is_none_or(|row| visible.with(|visible| visible.contains(&row)));
        drawn.then(|| explorer.selected.get().map(row::row_id)).flatten()
    };
    view! {
        <section class="molecules" aria-label="Molecules">
            <Toolbar bundle=bundle.clone()/>
            <div
                class="viewport"
                class:pictured=move || pictured.get()
                class:sideways=move || viewport.is_narrower_than(heading::width(&arrangement.columns.read()))
                node_ref=element
                on:scroll:target=move |event| viewport.scrolled(&event.target())
            >
                <table
                    role="grid"
                    id="molecules"
                    tabindex="0"
                    aria-label="Molecules: arrow keys select, Enter opens, p pins"
                    aria-rowcount=move || rows.read().len() + 1
                    aria-activedescendant=active
                    style:min-width=move || format!("{}px", heading::width(&arrangement.columns.read()))
                    on:keydown=keys
                >
                    <Heading bundle/>
                    <tbody class="pinned" node_ref=bodies[0] on:click=click on:dblclick=double_click></tbody>
                    <tbody node_ref=bodies[1] on:click=click on:dblclick=double_click>
                        <tr class="spacer" aria-hidden="true">
                            <td style:height=move || viewport.pixels(visible.get().start)></td>
                        </tr>
                        <tr class="spacer" aria-hidden="true">
                            <td style:height=move || viewport.pixels(count.get() - visible.get().end)></td>
                        </tr>
                    </tbody>
                </table>
                <Show when=move || arrangement.matching.read().is_empty()>
                    <NothingFound/>
                </Show>
            </div>
            // Of headings and of the choice of columns.
            {texts::ALL.map(|text| view! { <HelpPanel text/> }).collect_view()}
        </section>
    }
}

/// What is there instead of rows.
#[component]
fn NothingFound() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let clear = move |_| {
        explorer.view.update(|view| {
            view.search.clear();
            view.filters.clear();
        });
    };
    view! {
        <div class="nothing">
            <p>"No molecule matches."</p>
            <button type="button" on:click=clear>"Clear search and ranges"</button>
        </div>
    }
}

/// A column name that may break after its underscores.
pub fn breakable(name: &str) -> impl IntoView + use<> {
    name.split_inclusive('_').map(|part| view! { {part.to_owned()} <wbr/> }).collect_view()
}
