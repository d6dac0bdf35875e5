//! The molecule that is looked at.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::{ModelEntry, Molecule};
use shared_model::ensemble::Estimate;

use super::attention::attention_map;
use super::conformers_3d::Conformers3d;
use super::estimate::{EXPLANATION, in_words, probability_bar};
use super::molecule_table::{breakable, label_mark};
use super::sharing::{Sharing, percentile_of};
use super::state::{Explorer, OpenBundle};
use super::structure::Structure;
use super::truth::Truth;
use crate::protocol::{Models, Prediction};

/// Everything about the selected molecule.
#[component]
pub fn MoleculePanel(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let panel = move || match explorer.selected.get() {
        Some(position) => view! { <SelectedMolecule bundle=bundle.clone() position/> }.into_any(),
        None => ().into_any(),
    };
    view! { <section class="molecule" aria-label="Selected molecule">{panel}</section> }
}

#[component]
fn SelectedMolecule(bundle: Arc<OpenBundle>, position: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let prediction =
        Memo::new(move |_| explorer.predictions.with(|known| known.get(position).cloned().flatten()));
    let molecule = bundle.molecules()[position].clone();
    let looked = RwSignal::new(None);
    let waiting = || view! { <p class="faint">"Not predicted yet."</p> }.into_any();
    let tasks = {
        let (bundle, molecule) = (bundle.clone(), molecule.clone());
        move || match prediction.get() {
            Some(prediction) => task_table(explorer, &bundle, &molecule, &prediction).into_any(),
            None => waiting(),
        }
    };
    let map = {
        let (bundle, molecule) = (bundle.clone(), molecule.clone());
        move || {
            let prediction = prediction.get()?;
            Some(attention_map(explorer, &bundle, &molecule, &prediction, looked))
        }
    };
    let sharing = {
        let bundle = bundle.clone();
        move || {
            let prediction = prediction.get()?;
            Some(view! { <Sharing bundle=bundle.clone() position prediction/> })
        }
    };
    view! {
        <h2 id="selected">{molecule.id.clone()}</h2>
        {facts(&molecule)}
        <div class="pair">
            {formula(&molecule)}
            <div class="wide">{tasks}</div>
        </div>
        <div class="pair">
            <div class="attention">{map}</div>
            <Conformers3d bundle=bundle.clone() position looked/>
        </div>
        {sharing}
        <Truth bundle position/>
    }
}

fn facts(molecule: &Molecule) -> impl IntoView + use<> {
    let conformers = match molecule.conformers.len() {
        1 => "1 conformer".to_owned(),
        count => format!("{count} conformers"),
    };
    view! {
        <p class="facts">
            {molecule.split.clone().map(|split| view! { <span>{split}</span> })}
            <span>{conformers}</span>
        </p>
    }
}

fn formula(molecule: &Molecule) -> impl IntoView + use<> {
    molecule.smiles.clone().map(|smiles| {
        view! {
            <div class="formula">
                <Structure smiles=smiles.clone() width=360.0 height=220.0/>
                <p class="smiles"><code>{smiles}</code></p>
            </div>
        }
    })
}

fn task_table(
    explorer: Explorer,
    bundle: &OpenBundle,
    molecule: &Molecule,
    prediction: &Prediction,
) -> impl IntoView + use<> {
    let models: &[ModelEntry] = &bundle.manifest.models;
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let nothing = Estimate { mean: f32::NAN, std: None };
        let probability = prediction.probability(task).unwrap_or(nothing);
        let threshold = bundle.manifest.thresholds.as_ref().and_then(|chosen| chosen.get(task).copied());
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
                    {threshold.map(|threshold| view! {
                        <span class="standing">{format!("threshold {threshold:.3}")}</span>
                    })}
                    {standing(explorer, task, probability.mean)}
                </td>
                {behind(models, prediction, task)}
                <td class="known">{label.map(label_mark)}</td>
            </tr>
        }
    });
    let behind = match &prediction.models {
        Models::Single { .. } => view! { <th scope="col" class="number">"Logit"</th> }.into_any(),
        Models::Ensemble { .. } => view! { <th scope="col" class="members">"Members"</th> }.into_any(),
    };
    view! {
        <table class="tasks" id="tasks">
            <thead>
                <tr>
                    <th scope="col">"Task"</th>
                    <th scope="col" class="number">"Probability"</th>
                    {behind}
                    <th scope="col" class="known">"Known"</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

/// Where a probability stands among those of the bundle's molecules, once all are predicted.
fn standing(explorer: Explorer, task: usize, probability: f32) -> impl IntoView {
    let rank = move || {
        explorer.predicted.track();
        percentile_of(explorer, task, probability)
    };
    move || {
        let count = explorer.predictions.with_untracked(Vec::len);
        let title = format!(
            "Of the {count} molecules of the bundle, so many per cent have a lower probability of this task"
        );
        rank().map(|rank| view! {
            <span class="standing" data-percentile=rank.to_string() title=title>{format!("percentile {rank:.0}")}</span>
        })
    }
}

/// What a probability comes from: the logit of a single model, or what each member of an ensemble says.
fn behind(models: &[ModelEntry], prediction: &Prediction, task: usize) -> impl IntoView + use<> {
    match &prediction.models {
        Models::Single { logits } => {
            let logit = logits.get(task).copied().unwrap_or(f32::NAN);
            view! { <td class="number" data-value=logit.to_string()>{format!("{logit:.3}")}</td> }.into_any()
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
