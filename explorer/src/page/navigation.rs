//! The way between the parts of the page, and the link to what is looked at.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use super::history;
use super::state::Explorer;
use explorer::view::Screen;

/// A link for each screen. They are addresses of the same view, so they can be opened in another tab.
#[component]
pub fn Navigation() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let links = Screen::ALL.map(|screen| {
        let address = move || explorer.view.with(|view| format!("#{}", view.on_screen(screen)));
        let current = move || (explorer.screen.get() == screen).then_some("page");
        view! { <li><a href=address aria-current=current>{screen.title()}</a></li> }
    });
    view! {
        <nav class="screens" aria-label="Views">
            <ul>{links}</ul>
        </nav>
    }
}

/// Copies the page's address, which restores the view.
#[component]
pub fn CopyLink() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let said = RwSignal::new(None::<Copied>);
    let copy = move |_| {
        let link = history::link(explorer);
        spawn_local(async move {
            // Pages that came over plain HTTP have no clipboard.
            let clipboard = window().is_secure_context().then(|| window().navigator().clipboard());
            let copied = match clipboard {
                Some(clipboard) => JsFuture::from(clipboard.write_text(&link)).await.is_ok(),
                None => false,
            };
            said.set(Some(if copied { Copied::Yes(advice(explorer)) } else { Copied::No(link) }));
        });
    };
    let message = move || {
        match said.get()? {
        Copied::Yes(advice) => Some(view! { <span>{advice}</span> }.into_any()),
        Copied::No(link) => Some(
            view! {
                <label>
                    "Copy this link: "
                    <input type="text" readonly prop:value=link on:focus:target=|event| event.target().select()/>
                </label>
            }
            .into_any(),
        ),
    }
    };
    // What was said holds for the view as it was.
    Effect::new(move |_| {
        explorer.view.track();
        said.set(None);
    });
    view! {
        <div class="copy-link">
            <button type="button" id="copy-link" on:click=copy>"Copy link"</button>
            <span role="status">{message}</span>
        </div>
    }
}

/// What became of copying.
#[derive(Clone)]
enum Copied {
    /// The link is in the clipboard; what to know about it.
    Yes(String),
    /// There is no clipboard: the link, to copy by hand.
    No(String),
}

/// What a person who gets the link needs.
fn advice(explorer: Explorer) -> String {
    let (name, address) = explorer.bundle.with_untracked(|bundle| {
        bundle.as_ref().map(|bundle| (bundle.name.clone(), bundle.address.clone())).unwrap_or_default()
    });
    let host = window().location().hostname().unwrap_or_default();
    if address.is_none() {
        format!("Copied. Send {name} along: whoever opens the link and then the file sees this view.")
    } else if host == "localhost" || host == "127.0.0.1" {
        "Copied. The link works on this computer, while the page is served.".into()
    } else {
        "Copied.".into()
    }
}
