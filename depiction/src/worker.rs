//! The drawing worker of the page: gets lists of SMILES, answers with drawings.

use js_sys::global;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use crate::{Reply, draw};

/// Starts the worker: says that it is there, then answers.
pub fn run() {
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
        let wanted: Vec<String> =
            serde_wasm_bindgen::from_value(event.data()).expect("the page sends lists of SMILES");
        reply(&Reply::Drawn(wanted.iter().map(|smiles| draw(smiles)).collect()));
    });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    listener.forget();
    reply(&Reply::Started);
}

fn reply(reply: &Reply) {
    let message = serde_wasm_bindgen::to_value(reply).expect("replies are plain data");
    scope().post_message(&message).expect("plain data can be posted");
}

fn scope() -> DedicatedWorkerGlobalScope {
    global().unchecked_into()
}
