//! The page's end of the model worker.
//!
//! A plain `Worker`: the page must hear of a crash (`onerror`), and the loader script must count the bytes of
//! the worker's wasm; gloo-worker hides the worker and offers neither.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use explorer::protocol::{Assess, DeviceChoice, Question, Report, Request};

/// A worker that runs one bundle. Dropping the handle stops the worker.
pub struct ModelWorker {
    worker: Worker,
    // The worker calls these as long as the handle lives.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl ModelWorker {
    /// Starts a worker on a bundle; `hear` gets its reports.
    ///
    /// # Errors
    /// A browser that starts no worker, in words.
    pub fn start(
        bundle: Blob,
        device: DeviceChoice,
        hear: impl Fn(Report) + Copy + 'static,
    ) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options("start-model.js", &options)
            .map_err(|_| "this browser starts no module workers; a current one does".to_owned())?;

        let to_worker = worker.clone();
        let request = Request::Run { bundle: bundle.into(), device };
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let report = serde_wasm_bindgen::from_value(event.data())
                .unwrap_or_else(|error| Report::Crashed(format!("its message cannot be read: {error}")));
            if matches!(report, Report::Started) {
                post(&to_worker, &request);
            }
            hear(report);
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            let message = event.message();
            hear(Report::Crashed(if message.is_empty() { "it could not be loaded".into() } else { message }));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Asks for the explanation of a molecule; the answer is a report.
    pub fn explain(&self, question: Question) {
        post(&self.worker, &Request::Explain(question));
    }

    /// Asks for the assessment of predictions; the answers are reports.
    pub fn assess(&self, request: Assess) {
        post(&self.worker, &Request::Assess(request));
    }
}

fn post(worker: &Worker, request: &Request) {
    let message = serde_wasm_bindgen::to_value(request).expect("a request is plain data");
    worker.post_message(&message).expect("plain data can be posted");
}

impl Drop for ModelWorker {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
