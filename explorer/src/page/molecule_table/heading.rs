//! The heading of the table: names of the columns, by which it is sorted.

use std::sync::Arc;

use leptos::prelude::*;

use super::{Arrangement, breakable, texts};
use crate::page::help::HelpButton;
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::{Column, Quantity};
use explorer::view::View;

/// The least width of the table with these columns, in CSS pixels: below it, it scrolls sideways. The style sheet says the
/// same of the first columns.
pub fn width(columns: &[Column]) -> usize {
    let width = |column: &Column| match column.quantity {
        Quantity::Id => 124,
        Quantity::Structure => 112,
        Quantity::Split => 68,
        Quantity::Effective | Quantity::EffectiveOf(_) => 98,
        _ => 88,
    };
    columns.iter().map(width).sum()
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
    let about = title.clone();
    let name = breakable(&title);
    let sorted = {
        let key = key.clone();
        Memo::new(move |_| explorer.view.with(|view| view.order_of(&key)))
    };
    let order = move || sorted.get().map(|descending| if descending { "descending" } else { "ascending" });
    let sort = move |_| explorer.view.update(|view: &mut View| view.sort_by(&key, !quantity.is_text()));
    // There is no order of pictures.
    let name = match quantity {
        Quantity::Structure => view! { <div><span>{name}</span></div> }.into_any(),
        _ => {
            view! { <button type="button" class="sort" on:click=sort><span>{name}</span></button> }.into_any()
        }
    };
    let class = match quantity {
        Quantity::Id => "id",
        Quantity::Structure => "picture",
        Quantity::Split => "split",
        Quantity::Probability(_) => "task",
        Quantity::Effective | Quantity::EffectiveOf(_) => "number effective",
        _ => "number",
    };
    view! {
        <th scope="col" class=class title=description aria-sort=order>
            {name}
            <HelpButton text=texts::of(quantity) about/>
        </th>
    }
}
