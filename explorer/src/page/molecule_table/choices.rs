//! Which columns the table shows.

use std::sync::Arc;

use leptos::prelude::*;

use super::texts;
use crate::page::help::{HelpButton, HelpText};
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::{Column, Quantity};

/// A name, what it means, and which columns have it.
type Group = (&'static str, Option<HelpText>, fn(Quantity) -> bool);

/// A box for each column, by what they say.
#[component]
pub fn ColumnChoices(bundle: Arc<OpenBundle>) -> impl IntoView {
    let groups: [Group; 5] = [
        ("Molecule", None, |q| matches!(q, Quantity::Structure | Quantity::Split | Quantity::Conformers)),
        ("Probability", Some(texts::PROBABILITY), |q| matches!(q, Quantity::Probability(_))),
        ("Spread over the ensemble", Some(texts::SPREAD), |q| matches!(q, Quantity::Spread(_))),
        ("Known labels", Some(texts::KNOWN), |q| matches!(q, Quantity::Known(_))),
        ("Effective conformers", Some(texts::EFFECTIVE), |q| {
            matches!(q, Quantity::Effective | Quantity::EffectiveOf(_))
        }),
    ];
    let groups = groups.into_iter().filter_map(|(name, help, belongs)| {
        let columns: Vec<&Column> = bundle.columns.iter().filter(|column| belongs(column.quantity)).collect();
        let boxes = columns.iter().map(|column| view! { <Choice column=(*column).clone()/> }).collect_view();
        (!columns.is_empty()).then(|| {
            view! {
                <fieldset>
                    <legend>{name}{help.map(|text| view! { <HelpButton text about=text.name.to_owned()/> })}</legend>
                    {boxes}
                </fieldset>
            }
        })
    });
    view! { <div class="unfolded" id="columns" role="group" aria-label="Columns">{groups.collect_view()}</div> }
}

#[component]
fn Choice(column: Column) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let title = column.title.clone();
    let usual = column.usual;
    let key = column.key.clone();
    let shown = move || explorer.view.with(|view| column.is_shown(&view.columns));
    let choose = move |checked: bool| {
        explorer.view.update(|view| {
            if checked == usual {
                view.columns.remove(&key);
            } else {
                view.columns.insert(key.clone(), checked);
            }
        });
    };
    view! {
        <label>
            <input
                type="checkbox"
                prop:checked=shown
                on:change:target=move |event| choose(event.target().checked())
            />
            {title}
        </label>
    }
}
