//! The page as a whole: where its parts go, and the ways to open a bundle.

use std::sync::Arc;

use leptos::ev::DragEvent;
use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{FileList, UrlSearchParams};

use super::bundle_file::{self, Seat};
use super::compare::{self, ComparePage};
use super::device_control::DeviceControl;
use super::first_visit::FirstVisit;
use super::focus;
use super::history;
use super::model_page::ModelPage;
use super::molecule::MoleculePanel;
use super::molecule_table::{Arrangement, MoleculeTable};
use super::navigation::{CopyLink, Navigation};
use super::notice::Notice;
use super::state::{Explorer, OpenBundle};
use crate::protocol::DeviceChoice;
use crate::view::Screen;

/// The page.
#[component]
pub fn Page() -> impl IntoView {
    let query =
        window().location().search().ok().and_then(|search| UrlSearchParams::new_with_str(&search).ok());
    let parameter = |name: &str| query.as_ref().and_then(|query| query.get(name));
    let choice = parameter("device").and_then(|word| DeviceChoice::from_word(&word));
    let mut view = history::view_of_address();
    if parameter("compare").is_some() && window().location().hash().is_ok_and(|fragment| fragment.is_empty())
    {
        view.screen = Screen::Compare;
    }
    let explorer = Explorer::new(choice.unwrap_or(DeviceChoice::Auto), view);
    provide_context(explorer);
    history::follow(explorer);
    focus::follow(explorer);
    compare::follow(explorer);
    if let Some(address) = parameter("bundle") {
        bundle_file::open_address(explorer, Seat::Open, address);
    }
    if let Some(address) = parameter("compare") {
        bundle_file::open_address(explorer, Seat::Beside, address);
    }

    Effect::new(move |_| document().set_title(&title(explorer)));

    let dragging = RwSignal::new(false);
    let drag = move |event: DragEvent| {
        event.prevent_default();
        dragging.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        dragging.set(false);
        open_first(explorer, event.data_transfer().and_then(|data| data.files()));
    };
    view! {
        <div
            class="page"
            class:dragging=dragging
            on:dragover=drag
            on:dragleave=move |_| dragging.set(false)
            on:drop=drop
        >
            <button type="button" class="skip" on:click=move |_| focus::focus_on_content(explorer)>
                "Skip to the content"
            </button>
            <header>
                <h1>"Optimil"</h1>
                <BundleName/>
                <OpenButton/>
                <Show when=move || explorer.bundle.with(Option::is_some)>
                    <CopyLink/>
                </Show>
                <Show when=move || has_molecules(explorer)>
                    <DeviceControl/>
                </Show>
            </header>
            <Show when=move || has_molecules(explorer)>
                <Navigation/>
            </Show>
            <Notice/>
            <main>
                <Show when=move || explorer.bundle.with(Option::is_none)>
                    <Welcome/>
                </Show>
                // A list of at most one: another bundle is another element, drawn anew.
                <For
                    each=move || explorer.bundle.get()
                    key=|bundle| bundle.number
                    children=|bundle| view! { <Bundle bundle/> }
                />
            </main>
        </div>
    }
}

/// What a tab, the history and bookmarks call this view.
fn title(explorer: Explorer) -> String {
    let Some(bundle) = explorer.bundle.get() else { return "Optimil explorer".into() };
    let screen = explorer.screen.get();
    let shown = match (screen, explorer.selected.get()) {
        (Screen::Molecule, Some(selected)) => format!("{} – ", bundle.molecules()[selected].id),
        (Screen::Model | Screen::Compare, _) => format!("{} – ", screen.title()),
        _ => String::new(),
    };
    format!("{shown}{} – Optimil", bundle.name)
}

fn has_molecules(explorer: Explorer) -> bool {
    explorer.bundle.with(|bundle| bundle.as_ref().is_some_and(|bundle| !bundle.molecules().is_empty()))
}

fn open_first(explorer: Explorer, files: Option<FileList>) {
    if let Some(file) = files.and_then(|files| files.get(0)) {
        bundle_file::open_file(explorer, Seat::Open, file);
    }
}

#[component]
fn BundleName() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    move || {
        let bundle = explorer.bundle.get()?;
        let mut count = match bundle.molecules().len() {
            1 => "1 molecule".to_owned(),
            count => format!("{count} molecules"),
        };
        if bundle.manifest.models.len() > 1 {
            count += &format!(", {} models", bundle.manifest.models.len());
        }
        Some(view! {
            <p class="bundle"><strong id="bundle-name">{bundle.name.clone()}</strong>" "<span>{count}</span></p>
        })
    }
}

/// A file input looks different in every browser: the label is the button, the input stays focusable.
#[component]
fn OpenButton() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let input = NodeRef::<Input>::new();
    let chosen = move |_| {
        if let Some(input) = input.get() {
            open_first(explorer, input.files());
            // The same file can be chosen again after it has changed.
            input.set_value("");
        }
    };
    view! {
        <label class="button">
            "Open a bundle"
            <input type="file" id="file" class="visually-hidden" accept=".optimil" node_ref=input on:change=chosen/>
        </label>
    }
}

/// What is in the open bundle.
#[component]
fn Bundle(bundle: Arc<OpenBundle>) -> impl IntoView {
    if bundle.molecules().is_empty() {
        return view! { <NoMolecules/><ModelPage bundle/> }.into_any();
    }
    let explorer = expect_context::<Explorer>();
    provide_context(Arrangement::new(explorer, bundle.clone()));
    let (model, compared) = (bundle.clone(), bundle.clone());
    // Table and molecule stay where they are while another screen is in front, so that coming back is at once.
    view! {
        <FirstVisit/>
        <div class="panels" data-screen=move || explorer.screen.get().word()>
            <MoleculeTable bundle=bundle.clone()/>
            <MoleculePanel bundle=bundle/>
        </div>
        <Show when=move || explorer.screen.get() == Screen::Model>
            <ModelPage bundle=model.clone()/>
        </Show>
        <Show when=move || explorer.screen.get() == Screen::Compare>
            <ComparePage bundle=compared.clone()/>
        </Show>
    }
    .into_any()
}

/// The bundle that lies beside the page.
const SAMPLE: &str = "sample.optimil";

#[component]
fn Welcome() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let open_sample = move |_| bundle_file::open_address(explorer, Seat::Open, SAMPLE.to_owned());
    view! {
        <section class="welcome">
            <h2>"Open a model bundle"</h2>
            <p>"Drop a "<code>".optimil"</code>" file anywhere on this page, or choose one above."</p>
            <p>
                "Or look around first: "
                <button type="button" id="sample" on:click=open_sample>"Open the sample"</button>
                ", a small model and 131 coloured or fluorescent molecules."
            </p>
            <p class="faint">
                "The model runs here, in this browser. Nothing is uploaded: molecules and model stay on this computer."
            </p>
        </section>
    }
}

#[component]
fn NoMolecules() -> impl IntoView {
    view! {
        <section class="welcome">
            <h2>"No molecules in this bundle"</h2>
            <p>"The model travels alone: there is nothing to predict here. What the bundle says of the model is below."</p>
        </section>
    }
}
