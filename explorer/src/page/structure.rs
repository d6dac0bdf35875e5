//! Skeletal formulas on the page. They are drawn in a worker, many at a time, and kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use depiction::{BOND, Ink, Reply};
use leptos::prelude::*;
use web_sys::ErrorEvent;

use super::worker::PageWorker;
use explorer::drawing_queue::DrawingQueue;

/// Drawings that are kept; where there are more, they are drawn again.
const KEPT: usize = 2_000;
/// Longest bond on the page, in pixels: small molecules are not blown up.
const LONGEST_BOND: f64 = 26.0;

/// A drawing, or why there is none; nothing while it is on its way.
pub type Drawn = Option<Result<Arc<depiction::Structure>, String>>;

/// The formula of a SMILES in a box of this width and height in pixels; where it cannot be drawn, a sentence says why.
#[component]
pub fn Structure(smiles: String, width: f64, height: f64) -> impl IntoView {
    let drawn = drawing(&smiles);
    let failed = drawn.clone();
    let failed = move || matches!(&*failed.read(), Some(Err(_)));
    let content = move || match &*drawn.read() {
        None => ().into_any(),
        Some(Ok(structure)) => {
            let svg =
                structure.svg(Ink::Page, Some(fitting_bond(structure, [width, height]).min(LONGEST_BOND)));
            let label = format!("Structure of {smiles}");
            view! { <span role="img" aria-label=label inner_html=svg></span> }.into_any()
        }
        Some(Err(reason)) => {
            let sentence = format!("This SMILES cannot be drawn: {reason}.");
            view! { <span title=sentence.clone()>{sentence.clone()}</span> }.into_any()
        }
    };
    view! {
        <span class="structure" class:none=failed style:width=format!("{width}px") style:height=format!("{height}px")>
            {content}
        </span>
    }
}

/// Length of a bond with which a drawing fills this width and height.
pub fn fitting_bond(structure: &depiction::Structure, [width, height]: [f64; 2]) -> f64 {
    (width / structure.width).min(height / structure.height) * BOND
}

/// The drawing of a SMILES, if it was wanted before.
pub fn drawn_before(smiles: &str) -> Option<ArcRwSignal<Drawn>> {
    DRAWER.with_borrow(|drawer| drawer.drawings.get(smiles).cloned())
}

/// The drawing of a SMILES, which comes when it is there.
pub fn drawing(smiles: &str) -> ArcRwSignal<Drawn> {
    DRAWER.with_borrow_mut(|drawer| {
        if let Some(known) = drawer.drawings.get(smiles) {
            return known.clone();
        }
        if drawer.drawings.len() >= KEPT {
            drawer.drawings.retain(|_, drawing| drawing.with_untracked(Option::is_none));
        }
        let drawing = ArcRwSignal::new(None);
        drawer.drawings.insert(smiles.to_owned(), drawing.clone());
        drawer.queue.wish(smiles.to_owned());
        // All wishes of this turn go together.
        if !std::mem::replace(&mut drawer.sending, true) {
            set_timeout(send, Duration::ZERO);
        }
        drawing
    })
}

thread_local! {
    static DRAWER: RefCell<Drawer> = RefCell::default();
}

#[derive(Default)]
struct Drawer {
    drawings: HashMap<String, ArcRwSignal<Drawn>>,
    queue: DrawingQueue,
    /// Whether wishes are about to be sent.
    sending: bool,
    /// The worker, and whether it has said that it is there.
    worker: Option<(PageWorker, bool)>,
}

impl Drawer {
    fn settle(&self, smiles: &str, drawn: Result<depiction::Structure, String>) {
        if let Some(drawing) = self.drawings.get(smiles) {
            drawing.set(Some(drawn.map(Arc::new)));
        }
    }

    /// Sends the next batch, if the worker is there and free.
    fn send(&mut self) {
        self.sending = false;
        match &self.worker {
            None if self.queue.is_empty() => {}
            None => match start() {
                Ok(worker) => self.worker = Some((worker, false)),
                Err(reason) => self.give_up(&reason),
            },
            Some((_, false)) => {}
            Some((worker, true)) => {
                if let Some(batch) = self.queue.next_batch() {
                    worker.post(&batch);
                }
            }
        }
    }

    fn give_up(&mut self, reason: &str) {
        for smiles in self.queue.give_up() {
            self.settle(&smiles, Err(reason.to_owned()));
        }
    }

    fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Started => {
                if let Some((_, started)) = &mut self.worker {
                    *started = true;
                }
            }
            Reply::Drawn(drawings) => {
                for (smiles, drawn) in self.queue.answered().iter().zip(drawings) {
                    self.settle(smiles, drawn);
                }
            }
            Reply::Failed(reason) => {
                self.worker = None;
                self.give_up(&format!("the program that draws cannot be loaded ({reason}), reload the page"));
            }
        }
        self.send();
    }

    /// The worker is gone; another one draws the rest.
    fn replace_worker(&mut self) {
        match self.worker.take() {
            Some((_, true)) => {
                if let Some(smiles) = self.queue.crashed() {
                    self.settle(&smiles, Err("the program that draws fails on it".into()));
                }
                self.send();
            }
            _ => self.give_up("the program that draws does not start, reload the page"),
        }
    }
}

fn send() {
    DRAWER.with_borrow_mut(Drawer::send);
}

/// Starts the worker that draws.
///
/// # Errors
/// A browser that starts no worker, in words.
fn start() -> Result<PageWorker, String> {
    let hear = |message| {
        let reply =
            serde_wasm_bindgen::from_value(message).unwrap_or_else(|error| Reply::Failed(error.to_string()));
        DRAWER.with_borrow_mut(|drawer| drawer.hear(reply));
    };
    let fall = |event: ErrorEvent| {
        // The page deals with it: it is none of its own errors.
        event.prevent_default();
        DRAWER.with_borrow_mut(Drawer::replace_worker);
    };
    PageWorker::start("start-worker.js", "depiction", hear, fall)
}
