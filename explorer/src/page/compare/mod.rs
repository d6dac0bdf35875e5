//! Two bundles side by side: A, the open one, and B, opened beside it.

mod facts;
mod molecule;
mod overview;
mod texts;

use std::sync::Arc;

use leptos::html::Input;
use leptos::prelude::*;

use self::facts::facts;
use self::molecule::ComparedMolecule;
use self::overview::Overview;
use super::bundle_file::{self, Seat};
use super::focus::focus_on_content;
use super::history;
use super::model_run::{ModelStatus, Verdict};
use super::state::{Explorer, OpenBundle};
use explorer::comparison::{Matching, match_bundles};

/// Two bundles and what they have in common.
#[derive(Debug, Clone)]
struct Pair {
    a: Arc<OpenBundle>,
    b: Arc<OpenBundle>,
    matching: Arc<Matching>,
}

/// Runs the model of B once that of A is done: one after the other, for the memory of both. B needs no worker any more when
/// all of its molecules are predicted.
pub fn follow(explorer: Explorer) {
    let done = Memo::new(move |_| explorer.status.with(|status| status.is_finished() || status.is_silent()));
    Effect::new(move |_| {
        let Some(bundle) = explorer.beside.get().filter(|_| done.get()) else { return };
        if explorer.other.status.with_untracked(|status| *status == ModelStatus::Idle)
            && let Some(file) = explorer.file_beside()
        {
            let name = bundle.name.clone();
            let judge = Callback::new(move |verdict| {
                if let Verdict::Refused(reason) = verdict {
                    explorer.notices.trouble.set(Some(bundle_file::complaint(&name, &reason)));
                    explorer.stop_comparing();
                }
            });
            explorer.other.open(file, bundle.molecules().len(), explorer.choice.get_untracked(), judge);
        }
    });
    Effect::new(move |_| {
        if explorer.other.status.with(ModelStatus::is_finished) {
            explorer.other.rest();
        }
    });
    Effect::new(move |before: Option<Option<String>>| {
        let address =
            explorer.beside.with(|bundle| bundle.as_ref().and_then(|bundle| bundle.address.clone()));
        // At the beginning the address may name a bundle that is still on its way.
        if before.is_some() {
            history::name_bundle("compare", address.as_deref());
        }
        address
    });
}

/// The comparison, or how to begin one.
#[component]
pub fn ComparePage(bundle: Arc<OpenBundle>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    // What was pressed goes with the page that it was on.
    Effect::new(move |before: Option<bool>| {
        let compared = explorer.beside.with(Option::is_some);
        if before.is_some_and(|before| before != compared) {
            focus_on_content(explorer);
        }
        compared
    });
    move || match explorer.beside.get() {
        None => view! { <Invitation/> }.into_any(),
        Some(b) => {
            let a = bundle.clone();
            let matching = match_bundles([&a.manifest, &b.manifest], [a.molecules(), b.molecules()]);
            view! { <Comparison pair=Pair { a, b, matching: Arc::new(matching) }/> }.into_any()
        }
    }
}

#[component]
fn Invitation() -> impl IntoView {
    view! {
        <section class="welcome">
            <h2 tabindex="-1">"Compare with a second model"</h2>
            <p>
                "Open another bundle beside this one: another training, other parameters, other features. Molecules are "
                "matched by their IDs, tasks by their names."
            </p>
            <OpenBeside words="Open a second bundle"/>
            <p class="faint">"It stays on this computer, as the first one does."</p>
        </section>
    }
}

#[component]
fn OpenBeside(words: &'static str) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let input = NodeRef::<Input>::new();
    let chosen = move |_| {
        if let Some(input) = input.get() {
            if let Some(file) = input.files().and_then(|files| files.get(0)) {
                bundle_file::open_file(explorer, Seat::Beside, file);
            }
            // The same file can be chosen again after it has changed.
            input.set_value("");
        }
    };
    view! {
        <label class="button">
            {words}
            <input type="file" id="file-beside" class="visually-hidden" accept=".optimil" node_ref=input on:change=chosen/>
        </label>
    }
}

#[component]
fn Comparison(pair: Pair) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let names = [("A", &pair.a), ("B", &pair.b)].map(|(letter, bundle)| {
        view! {
            <dt><span class=format!("side side-{}", letter.to_lowercase())>{letter}</span></dt>
            <dd>{bundle.name.clone()}<span class="faint">{format!(" {}", told_apart(bundle))}</span></dd>
        }
    });
    let contents = if pair.matching.molecules.is_empty() {
        let words =
            "The bundles have no molecule of the same ID: there is nothing to compare the predictions on.";
        view! { <p class="caution">{words}</p> }.into_any()
    } else if pair.matching.tasks.is_empty() {
        view! { <p class="caution">"The models have no task of the same name."</p> }.into_any()
    } else {
        view! { <p class="faint" role="status" id="compare-progress">{move || progress(explorer)}</p> }
            .into_any()
    };
    let comparable = !pair.matching.molecules.is_empty() && !pair.matching.tasks.is_empty();
    view! {
        <div class="compare-page" aria-busy=move || (!ready(explorer)).to_string()>
            <section class="card" aria-labelledby="compare-heading">
                <h2 id="compare-heading" tabindex="-1">"Two models side by side"</h2>
                <dl class="sides">{names}</dl>
                <div class="compare-actions">
                    <OpenBeside words="Open another B"/>
                    <button type="button" on:click=move |_| explorer.stop_comparing()>"End the comparison"</button>
                </div>
                {facts(&pair.matching)}
                {contents}
            </section>
            {comparable.then(|| view! {
                <Overview pair=pair.clone()/>
                <ComparedMolecule pair/>
            })}
        </div>
    }
}

/// Whether both have predicted all of their molecules.
fn ready(explorer: Explorer) -> bool {
    explorer.status.with(ModelStatus::is_finished) && explorer.other.status.with(ModelStatus::is_finished)
}

/// What tells a model from another of the same file name.
fn told_apart(bundle: &OpenBundle) -> String {
    let manifest = &bundle.manifest;
    match manifest.models.as_slice() {
        [model] => match &model.training {
            Some(training) => format!("trained {}, seed {}", day(&manifest.created), training.seed),
            None => format!("written {}", day(&manifest.created)),
        },
        models => format!("ensemble of {} models, written {}", models.len(), day(&manifest.created)),
    }
}

/// The date of a time after RFC 3339.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// Why there are no numbers yet; nothing when there are.
fn progress(explorer: Explorer) -> Option<String> {
    for (letter, run) in [("A", explorer.run), ("B", explorer.other)] {
        let words = run.status.with(|status| match status {
            ModelStatus::Running { seconds: Some(_), .. } => None,
            ModelStatus::Running { .. } => Some(format!(
                "Model {letter} has predicted {} of {} molecules.",
                run.predicted.get(),
                run.predictions.with(Vec::len)
            )),
            ModelStatus::NoInputs => Some(format!(
                "The molecules of {letter} travel without their features: its model cannot run on them."
            )),
            ModelStatus::Failed(reason) => Some(format!("Model {letter} has stopped ({reason}).")),
            _ => Some(format!("Model {letter} is being loaded.")),
        });
        if words.is_some() {
            return words;
        }
    }
    None
}
