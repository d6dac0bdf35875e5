//! The coordinates worker: reads those of one bundle, hundreds of megabytes perhaps, and answers with single records.

use std::cell::RefCell;

use js_sys::{ArrayBuffer, Uint8Array};
use shared_model::bundle::BundleReader;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use explorer::coordinates::{Coordinates, Reply, Request};

thread_local! {
    /// Set once, when the bundle is read.
    static COORDINATES: RefCell<Option<Coordinates>> = const { RefCell::new(None) };
}

/// Starts the worker: says that it is there, then answers the requests that come.
pub fn run() {
    let listener =
        Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| match serde_wasm_bindgen::from_value(
            event.data(),
        )
        .expect("the page sends requests")
        {
            Request::Read { bundle } => spawn_local(async {
                reply(&match read(bundle.unchecked_into()).await {
                    Ok(coordinates) => {
                        COORDINATES.set(Some(coordinates));
                        Reply::Ready
                    }
                    Err(reason) => Reply::Failed(reason),
                });
            }),
            Request::Find(wanted) => COORDINATES.with_borrow(|coordinates| {
                let coordinates = coordinates.as_ref().expect("the page asks when they are read");
                reply(&Reply::Found(wanted.iter().map(|wanted| coordinates.find(wanted)).collect()));
            }),
        });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    listener.forget();
    reply(&Reply::Started);
}

async fn read(file: Blob) -> Result<Coordinates, String> {
    let buffer = JsFuture::from(file.array_buffer())
        .await
        .map_err(|_| "the bundle is gone or has changed: choose it again")?;
    let bytes = Uint8Array::new(&buffer.unchecked_into::<ArrayBuffer>()).to_vec();
    let reader = BundleReader::open(&bytes).map_err(|error| error.to_string())?;
    let conformers = reader.conformers().map_err(|error| error.to_string())?;
    Ok(Coordinates::new(conformers.ok_or("the bundle has none")?))
}

fn reply(reply: &Reply) {
    let message = serde_wasm_bindgen::to_value(reply).expect("replies are plain data");
    scope().post_message(&message).expect("plain data can be posted");
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
