//! The view in the page's address: a link restores it, and so do the browser's back and forward.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::Url;

use super::state::Explorer;
use explorer::view::{Screen, View};

/// Browsers forbid pages to write their address all the time: small changes wait for this long.
const PAUSE: Duration = Duration::from_millis(250);

/// The view that the page's address asks for.
pub fn view_of_address() -> View {
    View::from_fragment(&fragment())
}

/// Keeps the view and the address the same from now on: a change of screen is a step that the browser's back button
/// takes back; any other change replaces the address.
pub fn follow(explorer: Explorer) {
    let waiting = StoredValue::new(false);
    let last = StoredValue::new(None::<String>);
    let write_last = move || {
        waiting.set_value(false);
        if let Some(fragment) = last.get_value() {
            write(&fragment, false);
        }
    };
    Effect::new(move |before: Option<Option<Screen>>| {
        // A link waits in the address until there is a bundle to show.
        if explorer.bundle.with(Option::is_none) {
            return None;
        }
        let (screen, fragment) = explorer.view.with(|view| (view.screen, view.to_string()));
        if before.flatten().is_some_and(|before| before != screen) {
            if waiting.get_value() {
                write_last();
            }
            write(&fragment, true);
        } else if !waiting.get_value() {
            waiting.set_value(true);
            set_timeout(write_last, PAUSE);
        }
        last.set_value(Some(fragment));
        Some(screen)
    });
    let handle = window_event_listener(ev::popstate, move |_| explorer.view.set(view_of_address()));
    on_cleanup(move || handle.remove());
}

/// Puts the address of a bundle into a parameter of the query, or takes it out where the bundle came from a file.
pub fn name_bundle(parameter: &str, address: Option<&str>) {
    let Ok(url) = window().location().href().and_then(|here| Url::new(&here)) else { return };
    let query = url.search_params();
    if query.get(parameter).as_deref() == address {
        return;
    }
    match address {
        Some(address) => query.set(parameter, address),
        None => query.delete(parameter),
    }
    replace(&url.href());
}

/// The address with the view as it is at this moment.
pub fn link(explorer: Explorer) -> String {
    let fragment = explorer.view.with_untracked(View::to_string);
    write(&fragment, false);
    window().location().href().unwrap_or_default()
}

fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

fn write(fragment: &str, step: bool) {
    let fragment = format!("#{fragment}");
    if self::fragment() == fragment {
        return;
    }
    if step {
        // As below.
        let _ = window()
            .history()
            .and_then(|history| history.push_state_with_url(&JsValue::NULL, "", Some(&fragment)));
    } else {
        replace(&fragment);
    }
}

fn replace(address: &str) {
    // A browser that has had too many of these refuses: the page goes on, and the next change tells the same.
    let _ = window()
        .history()
        .and_then(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(address)));
}
