//! The molecule that is looked at.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::Molecule;

use super::attention::attention_map;
use super::molecule_table::{breakable, label_mark};
use super::state::{Explorer, OpenBundle};
use crate::protocol::Prediction;

/// Everything about the selected molecule.
#[component]
pub fn MoleculePanel(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let panel = move || match explorer.selected.get() {
        Some(position) => view! { <SelectedMolecule bundle=bundle.clone() position/> }.into_any(),
        None => view! { <p class="faint">"No molecule matches the search."</p> }.into_any(),
    };
    view! { <section class="molecule" aria-label="Selected molecule">{panel}</section> }
}

#[component]
fn SelectedMolecule(bundle: Arc<OpenBundle>, position: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let prediction =
        Memo::new(move |_| explorer.predictions.with(|known| known.get(position).cloned().flatten()));
    let molecule = bundle.molecules()[position].clone();
    let predicted = {
        let (bundle, molecule) = (bundle.clone(), molecule.clone());
        move || match prediction.get() {
            Some(prediction) => view! {
                {task_table(&bundle, &molecule, &prediction)}
                {attention_map(&bundle, &molecule, &prediction)}
            }
            .into_any(),
            None => view! { <p class="faint">"Not predicted yet."</p> }.into_any(),
        }
    };
    view! {
        <h2 id="selected">{molecule.id.clone()}</h2>
        {facts(&molecule)}
        {predicted}
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
        {molecule.smiles.clone().map(|smiles| view! { <p class="smiles"><code>{smiles}</code></p> })}
    }
}

fn task_table(bundle: &OpenBundle, molecule: &Molecule, prediction: &Prediction) -> impl IntoView + use<> {
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let probability = prediction.probabilities.get(task).copied().unwrap_or(f32::NAN);
        let logit = prediction.logits.get(task).copied().unwrap_or(f32::NAN);
        let label = molecule.labels.as_ref().and_then(|labels| labels.get(task).copied());
        view! {
            <tr>
                <th scope="row">
                    {breakable(&about.name)}
                    {about.description.clone().map(|text| view! { <span class="faint">{text}</span> })}
                </th>
                <td class="task" data-value=probability.to_string()>
                    <span class="number">{format!("{probability:.4}")}</span>
                    <span class="bar" aria-hidden="true">
                        <span style:width=format!("{:.1}%", 100.0 * probability)></span>
                    </span>
                </td>
                <td class="number" data-value=logit.to_string()>{format!("{logit:.3}")}</td>
                <td class="known">{label.map(label_mark)}</td>
            </tr>
        }
    });
    view! {
        <table class="tasks" id="tasks">
            <thead>
                <tr>
                    <th scope="col">"Task"</th>
                    <th scope="col" class="number">"Probability"</th>
                    <th scope="col" class="number">"Logit"</th>
                    <th scope="col" class="known">"Known"</th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}
