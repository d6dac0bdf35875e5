//! The coordinates of the open bundle on the page. A worker reads them when they are first wanted, and keeps them: they may
//! be most of the bundle, and the page goes on meanwhile.

use std::collections::VecDeque;

use futures_channel::oneshot::{Sender, channel};
use leptos::prelude::*;
use web_sys::{Blob, ErrorEvent};

use super::worker::PageWorker;
use explorer::coordinates::{Records, Reply, Request, Wanted};

/// What a request for records comes to.
type Found = Result<Vec<Records>, String>;

/// Asks the worker.
#[derive(Clone, Copy)]
pub struct CoordinatesReader(StoredValue<State, LocalStorage>);

#[derive(Default)]
struct State {
    worker: Option<PageWorker>,
    /// The bundle, until the worker is there to get it.
    file: Option<Blob>,
    /// Whether the worker has read the bundle.
    ready: bool,
    /// What is to be asked once it has.
    waiting: Vec<Vec<Wanted>>,
    /// Who hears the answers, which come in the order of the requests.
    asking: VecDeque<Sender<Found>>,
}

impl CoordinatesReader {
    /// Nothing is read.
    pub fn new() -> Self {
        Self(StoredValue::new_local(State::default()))
    }

    /// Forgets the bundle that it has read.
    pub fn close(self) {
        self.0.set_value(State::default());
    }

    /// The records of some molecules of the bundle of this file.
    ///
    /// # Errors
    /// In words, if they cannot be read.
    pub fn find(self, file: Option<Blob>, wanted: Vec<Wanted>) -> impl Future<Output = Found> + use<> {
        let (answer, answered) = channel();
        self.0.update_value(|state| {
            state.asking.push_back(answer);
            if state.ready {
                state.post(&Request::Find(wanted));
            } else {
                state.waiting.push(wanted);
                if state.worker.is_none() {
                    state.file = file;
                    self.start(state);
                }
            }
        });
        async { answered.await.unwrap_or_else(|_| Err("the bundle is no longer open".into())) }
    }

    fn start(self, state: &mut State) {
        let hear = move |message| {
            let reply = serde_wasm_bindgen::from_value(message)
                .unwrap_or_else(|error| Reply::Failed(format!("the answer cannot be read: {error}")));
            self.0.update_value(|state| state.hear(reply));
        };
        let fall = move |event: ErrorEvent| {
            // The page deals with it: it is none of its own errors.
            event.prevent_default();
            self.0.update_value(State::fall);
        };
        match PageWorker::start("start-worker.js", "coordinates", hear, fall) {
            Ok(worker) => state.worker = Some(worker),
            Err(reason) => state.give_up(&reason),
        }
    }
}

impl State {
    fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Started => match self.file.take() {
                Some(file) => self.post(&Request::Read { bundle: file.into() }),
                None => self.give_up("no bundle is open"),
            },
            Reply::Ready => {
                self.ready = true;
                for wanted in std::mem::take(&mut self.waiting) {
                    self.post(&Request::Find(wanted));
                }
            }
            Reply::Found(records) => {
                if let Some(answer) = self.asking.pop_front() {
                    // Who has asked may have gone.
                    let _ = answer.send(Ok(records));
                }
            }
            Reply::Failed(reason) if self.file.is_some() => {
                self.give_up(&format!("the program that reads them cannot be loaded ({reason}), try again"));
            }
            Reply::Failed(reason) => self.give_up(&reason),
        }
    }

    /// The worker is gone.
    fn fall(&mut self) {
        self.give_up(match self.file {
            Some(_) => "the program that reads them does not start, reload the page",
            None => "the program that reads them fell over, perhaps for want of memory: close other pages",
        });
    }

    /// Whoever waits hears why; who asks again gets another worker.
    fn give_up(&mut self, reason: &str) {
        for answer in std::mem::take(self).asking {
            let _ = answer.send(Err(reason.to_owned()));
        }
    }

    fn post(&self, request: &Request) {
        if let Some(worker) = &self.worker {
            worker.post(request);
        }
    }
}
