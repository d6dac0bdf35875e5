//! The part of the table that is in the window: rows are drawn when they come near it.

use std::ops::Range;

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlDivElement, ResizeObserver};

/// Height of a row in CSS pixels, without and with a structure in it; the style sheet says the same (`--row-height`).
const ROW_HEIGHTS: [f64; 2] = [44.0, 70.0];

/// Height of the heading; the style sheet says the same (`--heading-height`).
const HEADING_HEIGHT: f64 = 80.0;

/// Pixels of rows kept beyond either edge, so that a short scroll shows no gap.
const SPARE: f64 = 352.0;

/// Where the table is scrolled to, and how much of it is seen.
#[derive(Clone, Copy)]
pub struct Viewport {
    element: NodeRef<Div>,
    /// First row that is seen, counted without those that are pinned.
    first: RwSignal<usize>,
    height: RwSignal<f64>,
    width: RwSignal<f64>,
    /// Whether rows have structures in them.
    pictured: Memo<bool>,
}

impl Viewport {
    /// The viewport that will be this element; its rows are higher where they have structures.
    pub fn new(element: NodeRef<Div>, pictured: Memo<bool>) -> Self {
        let (width, height) = (RwSignal::new(800.0), RwSignal::new(800.0));
        element.on_load(move |element| observe_size(&element, width, height));
        // Higher or lower rows: the first stays where it is.
        Effect::new(move |before: Option<bool>| {
            let now = pictured.get();
            if let (Some(element), Some(before)) = (element.get_untracked(), before)
                && before != now
            {
                let scale = row_height(now) / row_height(before);
                let top = f64::from(element.scroll_top());
                // After the rows have their height.
                request_animation_frame(move || element.set_scroll_top((top * scale) as i32));
            }
            now
        });
        Self { element, first: RwSignal::new(0), height, width, pictured }
    }

    fn spare_rows(self) -> usize {
        (SPARE / self.row_height()) as usize
    }

    fn row_height(self) -> f64 {
        row_height(self.pictured.get_untracked())
    }

    /// The element was scrolled.
    pub fn scrolled(self, element: &HtmlDivElement) {
        let first = (f64::from(element.scroll_top()) / self.row_height()) as usize;
        // Rows are drawn by halves of the spare ones: not for every pixel.
        let step = self.spare_rows() / 2;
        let first = first / step * step;
        if self.first.get_untracked() != first {
            self.first.set(first);
        }
    }

    /// Whether content of so many pixels scrolls sideways.
    pub fn is_narrower_than(self, width: usize) -> bool {
        self.width.get() < width as f64
    }

    /// The rows to draw, of `count` rows below those that are pinned.
    pub fn visible_rows(self, pinned: usize, count: usize) -> Range<usize> {
        self.pictured.track();
        let first = self.first.get();
        let spare = self.spare_rows();
        let last = first + self.rows_in(self.height.get(), pinned) + 2 * spare;
        first.saturating_sub(spare).min(count)..last.min(count)
    }

    /// How many rows a page-down key passes.
    pub fn rows_of_page(self, pinned: usize) -> usize {
        self.rows_in(self.height.get_untracked(), pinned).saturating_sub(1).max(1)
    }

    fn rows_in(self, height: f64, pinned: usize) -> usize {
        let rows = ((height - HEADING_HEIGHT) / self.row_height()).max(1.0) as usize;
        rows.saturating_sub(pinned).max(1)
    }

    /// Scrolls as little as shows a row below the heading and the pinned rows.
    pub fn show(self, row: usize, pinned: usize) {
        let Some(element) = self.element.get_untracked() else { return };
        let row_height = self.row_height();
        let above = HEADING_HEIGHT + pinned as f64 * row_height;
        // Where the row is within what is seen: heading and pinned rows cover the first pixels, but push the others down by
        // as much.
        let (top, height) = (f64::from(element.scroll_top()), f64::from(element.client_height()));
        let row_top = row as f64 * row_height;
        let seen = (height - above).max(row_height);
        if row_top < top {
            element.set_scroll_top(row_top as i32);
        } else if row_top + row_height > top + seen {
            element.set_scroll_top((row_top + row_height - seen).ceil() as i32);
        }
    }

    /// The height of so many rows.
    pub fn pixels(self, rows: usize) -> String {
        format!("{}px", rows as f64 * row_height(self.pictured.get()))
    }
}

fn row_height(pictured: bool) -> f64 {
    ROW_HEIGHTS[usize::from(pictured)]
}

/// The row that a key leads to, of `count` rows.
pub fn next_row(key: &str, row: Option<usize>, count: usize, page: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let next = match (key, row) {
        ("Home", _) => 0,
        ("End", _) => last,
        // The molecule that is looked at need not be in the table.
        ("ArrowDown" | "ArrowUp" | "PageDown" | "PageUp", None) => 0,
        ("ArrowDown", Some(row)) => row + 1,
        ("ArrowUp", Some(row)) => row.saturating_sub(1),
        ("PageDown", Some(row)) => row + page,
        ("PageUp", Some(row)) => row.saturating_sub(page),
        _ => return None,
    };
    Some(next.min(last))
}

/// Keeps the size of the viewport known.
fn observe_size(element: &HtmlDivElement, width: RwSignal<f64>, height: RwSignal<f64>) {
    let watched = element.clone();
    let callback = Closure::<dyn FnMut()>::new(move || {
        // Nothing while another screen is in front.
        let seen = f64::from(watched.client_height());
        if seen > 0.0 {
            height.set(seen);
            width.set(f64::from(watched.client_width()));
        }
    });
    if let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) {
        observer.observe(element);
    }
    // The observer lives as long as the element, which lives as long as the bundle is open.
    callback.forget();
}
