//! Where the keyboard's focus goes when what had it is gone, or another screen has come to the front.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::state::Explorer;
use crate::view::Screen;

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

/// Puts the focus on the first element that a selector finds, as soon as it is drawn.
pub fn focus_on(selector: &'static str) {
    request_animation_frame(move || {
        let found = document().query_selector(selector).ok().flatten();
        if let Some(element) = found.and_then(|found| found.dyn_into::<HtmlElement>().ok()) {
            // What cannot have the focus leaves it where it is.
            let _ = element.focus();
        }
    });
}
