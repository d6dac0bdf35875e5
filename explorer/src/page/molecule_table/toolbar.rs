//! What stands above the table: search, ranges, columns, export and the count.

use std::sync::Arc;

use leptos::prelude::*;

use super::Arrangement;
use super::choices::ColumnChoices;
use super::filters::Filters;
use super::sdf::{Progress, SdfButton, SdfProgress};
use crate::page::download::download;
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::{Column, csv};
use explorer::view::Screen;

/// What is unfolded below the toolbar.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unfolded {
    Nothing,
    Ranges,
    Columns,
}

/// The controls of the table.
#[component]
pub fn Toolbar(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let arrangement = expect_context::<Arrangement>();
    // A link with ranges shows them.
    let ranges = explorer.view.with_untracked(|view| !view.filters.is_empty());
    let unfolded = RwSignal::new(if ranges { Unfolded::Ranges } else { Unfolded::Nothing });
    let all = bundle.molecules().len();
    let count = move || match arrangement.matching.read().len() {
        shown if shown == all => format!("{} shown", thousands(all)),
        shown => format!("{} of {} shown", thousands(shown), thousands(all)),
    };
    let search = move |text: String| {
        explorer.view.update(|view| view.search = text);
        // Who types an ID wants to see that molecule.
        let selected = explorer.selected.get_untracked();
        let hidden = selected.is_some_and(|selected| arrangement.row_of(selected).is_none());
        let first = arrangement.matching.with_untracked(|matching| matching.first().copied());
        if let Some(first) = first.filter(|_| hidden) {
            explorer.select(first as usize);
        }
    };
    let ranges = move || match explorer.view.with(|view| view.filters.len()) {
        0 => "Ranges".to_owned(),
        count => format!("Ranges ({count})"),
    };
    let toggle = move |name: Signal<String>, what: Unfolded| {
        let open = move || unfolded.get() == what;
        let flip = move |_| unfolded.set(if open() { Unfolded::Nothing } else { what });
        view! { <button type="button" aria-expanded=move || open().to_string() on:click=flip>{name}</button> }
    };
    let exported = bundle.clone();
    let export = move |_| {
        let columns = arrangement.columns.get_untracked();
        let columns: Vec<&Column> = columns.iter().collect();
        let rows = arrangement.matching.get_untracked();
        let text = explorer.numbers.with_value(|numbers| csv(&columns, numbers, exported.molecules(), &rows));
        download(&format!("{}.csv", exported.name.trim_end_matches(".optimil")), &text);
    };
    let progress = RwSignal::new(Progress::Idle);
    let sdf = bundle.has_coordinates().then(|| view! { <SdfButton bundle=bundle.clone() progress/> });
    let unfolded_part = move || match unfolded.get() {
        Unfolded::Nothing => ().into_any(),
        Unfolded::Ranges => view! { <Filters bundle=bundle.clone()/> }.into_any(),
        Unfolded::Columns => view! { <ColumnChoices bundle=bundle.clone()/> }.into_any(),
    };
    view! {
        <div class="toolbar">
            <input
                type="search"
                id="search"
                placeholder="Search by ID or SMILES"
                aria-label="Search by ID or SMILES"
                prop:value=move || explorer.view.read().search.clone()
                on:input:target=move |event| search(event.target().value())
                on:keydown=move |event| if event.key() == "Enter" { explorer.go_to(Screen::Molecule) }
            />
            <div class="buttons">
                {toggle(Signal::derive(ranges), Unfolded::Ranges)}
                {toggle("Columns".to_owned().into(), Unfolded::Columns)}
                <button type="button" id="export-csv" title="The molecules shown, with the columns shown" on:click=export>
                    "CSV"
                </button>
                {sdf}
            </div>
            <span id="count" role="status">{count}</span>
        </div>
        <Show when=move || arrangement.outdated.get()>
            <p class="outdated">
                <span>"More predictions have come since these rows were put in order."</span>
                <button type="button" on:click=move |_| arrangement.update(explorer)>"Update"</button>
            </p>
        </Show>
        <SdfProgress progress/>
        {unfolded_part}
    }
}

/// "12,345"
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
