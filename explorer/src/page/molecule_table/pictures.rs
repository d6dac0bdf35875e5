//! Structures in the rows of the table. They come when there is time: a few in a frame while the table scrolls, if they have
//! been drawn before; new ones are drawn when it stands still.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;

use super::body::Pool;
use crate::page::state::OpenBundle;
use crate::page::structure::{Drawn, drawing, drawn_before};

/// Milliseconds without scrolling after which the table stands still.
const STILL: f64 = 120.0;

/// Structures that are put in in one frame while the table scrolls.
const WHILE_SCROLLING: usize = 2;

/// Structures that are put in in one frame while it stands still.
const WHILE_STILL: usize = 4;

/// What puts the structures in.
#[derive(Clone, Copy)]
pub struct Pictures {
    pool: StoredValue<Pool, LocalStorage>,
    bundle: StoredValue<Arc<OpenBundle>>,
    /// When the rows moved last, in milliseconds.
    moved: StoredValue<f64>,
    /// Whether a later moment is waited for.
    waiting: StoredValue<bool>,
    /// Drawings that are on their way.
    awaited: RwSignal<Vec<ArcRwSignal<Drawn>>>,
}

impl Pictures {
    /// For the rows of a pool.
    pub fn new(pool: StoredValue<Pool, LocalStorage>, bundle: Arc<OpenBundle>) -> Self {
        let pictures = Self {
            pool,
            bundle: StoredValue::new(bundle),
            moved: StoredValue::new(0.0),
            waiting: StoredValue::new(false),
            awaited: RwSignal::new(Vec::new()),
        };
        Effect::new(move |_| {
            // Each of them is tracked.
            let come = pictures.awaited.read().iter().filter(|drawing| drawing.with(Option::is_some)).count();
            if come > 0 {
                pictures.wait_for_frame();
            }
        });
        pictures
    }

    /// The rows show other molecules now.
    pub fn moved(self) {
        self.moved.set_value(js_sys::Date::now());
        self.wait_for_frame();
    }

    fn wait_for_frame(self) {
        if self.starts_waiting() {
            request_animation_frame(move || self.put_in());
        }
    }

    fn wait_for_rest(self, milliseconds: f64) {
        if self.starts_waiting() {
            set_timeout(move || self.put_in(), Duration::from_millis(milliseconds.max(1.0) as u64));
        }
    }

    fn starts_waiting(self) -> bool {
        self.waiting.try_update_value(|waiting| !std::mem::replace(waiting, true)).unwrap_or(false)
    }

    /// Puts in what is there, as much as a frame has room for, and asks for the rest.
    fn put_in(self) {
        // Another bundle may be open by now.
        let Some(moved) = self.moved.try_get_value() else { return };
        self.waiting.set_value(false);
        let rest = STILL - (js_sys::Date::now() - moved);
        let mut room = if rest > 0.0 { WHILE_SCROLLING } else { WHILE_STILL };
        let mut full = false;
        let mut missing: Vec<String> = Vec::new();
        self.bundle.with_value(|bundle| {
            self.pool.update_value(|pool| {
                for row in pool.rows_from_the_middle() {
                    let Some(molecule) = row.wants_structure() else { continue };
                    let Some(smiles) = &bundle.molecules()[molecule].smiles else { continue };
                    match drawn_before(smiles).and_then(|drawing| drawing.get_untracked()) {
                        Some(_) if room == 0 => full = true,
                        Some(drawn) => {
                            row.put_structure(&drawn);
                            room -= 1;
                        }
                        None => missing.push(smiles.clone()),
                    }
                }
            });
        });
        if full {
            self.wait_for_frame();
        } else if !missing.is_empty() && rest > 0.0 {
            self.wait_for_rest(rest);
        } else if !missing.is_empty() {
            self.awaited.set(missing.iter().map(|smiles| drawing(smiles)).collect());
        }
    }
}
