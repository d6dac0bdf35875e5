//! Ranges of numbers that the molecules in the table lie in.

use std::sync::Arc;

use leptos::prelude::*;

use crate::page::state::{Explorer, OpenBundle};
use explorer::table::Column;
use explorer::view::{Filter, View};

/// The ranges, a line each, and the way to add one.
#[component]
pub fn Filters(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    // Words have no ranges; the order in which columns are offered is that of the table.
    let columns: Arc<Vec<Column>> =
        Arc::new(bundle.columns.iter().filter(|column| !column.quantity.is_text()).cloned().collect());
    let first =
        columns.iter().find(|column| column.usual && column.key.starts_with("p ")).or(columns.first());
    let first = first.map(|column| column.key.clone()).unwrap_or_default();
    let add = move |_| {
        let column = first.clone();
        explorer.view.update(|view| view.filters.push(Filter { column, low: None, high: None }));
    };
    let count = Memo::new(move |_| explorer.view.with(|view| view.filters.len()));
    view! {
        <div class="unfolded" id="ranges" role="group" aria-label="Ranges">
            <p class="faint">
                "Only molecules whose numbers lie in all of these ranges are shown, both ends included; an empty field is no "
                "bound. Molecules that are not predicted yet lie in no range of predictions."
            </p>
            <For each=move || 0..count.get() key=|place| *place let:place>
                <Range columns=columns.clone() place/>
            </For>
            <button type="button" on:click=add>"Add a range"</button>
        </div>
    }
}

#[component]
fn Range(columns: Arc<Vec<Column>>, place: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let column = Memo::new(move |_| {
        explorer
            .view
            .with(|view| view.filters.get(place).map(|filter| filter.column.clone()))
            .unwrap_or_default()
    });
    let options = columns.iter().map(|offered| {
        let key = offered.key.clone();
        let chosen = move || column.with(|column| *column == key);
        view! { <option value=offered.key.clone() selected=chosen>{offered.title.clone()}</option> }
    });
    let choose = move |key: String| {
        explorer.view.update(|view| view.filters[place] = Filter { column: key, low: None, high: None });
    };
    // What the numbers range over stands where a bound could be.
    let reach = Memo::new(move |_| {
        explorer.predicted.track();
        explorer.numbers.with_value(|numbers| numbers.range(&column.read()))
    });
    let remove = move |_| explorer.view.update(|view| drop(view.filters.remove(place)));
    view! {
        <div class="range">
            <select aria-label="Column" on:change:target=move |event| choose(event.target().value())>
                {options.collect_view()}
            </select>
            <Bound
                name="from"
                hint=Signal::derive(move || reach.get().map(|(low, _)| low))
                get=move |view| view.filters.get(place)?.low
                set=move |view, bound| view.filters[place].low = bound
            />
            <Bound
                name="to"
                hint=Signal::derive(move || reach.get().map(|(_, high)| high))
                get=move |view| view.filters.get(place)?.high
                set=move |view, bound| view.filters[place].high = bound
            />
            <button type="button" class="quiet" aria-label="Remove this range" on:click=remove>"Remove"</button>
        </div>
    }
}

#[component]
fn Bound(
    name: &'static str,
    hint: Signal<Option<f32>>,
    get: impl Fn(&View) -> Option<f32> + Copy + Send + Sync + 'static,
    set: impl Fn(&mut View, Option<f32>) + Copy + 'static,
) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let bound = Memo::new(move |_| explorer.view.with(get));
    // What is typed stays as it is typed ("0.50") while it means the same.
    let typed = RwSignal::new(String::new());
    Effect::new(move |_| {
        let bound = bound.get();
        if parse(&typed.read_untracked()) != Some(bound) {
            typed.set(bound.map(|bound| bound.to_string()).unwrap_or_default());
        }
    });
    let typing = move |text: String| {
        let parsed = parse(&text);
        typed.set(text);
        if let Some(parsed) = parsed {
            explorer.view.update(|view| set(view, parsed));
        }
    };
    let invalid = move || parse(&typed.read()).is_none().then_some("true");
    view! {
        <label>
            {name}" "
            <input
                type="text"
                inputmode="decimal"
                placeholder=move || hint.get().map(|hint| format!("{}", (hint * 1000.0).round() / 1000.0))
                aria-invalid=invalid
                prop:value=typed
                on:input:target=move |event| typing(event.target().value())
            />
        </label>
    }
}

/// A bound as somebody types it; nothing if it is no number.
fn parse(text: &str) -> Option<Option<f32>> {
    let text = text.trim().replace(',', ".");
    match text.as_str() {
        "" => Some(None),
        text => text.parse().ok().filter(|bound: &f32| bound.is_finite()).map(Some),
    }
}
