//! The model: what the bundle says of it.

mod card;

use std::sync::Arc;

use leptos::prelude::*;

use self::card::ModelCard;
use super::state::OpenBundle;

/// Everything about the model of the bundle.
#[component]
pub fn ModelPage(bundle: Arc<OpenBundle>) -> impl IntoView {
    view! { <ModelCard bundle/> }
}
