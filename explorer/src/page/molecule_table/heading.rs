//! The heading of the table: names of the columns, by which it is sorted.

use std::sync::Arc;

use leptos::prelude::*;

use super::{Arrangement, breakable};
use crate::page::state::{Explorer, OpenBundle};
use crate::table::{Column, Quantity};
use crate::view::View;

/// The least width of the table with these columns, in CSS pixels: below it, it scrolls sideways.
pub fn width(columns: &[Column]) -> usize {
    columns.iter().map(|column| if column.quantity == Quantity::Id { 130 } else { 88 }).sum()
}

/// The names of the columns.
#[component]
pub fn Heading(bundle: Arc<OpenBundle>) -> impl IntoView {
    let arrangement = expect_context::<Arrangement>();
    let names = move || {
        let columns = arrangement.columns.get();
        columns
            .iter()
            .map(|column| view! { <Name bundle=bundle.clone() column=column.clone()/> })
            .collect_view()
    };
    view! { <thead><tr aria-rowindex="1">{names}</tr></thead> }
}

#[component]
fn Name(bundle: Arc<OpenBundle>, column: Column) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let description = match column.quantity {
        Quantity::Probability(task) => bundle.manifest.schema.tasks[task].description.clone(),
        _ => None,
    };
    let Column { key, title, quantity, .. } = column;
    let sorted = {
        let key = key.clone();
        Memo::new(move |_| explorer.view.with(|view| view.order_of(&key)))
    };
    let order = move || sorted.get().map(|descending| if descending { "descending" } else { "ascending" });
    let sort = move |_| explorer.view.update(|view: &mut View| view.sort_by(&key, !quantity.is_text()));
    let class = match quantity {
        Quantity::Id => "id",
        Quantity::Split => "split",
        Quantity::Probability(_) => "task",
        _ => "number",
    };
    view! {
        <th scope="col" class=class title=description aria-sort=order>
            <button type="button" on:click=sort>{breakable(&title)}</button>
        </th>
    }
}
