//! The model of one bundle at work: its worker, what it has said so far, and what happens when it falls over.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::{Blob, ErrorEvent};

use super::state::mark;
use super::worker::PageWorker;
use explorer::inquiry::Inquiry;
use explorer::protocol::{
    Assess, Assessed, Device, DeviceChoice, Explained, Prediction, Question, Report, Request,
};
use explorer::table::Numbers;

/// How often a worker that had been running is replaced by one of the same kind.
const RESTARTS: u32 = 2;

/// How far the model is.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelStatus {
    /// No bundle with molecules is open.
    Idle,
    /// The model's program is coming in.
    Loading {
        /// Bytes so far.
        received: f64,
        /// Bytes in all, where known.
        total: Option<f64>,
    },
    /// The weights of a model of the bundle, counted from 0, are being read.
    ReadingWeights(usize),
    /// A device is being tried.
    WarmingUp(Device),
    /// The model runs; how many molecules are left shows in the predictions.
    Running {
        /// Where.
        device: Device,
        /// Why there.
        reason: String,
        /// Seconds that all molecules took, when all are done.
        seconds: Option<f64>,
    },
    /// The bundle has molecules without their features.
    NoInputs,
    /// The model has stopped for good.
    Failed(String),
}

impl ModelStatus {
    /// Whether every molecule is predicted.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Running { seconds: Some(_), .. })
    }

    /// Whether it will say nothing more without having said all.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::NoInputs | Self::Failed(_))
    }
}

/// What becomes of a bundle once its model has been tried.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Its model can be used.
    Accepted,
    /// It cannot, for this reason.
    Refused(String),
}

/// A model at work: signals, shared by every part of the page.
#[derive(Clone, Copy)]
pub struct ModelRun {
    /// Predictions so far, by position of the molecule in the bundle.
    pub predictions: RwSignal<Vec<Option<Arc<Prediction>>>>,
    /// The numbers of the table of molecules, where they are wanted; they change with `predicted`.
    pub numbers: StoredValue<Numbers>,
    /// How many molecules are predicted.
    pub predicted: RwSignal<usize>,
    /// The explanation that came last.
    pub explained: RwSignal<Option<Arc<Explained>>>,
    /// The assessment that came last.
    pub assessed: RwSignal<Option<Arc<Assessed>>>,
    /// How far the model is.
    pub status: RwSignal<ModelStatus>,
    /// The file of the bundle and the number of its molecules, for the next worker.
    file: StoredValue<Option<(Blob, usize)>, LocalStorage>,
    worker: StoredValue<Option<PageWorker>, LocalStorage>,
    /// Who hears whether the bundle can be used.
    judge: StoredValue<Option<Callback<Verdict>>>,
    /// What the worker is asked about single molecules.
    inquiry: StoredValue<Inquiry>,
    /// Why the model runs elsewhere than chosen, or anew, after a crash.
    detour: StoredValue<Option<String>>,
    /// How often it has been started anew.
    restarts: StoredValue<u32>,
}

impl ModelRun {
    /// Nothing runs.
    pub fn new() -> Self {
        Self {
            predictions: RwSignal::new(Vec::new()),
            numbers: StoredValue::new(Numbers::default()),
            predicted: RwSignal::new(0),
            explained: RwSignal::new(None),
            assessed: RwSignal::new(None),
            status: RwSignal::new(ModelStatus::Idle),
            file: StoredValue::new_local(None),
            worker: StoredValue::new_local(None),
            judge: StoredValue::new(None),
            inquiry: StoredValue::new(Inquiry::default()),
            detour: StoredValue::new(None),
            restarts: StoredValue::new(0),
        }
    }

    /// Runs the model of a bundle of so many molecules; `judge` hears whether it can be used.
    pub fn open(self, file: Blob, molecules: usize, device: DeviceChoice, judge: Callback<Verdict>) {
        self.file.set_value(Some((file, molecules)));
        self.judge.set_value(Some(judge));
        self.run_on(device);
    }

    /// Runs the model of the same bundle elsewhere.
    pub fn run_on(self, device: DeviceChoice) {
        self.restarts.set_value(0);
        self.start(device, None);
    }

    /// Stops the model and forgets what it has said.
    pub fn close(self) {
        self.file.set_value(None);
        self.start(DeviceChoice::Auto, None);
    }

    /// Ends the worker, which gives its memory back; what it has said stays.
    pub fn rest(self) {
        self.worker.set_value(None);
    }

    /// The file of the bundle.
    pub fn file(self) -> Option<Blob> {
        self.file.get_value().map(|(file, _)| file)
    }

    /// Replaces the worker by a new one.
    fn start(self, device: DeviceChoice, detour: Option<String>) {
        let file = self.file.get_value().filter(|(_, molecules)| *molecules > 0);
        self.predictions.set(vec![None; file.as_ref().map_or(0, |(_, molecules)| *molecules)]);
        self.numbers.update_value(Numbers::clear);
        self.predicted.set(0);
        self.explained.set(None);
        self.assessed.set(None);
        self.inquiry.set_value(Inquiry::default());
        self.detour.set_value(detour);
        // The worker before this one stops when its handle goes.
        self.worker.set_value(None);
        if file.is_none() {
            self.status.set(ModelStatus::Idle);
            return;
        }
        self.status.set(ModelStatus::Loading { received: 0.0, total: None });
        let hear = move |message| {
            let report = serde_wasm_bindgen::from_value(message)
                .unwrap_or_else(|error| Report::Crashed(format!("its message cannot be read: {error}")));
            self.hear(report, device);
        };
        let fall = move |event: ErrorEvent| {
            let message = event.message();
            let reason = if message.is_empty() { "it could not be loaded".into() } else { message };
            self.hear(Report::Crashed(reason), device);
        };
        match PageWorker::start("start-model.js", "model", hear, fall) {
            Ok(worker) => self.worker.set_value(Some(worker)),
            Err(reason) => self.status.set(ModelStatus::Failed(reason)),
        }
    }

    /// Asks for the explanation of a molecule, which comes as [`ModelRun::explained`]. Of several questions that wait, only
    /// the last is asked: a person who walks through the molecules leaves no queue behind.
    pub fn explain(self, question: Question) {
        self.ask(|inquiry| inquiry.wish(question));
    }

    /// Asks for the assessment of predictions, which comes as [`ModelRun::assessed`], a task at a time.
    pub fn assess(self, request: Assess) {
        self.post(&Request::Assess(request));
    }

    fn post(self, request: &Request) {
        self.worker.with_value(|worker| {
            if let Some(worker) = worker {
                worker.post(request);
            }
        });
    }

    fn ask(self, next: impl FnOnce(&mut Inquiry) -> Option<Question>) {
        let question = self.inquiry.try_update_value(next).flatten();
        if let Some(question) = question {
            self.post(&Request::Explain(question));
        }
    }

    /// Takes in what the worker says.
    fn hear(self, report: Report, asked: DeviceChoice) {
        match report {
            Report::Loading { received, total } => self.status.set(ModelStatus::Loading { received, total }),
            Report::Started => {
                if let Some(file) = self.file() {
                    self.post(&Request::Run { bundle: file.into(), device: asked });
                }
            }
            Report::ReadingWeights { model } => self.status.set(ModelStatus::ReadingWeights(model)),
            Report::WarmingUp(device) => self.status.set(ModelStatus::WarmingUp(device)),
            Report::Running { device, reason } => {
                self.judged(Verdict::Accepted);
                let reason = self.detour.get_value().unwrap_or(reason);
                self.status.set(ModelStatus::Running { device, reason, seconds: None });
            }
            Report::Predicted(predictions) => match predictions.unpack() {
                Some(predictions) => self.take_in(predictions),
                None => self.recover("its predictions cannot be read".into(), asked),
            },
            Report::Finished { seconds: taken } => self.status.update(|status| {
                if let ModelStatus::Running { seconds, .. } = status {
                    *seconds = Some(taken);
                }
            }),
            Report::Explained(explained) => {
                if explained.complete {
                    self.ask(Inquiry::answered);
                }
                self.explained.set(Some(Arc::new(explained)));
            }
            Report::Assessed(assessed) => self.assessed.set(Some(Arc::new(*assessed))),
            Report::NoInputs => {
                self.judged(Verdict::Accepted);
                self.status.set(ModelStatus::NoInputs);
            }
            Report::Refused(reason) => self.judged(Verdict::Refused(reason)),
            Report::Crashed(reason) => self.recover(reason, asked),
        }
    }

    fn take_in(self, predictions: Vec<(u32, Prediction)>) {
        mark("prediction");
        self.numbers.update_value(|numbers| {
            for (molecule, prediction) in &predictions {
                numbers.predict(*molecule as usize, prediction);
            }
        });
        self.predicted.update(|count| *count += predictions.len());
        self.predictions.update(|known| {
            for (molecule, prediction) in predictions {
                known[molecule as usize] = Some(Arc::new(prediction));
            }
        });
    }

    fn judged(self, verdict: Verdict) {
        if let Some(judge) = self.judge.get_value() {
            judge.run(verdict);
        }
    }

    /// A worker fell over, or lost its graphics device: the next one runs on the CPU. A worker that could not even start
    /// there would not do so the next time.
    fn recover(self, reason: String, asked: DeviceChoice) {
        let ran = self.status.with_untracked(|status| matches!(status, ModelStatus::Running { .. }));
        let anew = ran && self.restarts.get_value() < RESTARTS;
        if asked != DeviceChoice::Cpu || anew {
            self.restarts.update_value(|restarts| *restarts += 1);
            self.start(DeviceChoice::Cpu, Some(format!("the model stopped before: {reason}")));
        } else {
            self.worker.set_value(None);
            self.status.set(ModelStatus::Failed(reason));
        }
    }
}
