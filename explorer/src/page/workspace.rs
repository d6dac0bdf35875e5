//! What the first page becomes when a bundle is opened: everything but the way to open one.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::{File, UrlSearchParams};

use super::bundle_file::{self, Seat};
use super::compare;
use super::device_control::DeviceControl;
use super::first_visit::FirstVisit;
use super::focus;
use super::history;
use super::molecule_table::{Arrangement, MoleculeTable};
use super::navigation::{CopyLink, Navigation};
use super::notice::Notices;
use super::parts::{Lazy, Part, preload};
use super::state::{Explorer, OpenBundle};
use explorer::protocol::DeviceChoice;
use explorer::view::Screen;

/// The bundle that lies beside the page.
const SAMPLE: &str = "sample.optimil";

/// Something to open.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A file that was chosen or dropped.
    File(File),
    /// The bundle that lies beside the page.
    Sample,
}

impl Wish {
    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.name(),
            Self::Sample => SAMPLE.to_owned(),
        }
    }
}

/// A place on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside the name of the page.
    Name,
    /// At the end of the line with the name.
    Controls,
    /// Below that line.
    Navigation,
    /// All the rest.
    Contents,
}

/// What the first page calls of this part of the program, which is fetched after it.
#[derive(Debug, Clone, Copy)]
pub struct Workspace {
    /// Begins with what the page's address asks for.
    pub begin: fn(Notices) -> Explorer,
    /// Opens a bundle.
    pub open: fn(Explorer, Wish),
    /// Draws what belongs into a place.
    pub draw: fn(Explorer, Place) -> AnyView,
    /// Puts the focus on what the page has to show.
    pub focus_on_content: fn(Explorer),
}

/// This one.
pub const WORKSPACE: Workspace = Workspace { begin, open, draw, focus_on_content: focus::focus_on_content };

fn begin(notices: Notices) -> Explorer {
    let query =
        window().location().search().ok().and_then(|search| UrlSearchParams::new_with_str(&search).ok());
    let parameter = |name: &str| query.as_ref().and_then(|query| query.get(name));
    let choice = parameter("device").and_then(|word| DeviceChoice::from_word(&word));
    let mut view = history::view_of_address();
    if parameter("compare").is_some() && window().location().hash().is_ok_and(|fragment| fragment.is_empty())
    {
        view.screen = Screen::Compare;
    }
    let explorer = Explorer::new(choice.unwrap_or(DeviceChoice::Auto), view, notices);
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
    explorer
}

fn open(explorer: Explorer, wish: Wish) {
    match wish {
        Wish::File(file) => bundle_file::open_file(explorer, Seat::Open, file),
        Wish::Sample => bundle_file::open_address(explorer, Seat::Open, SAMPLE.to_owned()),
    }
}

fn draw(explorer: Explorer, place: Place) -> AnyView {
    match place {
        Place::Name => view! { <BundleName/> }.into_any(),
        Place::Controls => view! {
            <Show when=move || explorer.bundle.with(Option::is_some)>
                <CopyLink/>
            </Show>
            <Show when=move || has_molecules(explorer)>
                <DeviceControl/>
            </Show>
        }
        .into_any(),
        Place::Navigation => view! {
            <Show when=move || has_molecules(explorer)>
                <Navigation/>
            </Show>
        }
        .into_any(),
        // A list of at most one: another bundle is another element, drawn anew.
        Place::Contents => view! {
            <For
                each=move || explorer.bundle.get()
                key=|bundle| bundle.number
                children=|bundle| view! { <Bundle bundle/> }
            />
        }
        .into_any(),
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

/// What is in the open bundle.
#[component]
fn Bundle(bundle: Arc<OpenBundle>) -> impl IntoView {
    if bundle.molecules().is_empty() {
        return view! { <NoMolecules/><Lazy part=Part::Model bundle/> }.into_any();
    }
    let explorer = expect_context::<Explorer>();
    provide_context(Arrangement::new(explorer, bundle.clone()));
    preload();
    let (model, compared) = (bundle.clone(), bundle.clone());
    // Table and molecule stay where they are while another screen is in front, so that coming back is at once.
    view! {
        <FirstVisit/>
        <div class="panels" data-screen=move || explorer.screen.get().word()>
            <MoleculeTable bundle=bundle.clone()/>
            <section class="molecule" aria-label="Selected molecule">
                <Lazy part=Part::Molecule bundle/>
            </section>
        </div>
        <Show when=move || explorer.screen.get() == Screen::Model>
            <Lazy part=Part::Model bundle=model.clone()/>
        </Show>
        <Show when=move || explorer.screen.get() == Screen::Compare>
            <Lazy part=Part::Compare bundle=compared.clone()/>
        </Show>
    }
    .into_any()
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
