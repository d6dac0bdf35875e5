//! Getting a bundle into the page: from a file, or from an address of the same origin.

use js_sys::{Array, ArrayBuffer, Reflect, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared_model::bundle::BundleReader;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, ReadableStreamDefaultReader, Response, Url};

use super::notice::Incoming;
use super::state::{Explorer, OpenBundle};

/// Largest file that the page reads: a wasm program has 4 GiB of memory in all.
const MAX_BYTES: f64 = 1_500_000_000.0;

/// The sentence about a file that cannot be used; the reason says what to do.
pub fn complaint(name: &str, reason: &str) -> String {
    format!("{name} cannot be opened: {reason}.")
}

/// Where a bundle goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// It becomes the open one.
    Open,
    /// It is compared with the open one.
    Beside,
}

/// Opens a file that was chosen or dropped.
pub fn open_file(explorer: Explorer, seat: Seat, file: File) {
    spawn_local(open(explorer, seat, file.name(), None, file.into()));
}

/// Downloads and opens the bundle at an address, which must be of the page's own origin.
pub fn open_address(explorer: Explorer, seat: Seat, address: String) {
    spawn_local(async move {
        let name = address.rsplit('/').next().unwrap_or(&address).to_owned();
        match download(explorer, &name, &address).await {
            Ok(blob) => open(explorer, seat, name, Some(address), blob).await,
            Err(reason) => {
                explorer.notices.incoming.set(None);
                explorer.notices.trouble.set(Some(complaint(&name, &reason)));
            }
        }
    });
}

/// Reads a bundle's manifest and molecules, and shows them.
async fn open(explorer: Explorer, seat: Seat, name: String, address: Option<String>, file: Blob) {
    // It is here in full; what follows is reading it.
    let size = file.size();
    explorer.notices.incoming.set(Some(Incoming { name: name.clone(), received: size, total: Some(size) }));
    let opened = read(&name, address, &file).await;
    explorer.notices.incoming.set(None);
    match opened {
        Ok(bundle) => match seat {
            Seat::Open => explorer.show(bundle, file),
            Seat::Beside => explorer.put_beside(bundle, file),
        },
        Err(reason) => explorer.notices.trouble.set(Some(complaint(&name, &reason))),
    }
}

async fn read(name: &str, address: Option<String>, file: &Blob) -> Result<OpenBundle, String> {
    let size = file.size();
    if size > MAX_BYTES {
        return Err(too_large(size));
    }
    let buffer = JsFuture::from(file.array_buffer())
        .await
        .map_err(|_| "it is gone or has changed: choose it again")?;
    let bytes = Uint8Array::new(&buffer.unchecked_into::<ArrayBuffer>()).to_vec();
    let reader = BundleReader::open(&bytes).map_err(|error| error.to_string())?;
    let molecules = reader.molecules().map_err(|error| error.to_string())?;
    Ok(OpenBundle::new(name.to_owned(), address, reader.manifest().clone(), molecules))
}

/// Fetches a file of the same origin, showing how far it is.
async fn download(explorer: Explorer, name: &str, address: &str) -> Result<Blob, String> {
    let location = window().location();
    let (here, origin) = (location.href().unwrap_or_default(), location.origin().unwrap_or_default());
    let url = Url::new_with_base(address, &here)
        .map_err(|_| "its address cannot be understood: choose the file instead".to_owned())?;
    if url.origin() != origin {
        return Err(
            "it lies on another site, which this page never asks: download it and choose the file".into()
        );
    }
    let response: Response = JsFuture::from(window().fetch_with_str(&url.href()))
        .await
        .map_err(|_| "the server does not answer: try again later".to_owned())?
        .unchecked_into();
    if !response.ok() {
        return Err(format!(
            "the server answers {} {}: check the address",
            response.status(),
            response.status_text()
        ));
    }
    let header = |name: &str| response.headers().get(name).ok().flatten();
    // The length of a compressed transfer is not that of the file.
    let total = match header("content-encoding") {
        None => header("content-length").and_then(|length| length.parse::<f64>().ok()),
        Some(_) => None,
    };
    let stream = response.body().ok_or("the server sends no content: check the address")?;
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let chunks = Array::new();
    let mut received = 0.0;
    loop {
        explorer.notices.incoming.set(Some(Incoming { name: name.to_owned(), received, total }));
        let step = JsFuture::from(reader.read())
            .await
            .map_err(|_| "the connection broke off: try again".to_owned())?;
        let Some(chunk) = chunk(&step) else { break };
        received += f64::from(chunk.length());
        if received > MAX_BYTES {
            return Err(too_large(received));
        }
        chunks.push(&chunk);
    }
    Blob::new_with_u8_array_sequence(&chunks)
        .map_err(|_| "the browser has no room for it: close other pages".into())
}

/// The bytes of one step of a stream, or nothing at its end.
fn chunk(step: &JsValue) -> Option<Uint8Array> {
    Reflect::get(step, &"value".into()).ok()?.dyn_into().ok()
}

fn too_large(bytes: f64) -> String {
    format!(
        "it has {:.1} GB and a page can hold {:.1} GB: export fewer molecules",
        bytes / 1e9,
        MAX_BYTES / 1e9
    )
}
