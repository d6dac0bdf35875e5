//! What the page says about a file: that it is coming in, or what is wrong with it.

use leptos::prelude::*;

/// A file on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Name of the file.
    pub name: String,
    /// Bytes so far.
    pub received: f64,
    /// Bytes in all, where known.
    pub total: Option<f64>,
}

/// What there is to say about files.
#[derive(Debug, Clone, Copy)]
pub struct Notices {
    /// A file on its way in.
    pub incoming: RwSignal<Option<Incoming>>,
    /// What went wrong last, in a sentence.
    pub trouble: RwSignal<Option<String>>,
}

impl Notices {
    /// Nothing to say.
    pub fn new() -> Self {
        Self { incoming: RwSignal::new(None), trouble: RwSignal::new(None) }
    }
}

/// The line above everything else; empty when all is well. `after` is called when it was dismissed.
#[component]
pub fn Notice(notices: Notices, after: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let Notices { incoming, trouble } = notices;
    let dismiss = move |_| {
        trouble.set(None);
        after();
    };
    let trouble = move || {
        trouble.get().map(|sentence| {
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
        incoming.get().map(|file| {
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
