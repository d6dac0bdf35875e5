//! The model worker: reads the weights of one bundle, chooses a device and predicts every molecule.

mod device;
mod scoring;

use std::fmt::Display;

use js_sys::{ArrayBuffer, Uint8Array};
use shared_model::bundle::BundleReader;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use crate::protocol::{Report, Request};

/// Starts the worker: says that it is there, then answers the one request that comes.
pub fn run() {
    std::panic::set_hook(Box::new(|panic| report(&Report::Crashed(panic.to_string()))));
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
        spawn_local(async move {
            let ended = match serde_wasm_bindgen::from_value(event.data()) {
                Ok(request) => answer(request).await,
                Err(error) => Err(Report::Crashed(error.to_string())),
            };
            if let Err(last) = ended {
                report(&last);
            }
        });
    });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    listener.forget();
    report(&Report::Started);
}

/// Opens the bundle and predicts all of its molecules; an error is the last report.
async fn answer(request: Request) -> Result<(), Report> {
    report(&Report::ReadingWeights { model: 0 });
    let gone = || Report::Refused("it is gone or has changed: choose it again".into());
    let bytes = read(request.bundle.unchecked_into()).await.ok_or_else(gone)?;
    let reader = BundleReader::open(&bytes).map_err(refused)?;
    let Some(bags) = reader.features().map_err(refused)? else {
        for model in &reader.manifest().models {
            reader.weights(model).map_err(refused)?;
        }
        report(&Report::NoInputs);
        return Ok(());
    };
    let scorer = device::choose(request.device, &reader, &bags).await?;
    drop(bytes);
    scoring::score_all(&scorer, &bags).await
}

/// The last report about a bundle that cannot be used.
fn refused(error: impl Display) -> Report {
    Report::Refused(error.to_string())
}

/// The bytes of a blob, or nothing if the file behind it is gone or has changed.
async fn read(blob: Blob) -> Option<Vec<u8>> {
    let buffer: ArrayBuffer = JsFuture::from(blob.array_buffer()).await.ok()?.unchecked_into();
    Some(Uint8Array::new(&buffer).to_vec())
}

/// Tells the page.
fn report(report: &Report) {
    let message = serde_wasm_bindgen::to_value(report).expect("reports are plain data");
    scope().post_message(&message).expect("plain data can be posted");
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds on the worker's clock.
fn now() -> f64 {
    scope().performance().expect("workers have a clock").now()
}
