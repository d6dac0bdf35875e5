//! Where the keyboard's focus goes when what had it is gone, or another screen has come to the front.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::state::Explorer;
use explorer::view::Screen;

/// What a screen begins with.
fn beginning(screen: Screen) -> &'static str {
    match screen {
        Screen::Molecules => "#molecules",
        Screen::Molecule => "#selected",
        Screen::Model | Screen::Compare => "main h2[tabindex]:not(#selected)",
    }
}

/// Lets the focus follow the screens: whoever opens one reads on where it begins.
pub fn follow(explorer: Explorer) {
    Effect::new(move |before: Option<Screen>| {
        let screen = explorer.screen.get();
        if before.is_some_and(|before| before != screen) {
            focus_on(beginning(screen));
        }
        screen
    });
}

/// Puts the focus on what the page has to show.
pub fn focus_on_content(explorer: Explorer) {
    let open = explorer.bundle.with_untracked(Option::is_some);
    focus_on(if open { beginning(explorer.screen.get_untracked()) } else { "#file" });
}

/// Frames that are waited for an element, which may belong to a part of the page that is still being fetched.
const PATIENCE: u32 = 600;

/// Puts the focus on the first element that a selector finds, as soon as it is drawn, unless the person has moved the
/// focus by then.
pub fn focus_on(selector: &'static str) {
    try_to_focus(selector, document().active_element(), PATIENCE);
}

fn try_to_focus(selector: &'static str, before: Option<Element>, frames: u32) {
    request_animation_frame(move || {
        let found = document().query_selector(selector).ok().flatten();
        match found.and_then(|found| found.dyn_into::<HtmlElement>().ok()) {
            Some(element) => {
                // What cannot have the focus leaves it where it is.
                let _ = element.focus();
            }
            None => {
                let now = document().active_element();
                // The body has the focus when what had it is gone.
                let moved = now != before && now.as_ref() != document().body().as_deref();
                if frames > 0 && !moved {
                    try_to_focus(selector, before, frames - 1);
                }
            }
        }
    });
}
