//! The page's end of a worker.
//!
//! A plain `Worker`: the page must hear of a crash (`onerror`), and loader scripts tell what goes wrong before a program is
//! there; gloo-worker hides the worker and offers neither.

use serde::Serialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

/// A worker. Dropping the handle stops it.
pub struct PageWorker {
    worker: Worker,
    // The worker calls these as long as the handle lives.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl PageWorker {
    /// Starts a worker by its loader script, which reads the name; `hear` gets its messages, and `fall` hears of an error
    /// that nobody caught.
    ///
    /// # Errors
    /// A browser that starts no worker, in words.
    pub fn start(
        script: &str,
        name: &str,
        hear: impl Fn(JsValue) + 'static,
        fall: impl Fn(ErrorEvent) + 'static,
    ) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(name);
        let worker = Worker::new_with_options(script, &options)
            .map_err(|_| "this browser starts no module workers; a current one does".to_owned())?;
        let on_message =
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| hear(event.data()));
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(fall);
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Sends a message. What is sent before the worker has said that it is there, is lost.
    pub fn post(&self, message: &impl Serialize) {
        let message = serde_wasm_bindgen::to_value(message).expect("messages are plain data");
        self.worker.post_message(&message).expect("plain data can be posted");
    }
}

impl Drop for PageWorker {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
