//! The model worker: reads the weights of one bundle, chooses a device and predicts every molecule; explains single ones
//! when it is asked.

mod assessing;
mod device;
mod device_models;
mod explaining;
mod scoring;
mod turn;

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use shared_model::bags::Bags;
use shared_model::bundle::BundleReader;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use self::scoring::Scorer;
use explorer::protocol::{Device, DeviceChoice, Report, Request};

/// What runs: the models of a bundle on their device, and its molecules.
struct Running {
    scorer: Scorer,
    bags: Bags,
    /// Seed of the intervals: that of the training, whose intervals these are then.
    seed: u64,
}

thread_local! {
    /// Set once, when the device is chosen.
    static RUNNING: RefCell<Option<Rc<Running>>> = const { RefCell::new(None) };
}

/// Starts the worker: says that it is there, then answers the requests that come.
pub fn run() {
    std::panic::set_hook(Box::new(|panic| report(&Report::Crashed(fallen(panic.payload_as_str())))));
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
        spawn_local(async move {
            let ended = match serde_wasm_bindgen::from_value(event.data()) {
                Ok(Request::Run { bundle, device }) => run_bundle(bundle, device).await,
                Ok(Request::Explain(question)) => explaining::explain(question).await,
                Ok(Request::Assess(request)) => {
                    assessing::assess(request).await;
                    Ok(())
                }
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

/// Why the worker falls over, in words. A graphics device that is lost shows in what is asked of it at that moment.
fn fallen(message: Option<&str>) -> String {
    let message = message.unwrap_or("an error without a message");
    match device::in_use() {
        Some(Device::WebGpu) => format!("the graphics device was lost or failed: {message}"),
        _ => message.to_owned(),
    }
}

/// Opens the bundle and predicts all of its molecules; an error is the last report.
async fn run_bundle(bundle: JsValue, device: DeviceChoice) -> Result<(), Report> {
    report(&Report::ReadingWeights { model: 0 });
    let gone = || Report::Refused("it is gone or has changed: choose it again".into());
    let bytes = read(bundle.unchecked_into()).await.ok_or_else(gone)?;
    let reader = BundleReader::open(&bytes).map_err(refused)?;
    let Some(bags) = reader.features().map_err(refused)? else {
        for model in &reader.manifest().models {
            reader.weights(model).map_err(refused)?;
        }
        report(&Report::NoInputs);
        return Ok(());
    };
    let (scorer, reason) = device::choose(device, &reader, &bags).await?;
    let seed = reader.manifest().models[0].training.as_ref().map_or(0, |training| training.seed);
    drop(bytes);
    let device = scorer.device;
    let running = Rc::new(Running { scorer, bags, seed });
    RUNNING.set(Some(running.clone()));
    report(&Report::Running { device, reason });
    scoring::score_all(&running).await
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
