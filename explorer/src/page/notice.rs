//! What the page says about a file: that it is coming in, or what is wrong with it.

use leptos::prelude::*;

use super::focus::focus_on_content;
use super::state::Explorer;

/// The line above everything else; empty when all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let dismiss = move |_| {
        explorer.trouble.set(None);
        focus_on_content(explorer);
    };
    let trouble = move || {
        explorer.trouble.get().map(|sentence| {
            view! {
                <p class="notice trouble">
                    <span>{sentence}</span>
                    <button type="button" class="quiet" on:click=dismiss>
                        "Dismiss"
                    </button>
                </p>
            }
        })
    };
    let incoming = move || {
        explorer.incoming.get().map(|file| {
            view! {
                <p class="notice">
                    <span>{format!("Opening {}: {}", file.name, bytes_of(file.received, file.total))}</span>
                    <progress max="1" value=file.total.map(|total| (file.received / total).to_string())></progress>
                </p>
            }
        })
    };
    view! {
        <div id="trouble" role="alert">{trouble}</div>
        <div role="status">{incoming}</div>
    }
}

/// "3.1 of 12.4 MB".
pub fn bytes_of(received: f64, total: Option<f64>) -> String {
    match total {
        Some(total) => format!("{:.1} of {:.1} MB", received / 1e6, total / 1e6),
        None => format!("{:.1} MB", received / 1e6),
    }
}
