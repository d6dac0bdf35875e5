//! Saving the conformers of the molecules shown as an SD file. It is written in slices, so that the page goes on.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::Blob;

use super::Arrangement;
use super::toolbar::thousands;
use crate::page::download::download_blob;
use crate::page::state::{Explorer, OpenBundle};
use explorer::table::SdfTable;

/// Conformers of a slice: writing them takes less than a frame.
const SLICE: usize = 200;

/// Milliseconds after which the page says how far it is.
const PATIENCE: f64 = 400.0;

/// Text that is handed over to the browser at a time, in bytes: it may lie on the disk from then on.
const PART: usize = 1 << 20;

/// How far an export is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Nothing is written.
    Idle,
    /// It has begun just now.
    Begun,
    /// So many molecules of so many are written.
    Written(usize, usize),
    /// What there is to say at its end.
    Ended(String),
}

impl Progress {
    fn is_running(&self) -> bool {
        matches!(self, Self::Begun | Self::Written(..))
    }
}

/// The button.
#[component]
pub fn SdfButton(bundle: Arc<OpenBundle>, progress: RwSignal<Progress>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let arrangement = expect_context::<Arrangement>();
    let export = move |_| {
        if progress.with_untracked(Progress::is_running) {
            return;
        }
        progress.set(Progress::Begun);
        let bundle = bundle.clone();
        spawn_local(async move {
            let end = match write(explorer, arrangement, &bundle, progress).await {
                Ok(end) => end,
                Err(reason) => Some(Progress::Ended(format!("The coordinates cannot be read: {reason}."))),
            };
            if let Some(end) = end {
                let _ = progress.try_set(end);
            }
        });
    };
    view! {
        <button
            type="button"
            id="export-sdf"
            title="The conformers of the molecules shown, with the columns shown and the attention as properties"
            on:click=export
        >
            "SDF"
        </button>
    }
}

/// How far it is, where that takes a while, and what came of it.
#[component]
pub fn SdfProgress(progress: RwSignal<Progress>) -> impl IntoView {
    let stop = move |_| progress.set(Progress::Idle);
    let line = move || match progress.get() {
        Progress::Idle | Progress::Begun => ().into_any(),
        Progress::Written(written, all) => view! {
            <p class="outdated">
                <span>{format!("SD file: {} of {} molecules", thousands(written), thousands(all))}</span>
                <progress aria-label="Molecules written" max=all value=written></progress>
                <button type="button" on:click=stop>"Stop"</button>
            </p>
        }
        .into_any(),
        Progress::Ended(words) => view! {
            <p class="outdated" role="status">
                <span>{words}</span>
                <button type="button" on:click=stop>"Close"</button>
            </p>
        }
        .into_any(),
    };
    view! { <div id="sdf-progress">{line}</div> }
}

/// Writes and saves the file; what there is to say then, or nothing if it was stopped.
///
/// # Errors
/// In words, if the coordinates cannot be read.
async fn write(
    explorer: Explorer,
    arrangement: Arrangement,
    bundle: &OpenBundle,
    progress: RwSignal<Progress>,
) -> Result<Option<Progress>, String> {
    let (rows, columns) = (arrangement.matching.get_untracked(), arrangement.columns.get_untracked());
    let begun = js_sys::Date::now();
    let tasks = bundle.manifest.schema.tasks.iter().map(|task| task.name.as_str());
    let table = SdfTable::new(&columns, tasks);
    let ask = |from: usize| {
        let slice = &rows[from..slice_end(bundle, &rows, from)];
        (slice, explorer.coordinates_of(bundle, slice))
    };
    let parts = Array::new();
    let mut text = String::new();
    let (mut written, mut without) = (0, 0);
    let mut next = ask(0);
    while written < rows.len() {
        // The worker looks for the next ones while these are written.
        let following = ask(written + next.0.len());
        let (slice, asked) = std::mem::replace(&mut next, following);
        let found = asked.await?;
        // Gone with the bundle, or stopped.
        if !progress.try_with_untracked(Progress::is_running).unwrap_or(false) {
            return Ok(None);
        }
        explorer.predictions.with_untracked(|predictions| {
            explorer.numbers.with_value(|numbers| {
                for (&row, records) in slice.iter().zip(&found) {
                    let position = row as usize;
                    let molecule = &bundle.molecules()[position];
                    let prediction = predictions.get(position).and_then(Option::as_deref);
                    let records = table.text(position, molecule, numbers, prediction, records);
                    without += usize::from(records.is_empty());
                    text += &records;
                }
            });
        });
        written += slice.len();
        if text.len() >= PART || written == rows.len() {
            let part = blob(&Array::of1(&text.as_str().into()))?;
            parts.push(&part);
            text.clear();
        }
        if js_sys::Date::now() - begun > PATIENCE {
            progress.set(Progress::Written(written, rows.len()));
        }
    }
    if without == rows.len() {
        let words = "There is nothing to save: the bundle has no coordinates of the molecules shown.";
        return Ok(Some(Progress::Ended(words.to_owned())));
    }
    let file = Blob::new_with_blob_sequence(&parts).map_err(|_| NO_ROOM)?;
    download_blob(&format!("{}.sdf", bundle.name.trim_end_matches(".optimil")), &file);
    Ok(Some(match without {
        0 => Progress::Idle,
        without => Progress::Ended(format!(
            "{} of {} molecules have no coordinates in the bundle: they are not in the file.",
            thousands(without),
            thousands(rows.len())
        )),
    }))
}

const NO_ROOM: &str = "the browser has no room for the file, show fewer molecules";

fn blob(texts: &Array) -> Result<Blob, String> {
    Blob::new_with_str_sequence(texts).map_err(|_| NO_ROOM.to_owned())
}

/// Where the slice ends that begins at a row: after the molecule with which it has its conformers.
fn slice_end(bundle: &OpenBundle, rows: &[u32], from: usize) -> usize {
    let mut conformers = 0;
    let rest = rows[from..].iter().take_while(|&&row| {
        let room = conformers < SLICE;
        conformers += bundle.molecules()[row as usize].conformers.len();
        room
    });
    from + rest.count()
}
