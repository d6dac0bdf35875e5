//! The page's program in parts, each fetched when it is first wanted.
//!
//! What stands behind a function with the attribute `wasm_split`, and is used nowhere else, goes into a file of its own
//! (`scripts/build-explorer`); calling the function fetches it. The page begins with what is needed to open a bundle.

#![allow(unsafe_code, reason = "what the attribute expands to calls a function of another file")]

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::compare::ComparePage;
use super::focus::focus_on_content;
use super::model_page::ModelPage;
use super::molecule::MoleculePanel;
use super::state::{Explorer, OpenBundle};
use super::workspace::{self, Workspace};

/// Draws what a bundle has to show.
type Draw = fn(Arc<OpenBundle>) -> AnyView;

/// A part of the page that shows a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The molecule that is looked at.
    Molecule,
    /// The model.
    Model,
    /// Two models side by side.
    Compare,
}

impl Part {
    const ALL: [Self; 3] = [Self::Molecule, Self::Model, Self::Compare];

    async fn load(self) -> Result<Draw, SplitLoaderError> {
        match self {
            Self::Molecule => molecule().await,
            Self::Model => model().await,
            Self::Compare => compare().await,
        }
    }
}

/// Everything but the first page.
#[wasm_split(workspace, fallible)]
fn workspace() -> Result<Workspace, SplitLoaderError> {
    Ok(workspace::WORKSPACE)
}

#[wasm_split(molecule, fallible)]
fn molecule() -> Result<Draw, SplitLoaderError> {
    Ok(|bundle| view! { <MoleculePanel bundle/> }.into_any())
}

#[wasm_split(model, fallible)]
fn model() -> Result<Draw, SplitLoaderError> {
    Ok(|bundle| view! { <ModelPage bundle/> }.into_any())
}

#[wasm_split(compare, fallible)]
fn compare() -> Result<Draw, SplitLoaderError> {
    Ok(|bundle| view! { <ComparePage bundle/> }.into_any())
}

/// How long a part is waited for until it is asked for again, should the network be gone.
const PAUSE: Duration = Duration::from_secs(3);

/// Fetches the workspace, as often as that takes; `failed` hears of each time in vain.
pub fn load_workspace(ready: impl FnOnce(Workspace) + 'static, failed: impl Fn() + Copy + 'static) {
    spawn_local(async move {
        match workspace().await {
            Ok(workspace) => ready(workspace),
            Err(_) => {
                failed();
                set_timeout(move || load_workspace(ready, failed), PAUSE);
            }
        }
    });
}

/// Fetches the parts before they are wanted, when there is nothing else to do.
pub fn preload() {
    request_idle_callback(|| {
        spawn_local(async {
            for part in Part::ALL {
                // What fails now is tried again when it is wanted.
                let _ = part.load().await;
            }
        });
    });
}

/// A part of the page.
#[component]
pub fn Lazy(part: Part, bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let loaded = RwSignal::new_local(None::<Result<Draw, SplitLoaderError>>);
    let load = move || {
        loaded.set(None);
        spawn_local(async move {
            let draw = part.load().await;
            // The place for it may be gone by now.
            let _ = loaded.try_set(Some(draw));
        });
    };
    load();
    let try_again = move |_| {
        load();
        focus_on_content(explorer);
    };
    move || match loaded.get() {
        None => view! { <p class="faint" role="status">"Loading …"</p> }.into_any(),
        Some(Ok(draw)) => draw(bundle.clone()),
        Some(Err(_)) => view! {
            <p class="caution" role="alert">
                "This part of the page could not be loaded: the connection or the server is gone. "
                <button type="button" on:click=try_again>"Try again"</button>
            </p>
        }
        .into_any(),
    }
}
