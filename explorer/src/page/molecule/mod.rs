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
use explorer::protocol::Prediction;

/// What the model says of the molecule that is looked at, once it does: what is there before only has its numbers filled in then,
/// so nothing moves, and little is drawn at once.
pub type Predicted = Signal<Option<Arc<Prediction>>>;

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
    let [told, mapped] = [2, 4].map(|frames| later(prediction, frames));
    let molecule = &bundle.molecules()[position];
    let looked = RwSignal::new(None);
    view! {
        <h2 id="selected" tabindex="-1">{molecule.id.clone()}</h2>
        {facts(molecule)}
        <div class="pair">
            {formula(molecule)}
            <div class="wide">{predictions(explorer, &bundle, molecule, told)}</div>
        </div>
        <div class="pair">
            <div class="attention" aria-busy=move || (mapped.read().is_none() && !explorer.status.read().is_silent()).to_string()>
                {attention_map(explorer, &bundle, molecule, mapped, looked)}
            </div>
            <Conformers3d bundle=bundle.clone() position looked/>
        </div>
        <Sharing bundle=bundle.clone() position prediction=mapped/>
        <Truth bundle position/>
    }
}

/// What is predicted, so many frames after it is known; at once where it is known from the start. To draw everything as it
/// comes takes longer than a frame lasts.
fn later(prediction: Memo<Option<Arc<Prediction>>>, frames: u32) -> Predicted {
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
    shown.into()
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
