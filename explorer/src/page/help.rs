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
    let target = format!("help-{}", text.id);
    let heading = format!("{target}-name");
    view! {
        <button
            type="button"
            class="help"
            popovertarget=target.clone()
            aria-label=format!("About: {}", text.name)
        >
            "?"
        </button>
        <div class="help-text" id=target popover="auto" role="dialog" aria-labelledby=heading.clone()>
            <strong id=heading.clone()>{text.name}</strong>
            <p>{text.what}</p>
            <p><b>"Computed: "</b>{text.how}</p>
            <p><b>"Misleads: "</b>{text.misleads}</p>
        </div>
    }
}
