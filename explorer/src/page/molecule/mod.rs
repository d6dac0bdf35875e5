//! The molecule that is looked at.

mod predictions;
pub mod texts;

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::Molecule;

use self::predictions::predictions;
use super::attention::attention_map;
use super::conformers_3d::Conformers3d;
use super::sharing::Sharing;
use super::state::{Explorer, OpenBundle};
use super::structure::Structure;
use super::truth::Truth;

/// Everything about the selected molecule.
#[component]
pub fn MoleculePanel(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    move || match explorer.selected.get() {
        Some(position) => view! { <SelectedMolecule bundle=bundle.clone() position/> }.into_any(),
        None => ().into_any(),
    }
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
            Some(prediction) => predictions(explorer, &bundle, &molecule, &prediction).into_any(),
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
        <h2 id="selected" tabindex="-1">{molecule.id.clone()}</h2>
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
