//! What the model says of a molecule, a row a task: the probability, its place among all molecules, what is behind it.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::{ModelEntry, Molecule};
use shared_model::ensemble::Estimate;
use shared_model::figures::signed;

use super::texts;
use crate::page::estimate::{EXPLANATION, in_words, probability_bar};
use crate::page::help::Help;
use crate::page::molecule_table::{breakable, label_mark};
use crate::page::sharing::standing;
use crate::page::state::{Explorer, OpenBundle};
use explorer::protocol::{Models, Prediction};
use explorer::standing::side;

/// The table of the tasks.
pub fn predictions(
    explorer: Explorer,
    bundle: &Arc<OpenBundle>,
    molecule: &Molecule,
    prediction: &Prediction,
) -> impl IntoView + use<> {
    let models: &[ModelEntry] = &bundle.manifest.models;
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let nothing = Estimate { mean: f32::NAN, std: None };
        let probability = prediction.probability(task).unwrap_or(nothing);
        let label = molecule.labels.as_ref().and_then(|labels| labels.get(task).copied());
        view! {
            <tr>
                <th scope="row">
                    {breakable(&about.name)}
                    {about.description.clone().map(|text| view! { <span class="faint">{text}</span> })}
                </th>
                <td
                    class="task"
                    data-value=probability.mean.to_string()
                    data-std=probability.std.map(|std| std.to_string())
                    title=probability.std.map(|_| EXPLANATION)
                >
                    <span class="number">{in_words(probability, if probability.std.is_some() { 3 } else { 4 })}</span>
                    {probability_bar(move || Some(probability))}
                </td>
                <td class="place">{place(explorer, bundle.clone(), task, probability)}</td>
                {behind(models, prediction, task)}
                <td class="known">{label.map(label_mark)}</td>
            </tr>
        }
    });
    let behind = match &prediction.models {
        Models::Single { .. } => {
            view! { <th scope="col" class="number behind">"Logit"<Help text=texts::LOGIT/></th> }.into_any()
        }
        Models::Ensemble { .. } => {
            view! { <th scope="col" class="members">"Members"<Help text=texts::MEMBERS/></th> }.into_any()
        }
    };
    view! {
        <table class="tasks" id="tasks">
            <thead>
                <tr>
                    <th scope="col">"Task"</th>
                    <th scope="col" class="number">"Probability"<Help text=texts::PROBABILITY/></th>
                    <th scope="col" class="place">"Among all molecules"<Help text=texts::PLACE/></th>
                    {behind}
                    <th scope="col" class="known">"Known"</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

/// The probability among those of the bundle's molecules, once all are predicted, and the side of the threshold.
fn place(explorer: Explorer, bundle: Arc<OpenBundle>, task: usize, probability: Estimate) -> impl IntoView {
    let place = Memo::new(move |_| {
        explorer.predicted.track();
        standing(explorer, task, probability)
    });
    move || {
        let threshold = explorer.threshold(&bundle, task);
        let drawn = place.get().map(|place| {
            view! {
                <span class="range" role="img" aria-label=place.in_words(threshold)>
                    <span class="drawing" inner_html=place.drawing(threshold)></span>
                    <span>{format!("{:.3}", place.low)}</span>
                    <span>{format!("{:.3}", place.high)}</span>
                </span>
                <span data-percentile=place.percentile.to_string()>{format!("percentile {:.0}", place.percentile)}</span>
                ", "
            }
        });
        let side = side(probability.mean, threshold);
        view! { {drawn}<span data-threshold=threshold.to_string()>{side}</span> }
    }
}

/// What a probability comes from: the logit of a single model, or what each member of an ensemble says.
fn behind(models: &[ModelEntry], prediction: &Prediction, task: usize) -> impl IntoView + use<> {
    match &prediction.models {
        Models::Single { logits } => {
            let logit = logits.get(task).copied().unwrap_or(f32::NAN);
            view! { <td class="number behind" data-value=logit.to_string()>{signed(logit.into(), 3)}</td> }
                .into_any()
        }
        Models::Ensemble { probabilities, .. } => {
            let said: Vec<f32> =
                probabilities.iter().filter_map(|member| member.get(task).copied()).collect();
            let words: Vec<String> =
                models.iter().zip(&said).map(|(model, said)| format!("{} {said:.3}", model.name)).collect();
            let words = words.join(", ");
            let dots = said.iter().map(|said| {
                view! { <span class="dot" style:left=format!("{:.1}%", 100.0 * said)></span> }
            });
            let title = words.clone();
            view! {
                <td class="members" title=title>
                    <span class="strip" role="img" aria-label=words>{dots.collect_view()}</span>
                </td>
            }
            .into_any()
        }
    }
}
