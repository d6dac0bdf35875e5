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
use explorer::protocol::{Models, Prediction};

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
    let [first, second, third] = [2, 3, 4].map(|frames| later(prediction, frames));
    let is_incomplete = move || prediction.read().is_some() && third.read().is_none();
    let molecule = bundle.molecules()[position].clone();
    let looked = RwSignal::new(None);
    if prediction.with_untracked(Option::is_none) {
        rehearse(explorer, bundle.clone(), molecule.clone());
    }
    let waiting = || view! { <p class="faint">"Not predicted yet."</p> }.into_any();
    let tasks = {
        let (bundle, molecule) = (bundle.clone(), molecule.clone());
        move || match first.get() {
            Some(prediction) => predictions(explorer, &bundle, &molecule, &prediction).into_any(),
            None => waiting(),
        }
    };
    let map = {
        let (bundle, molecule) = (bundle.clone(), molecule.clone());
        move || {
            let prediction = second.get()?;
            Some(attention_map(explorer, &bundle, &molecule, &prediction, looked))
        }
    };
    let sharing = {
        let bundle = bundle.clone();
        move || {
            let prediction = third.get()?;
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
            <div class="attention" aria-busy=move || is_incomplete().to_string()>{map}</div>
            <Conformers3d bundle=bundle.clone() position looked/>
        </div>
        {sharing}
        <Truth bundle position/>
    }
}

/// What is predicted, so many frames after it is known; at once where it is known from the start. To draw everything as it
/// comes takes longer than a frame lasts.
fn later(prediction: Memo<Option<Arc<Prediction>>>, frames: u32) -> RwSignal<Option<Arc<Prediction>>> {
    let shown = RwSignal::new(prediction.get_untracked());
    Effect::new(move |_| {
        let known = prediction.get();
        after_frames(frames, move || {
            // Another molecule may be looked at by now.
            if shown.try_with_untracked(|shown| *shown != known).unwrap_or(false) {
                shown.set(known);
            }
        });
    });
    shown
}

/// Draws a prediction where nobody sees it, while there is nothing else to do: code that runs for the first time is compiled
/// then, which takes longer than a frame lasts.
fn rehearse(explorer: Explorer, bundle: Arc<OpenBundle>, molecule: Molecule) {
    let tasks = bundle.manifest.schema.tasks.len();
    let prediction = Prediction {
        probabilities: vec![0.5; tasks],
        attention: vec![0.5; tasks * molecule.conformers.len()],
        models: Models::Single { logits: vec![0.0; tasks] },
    };
    let owner = Owner::current();
    let here = StoredValue::new(());
    request_idle_callback(move || {
        // Another molecule may be looked at by now.
        let Some(owner) = owner.as_ref().filter(|_| here.try_get_value().is_some()) else { return };
        owner.child().with(|| {
            predictions(explorer, &bundle, &molecule, &prediction).into_any().build();
            attention_map(explorer, &bundle, &molecule, &prediction, RwSignal::new(None)).into_any().build();
        });
    });
}

fn after_frames(frames: u32, act: impl FnOnce() + 'static) {
    match frames {
        0 => act(),
        _ => request_animation_frame(move || after_frames(frames - 1, act)),
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
