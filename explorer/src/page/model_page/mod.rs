//! The model: how good it is, and where it comes from.

mod card;
mod performance;
mod searches;
mod texts;
mod threshold;

use std::sync::Arc;

use leptos::prelude::*;

use self::card::ModelCard;
use self::performance::Performance;
use self::searches::searches;
use super::state::OpenBundle;

/// Everything about the model of the bundle.
#[component]
pub fn ModelPage(bundle: Arc<OpenBundle>) -> impl IntoView {
    view! {
        <div class="model-page">
            <Performance bundle=bundle.clone()/>
            {searches(&bundle.manifest)}
            <ModelCard bundle/>
        </div>
    }
}
