//! The first page: where its parts go, and the ways to open a bundle. The rest of the program is fetched meanwhile.

use leptos::ev::DragEvent;
use leptos::html::Input;
use leptos::prelude::*;
use web_sys::FileList;

use super::focus::focus_on;
use super::notice::{Incoming, Notice, Notices};
use super::parts::load_workspace;
use super::state::Explorer;
use super::workspace::{Place, Wish, Workspace};

/// The rest of the program, once it is here.
type Ready = RwSignal<Option<(Workspace, Explorer)>, LocalStorage>;

/// The page.
#[component]
pub fn Page() -> impl IntoView {
    let notices = Notices::new();
    let ready = Ready::new_local(None);
    let wish = StoredValue::new_local(None::<Wish>);
    let owner = Owner::current().expect("a component has an owner");
    let begin = move |workspace: Workspace| {
        let explorer = owner.with(|| (workspace.begin)(notices));
        ready.set(Some((workspace, explorer)));
        notices.trouble.set(None);
        if let Some(wish) = wish.try_update_value(Option::take).flatten() {
            (workspace.open)(explorer, wish);
        }
    };
    load_workspace(begin, move || notices.trouble.set(Some(NOT_LOADED.to_owned())));
    let open = move |wished: Wish| match ready.get_untracked() {
        Some((workspace, explorer)) => (workspace.open)(explorer, wished),
        None => {
            notices.incoming.set(Some(Incoming { name: wished.name(), received: 0.0, total: None }));
            wish.set_value(Some(wished));
        }
    };
    let open_first = move |files: Option<FileList>| {
        if let Some(file) = files.and_then(|files| files.get(0)) {
            open(Wish::File(file));
        }
    };
    let focus_on_content = move || match ready.get_untracked() {
        Some((workspace, explorer)) => (workspace.focus_on_content)(explorer),
        None => focus_on("#file"),
    };
    let draw =
        move |place| move || ready.get().map(|(workspace, explorer)| (workspace.draw)(explorer, place));
    let nothing_open = move || ready.get().is_none_or(|(_, explorer)| explorer.bundle.with(Option::is_none));

    let dragging = RwSignal::new(false);
    let drag = move |event: DragEvent| {
        event.prevent_default();
        dragging.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        dragging.set(false);
        open_first(event.data_transfer().and_then(|data| data.files()));
    };
    view! {
        <div
            class="page"
            class:dragging=dragging
            on:dragover=drag
            on:dragleave=move |_| dragging.set(false)
            on:drop=drop
        >
            <button type="button" class="skip" on:click=move |_| focus_on_content()>
                "Skip to the content"
            </button>
            <header>
                <h1>"Optimil"</h1>
                {draw(Place::Name)}
                <OpenButton open_first/>
                {draw(Place::Controls)}
            </header>
            {draw(Place::Navigation)}
            <Notice notices after=focus_on_content/>
            <main>
                <Show when=nothing_open>
                    <Welcome open_sample=move || open(Wish::Sample)/>
                </Show>
                {draw(Place::Contents)}
            </main>
        </div>
    }
}

const NOT_LOADED: &str =
    "A part of the page could not be loaded: the connection or the server is gone. Trying again.";

/// A file input looks different in every browser: the label is the button, the input stays focusable.
#[component]
fn OpenButton(open_first: impl Fn(Option<FileList>) + 'static) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let chosen = move |_| {
        if let Some(input) = input.get() {
            open_first(input.files());
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

#[component]
fn Welcome(open_sample: impl Fn() + Copy + 'static) -> impl IntoView {
    view! {
        <section class="welcome">
            <h2>"Open a model bundle"</h2>
            <p>"Drop a "<code>".optimil"</code>" file anywhere on this page, or choose one above."</p>
            <p>
                "Or look around first: "
                <button type="button" id="sample" on:click=move |_| open_sample()>"Open the sample"</button>
                ", a small model and 131 coloured or fluorescent molecules."
            </p>
            <p class="faint">
                "The model runs here, in this browser. Nothing is uploaded: molecules and model stay on this computer."
            </p>
        </section>
    }
}
