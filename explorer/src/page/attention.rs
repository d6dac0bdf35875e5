//! The attention map: how much each task looks at each conformer.

use leptos::prelude::*;
use shared_model::bundle::Molecule;

use super::estimate::{EXPLANATION, whisker};
use super::molecule_table::breakable;
use super::state::OpenBundle;
use crate::colour::viridis;
use crate::protocol::Prediction;

/// Attention as a table, tasks × conformers, coloured from 0 to the largest weight of this molecule.
pub fn attention_map(
    bundle: &OpenBundle,
    molecule: &Molecule,
    prediction: &Prediction,
) -> impl IntoView + use<> {
    let largest = prediction.attention.iter().copied().fold(0.0, f32::max);
    let farthest = prediction.attention().map(|w| w.mean + w.std.unwrap_or(0.0)).fold(0.0, f32::max);
    let spread = prediction.attention().any(|weight| weight.std.is_some());
    let columns = molecule.conformers.len();
    let head =
        molecule.conformers.iter().map(|id| view! { <th scope="col">{id.clone()}</th> }).collect_view();
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let weights = prediction.attention().skip(task * columns).take(columns);
        let cells = weights.map(|weight| {
            let colour = viridis(weight.mean / largest);
            view! {
                <td
                    data-value=weight.mean.to_string()
                    data-std=weight.std.map(|std| std.to_string())
                    style:background-color=colour.background
                    style:color=colour.text
                >
                    {format!("{:.3}", weight.mean)}
                    {weight.std.map(|std| view! {
                        <span class="spread">{format!("±\u{a0}{std:.3}")}</span>
                        <span class="axis" aria-hidden="true">{whisker(weight, farthest)}</span>
                    })}
                </td>
            }
        });
        view! {
            <tr>
                <th scope="row">{breakable(&about.name)}</th>
                {cells.collect_view()}
            </tr>
        }
    });
    view! {
        <h3>"Attention"</h3>
        <p class="faint" id="attention-caption">
            "Share of each task's attention that goes to each conformer; a row adds up to 1."
            {spread.then(|| format!(" Shown is the {EXPLANATION}."))}
        </p>
        <div class="map" tabindex="0" role="group" aria-label="Attention map">
            <table id="attention" aria-describedby="attention-caption">
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
            <span>{format!("{largest:.3}")}</span>
        </p>
    }
}
