//! What a number is, how it is computed, and where it misleads: behind a button beside its name.

use leptos::prelude::*;

/// Three sentences about a number.
#[derive(Debug, Clone, Copy)]
pub struct HelpText {
    /// Identifier in the page.
    pub id: &'static str,
    /// Name of the number.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How it is computed.
    pub how: &'static str,
    /// Where it misleads.
    pub misleads: &'static str,
}

/// The button, and what it opens.
#[component]
pub fn Help(text: HelpText) -> impl IntoView {
    view! {
        <HelpButton text about=text.name.to_owned()/>
        <HelpPanel text/>
    }
}

/// A button that opens the sentences: several may open the same [`HelpPanel`].
#[component]
pub fn HelpButton(text: HelpText, about: String) -> impl IntoView {
    view! {
        <button type="button" class="help" popovertarget=target(text) aria-label=format!("About: {about}")>
            "?"
        </button>
    }
}

/// The sentences, which stand on the page when a button asks for them.
#[component]
pub fn HelpPanel(text: HelpText) -> impl IntoView {
    let heading = format!("{}-name", target(text));
    view! {
        <div class="help-text" id=target(text) popover="auto" role="dialog" aria-labelledby=heading.clone()>
            <strong id=heading.clone()>{text.name}</strong>
            <p>{text.what}</p>
            <p><b>"Computed: "</b>{text.how}</p>
            <p><b>"Misleads: "</b>{text.misleads}</p>
        </div>
    }
}

fn target(text: HelpText) -> String {
    format!("help-{}", text.id)
}
