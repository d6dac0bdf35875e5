//! What the model says of a molecule, a row a task: the probability, its place among all molecules, what is behind it.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::{ModelEntry, Molecule};
use shared_model::ensemble::Estimate;
use shared_model::figures::signed;

use super::{Predicted, texts};
use crate::page::estimate::{EXPLANATION, in_words, probability_bar};
use crate::page::help::Help;
use crate::page::molecule_table::{breakable, label_mark};
use crate::page::sharing::standing;
use crate::page::state::{Explorer, OpenBundle};
use explorer::protocol::Models;
use explorer::standing::{on_axis, side};

/// The table of the tasks; what the model says is filled in when it comes.
pub fn predictions(
    explorer: Explorer,
    bundle: &Arc<OpenBundle>,
    molecule: &Molecule,
    prediction: Predicted,
) -> impl IntoView + use<> {
    let models: &[ModelEntry] = &bundle.manifest.models;
    let unknown = explorer.unknown;
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let probability = move || prediction.with(|known| known.as_ref()?.probability(task));
        let spread = move || probability()?.std;
        let decimals = move |probability: Estimate| if probability.std.is_some() { 3 } else { 4 };
        let number = move || {
            probability().map_or_else(
                || unknown.get().into(),
                |probability| in_words(probability, decimals(probability)),
            )
        };
        let label = molecule.labels.as_ref().and_then(|labels| labels.get(task).copied());
        view! {
            <tr>
                <th scope="row">
                    {breakable(&about.name)}
                    {about.description.clone().map(|text| view! { <span class="faint">{text}</span> })}
                </th>
                <td
                    class="task"
                    data-value=move || probability().map(|probability| probability.mean.to_string())
                    data-std=move || spread().map(|std| std.to_string())
                    title=move || spread().map(|_| EXPLANATION)
                >
                    <span class="number">{number}</span>
                    {probability_bar(probability)}
                </td>
                <td class="place">{place(explorer, bundle.clone(), task, probability)}</td>
                {behind(models, prediction, task, unknown)}
                <td class="known">{label.map(label_mark)}</td>
            </tr>
        }
    });
    let behind = match models {
        [_] => {
            view! { <th scope="col" class="number behind">"Logit"<Help text=texts::LOGIT/></th> }.into_any()
        }
        _ => view! { <th scope="col" class="members">"Members"<Help text=texts::MEMBERS/></th> }.into_any(),
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
fn place(
    explorer: Explorer,
    bundle: Arc<OpenBundle>,
    task: usize,
    probability: impl Fn() -> Option<Estimate> + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let place = Memo::new(move |_| {
        explorer.predicted.track();
        standing(explorer, task, probability()?)
    });
    move || {
        let threshold = explorer.threshold(&bundle, task);
        let side = match probability() {
            Some(probability) => side(probability.mean, threshold),
            None => format!("threshold {threshold:.3}"),
        };
        let Some(place) = place.get() else {
            let unknown = explorer.unknown.get();
            return view! {
                <span class="range" aria-hidden="true">
                    <span class="drawing" inner_html=on_axis("")></span>
                    <span>{unknown}</span>
                    <span>{unknown}</span>
                </span>
                {format!("percentile {unknown}, ")}
                <span data-threshold=threshold.to_string()>{side}</span>
            }
            .into_any();
        };
        view! {
            <span class="range" role="img" aria-label=place.in_words(threshold)>
                <span class="drawing" inner_html=place.drawing(threshold)></span>
                <span>{format!("{:.3}", place.low)}</span>
                <span>{format!("{:.3}", place.high)}</span>
            </span>
            <span data-percentile=place.percentile.to_string()>{format!("percentile {:.0}", place.percentile)}</span>
            ", "
            <span data-threshold=threshold.to_string()>{side}</span>
        }
        .into_any()
    }
}

/// What a probability comes from: the logit of a single model, or what each member of an ensemble says.
fn behind(models: &[ModelEntry], prediction: Predicted, task: usize, unknown: Memo<&'static str>) -> AnyView {
    if let [_] = models {
        let logit = move || {
            prediction.with(|known| match &known.as_ref()?.models {
                Models::Single { logits } => logits.get(task).copied(),
                Models::Ensemble { .. } => None,
            })
        };
        return view! {
            <td class="number behind" data-value=move || logit().map(|logit| logit.to_string())>
                {move || logit().map_or_else(|| unknown.get().into(), |logit| signed(logit.into(), 3))}
            </td>
        }
        .into_any();
    }
    let said = move || {
        prediction.with(|known| match &known.as_ref()?.models {
            Models::Single { .. } => None,
            Models::Ensemble { probabilities, .. } => {
                Some(probabilities.iter().filter_map(|member| member.get(task).copied()).collect::<Vec<_>>())
            }
        })
    };
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let words = Memo::new(move |_| {
        let words: Vec<String> =
            names.iter().zip(said()?).map(|(name, said)| format!("{name} {said:.3}")).collect();
        Some(words.join(", "))
    });
    let dots = move || {
        let dots = said()?.into_iter().map(|said| {
            view! { <span class="dot" style:left=format!("{:.1}%", 100.0 * said)></span> }
        });
        Some(dots.collect_view())
    };
    view! {
        <td class="members" title=move || words.get()>
            <span class="strip" role="img" aria-label=move || words.get()>{dots}</span>
        </td>
    }
    .into_any()
}
