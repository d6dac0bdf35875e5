//! What the page knows: the open bundle, what has been predicted so far, and what the person looks at.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leptos::prelude::*;
use shared_model::bundle::{CONFORMERS, Manifest, Molecule};
use web_sys::Blob;

use super::conformers_3d::Loaded;
use super::history;
use super::model_worker::ModelWorker;
use crate::coordinates::Coordinates;
use crate::inquiry::Inquiry;
use crate::protocol::{Device, DeviceChoice, Explained, Prediction, Question, Report};
use crate::table::{self, Column, Numbers, SearchText};
use crate::view::{Screen, View};

/// A bundle that the page has read.
#[derive(Debug)]
pub struct OpenBundle {
    /// Which of the bundles opened since the page was loaded.
    pub number: usize,
    /// Name of the file.
    pub name: String,
    /// Where it was downloaded from; none: it is a file of this computer.
    pub address: Option<String>,
    /// What the bundle says of itself.
    pub manifest: Manifest,
    /// The molecules in it, if any travel with the model.
    pub molecules: Option<Vec<Molecule>>,
    /// The columns of the table of molecules.
    pub columns: Vec<Column>,
    /// What the search looks through.
    pub search_text: SearchText,
    /// Positions of the molecules by their IDs.
    positions: HashMap<String, u32>,
}

impl OpenBundle {
    /// A bundle as read.
    pub fn new(
        name: String,
        address: Option<String>,
        manifest: Manifest,
        molecules: Option<Vec<Molecule>>,
    ) -> Self {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let known = molecules.as_deref().unwrap_or_default();
        let places = known.iter().enumerate();
        let positions = places.map(|(position, molecule)| (molecule.id.clone(), position as u32)).collect();
        let columns = table::columns(&manifest, known);
        let search_text = SearchText::new(known);
        Self { number, name, address, manifest, molecules, columns, search_text, positions }
    }

    /// The molecules; none if the bundle has none.
    pub fn molecules(&self) -> &[Molecule] {
        self.molecules.as_deref().unwrap_or_default()
    }

    /// Whether coordinates of conformers travel with the model.
    pub fn has_coordinates(&self) -> bool {
        self.manifest.members.contains_key(CONFORMERS)
    }

    /// Position of the molecule of an ID.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).map(|&position| position as usize)
    }

    /// Position of the task of a name.
    pub fn task(&self, name: &str) -> Option<usize> {
        self.manifest.schema.tasks.iter().position(|task| task.name == name)
    }
}

/// A file on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Name of the file.
    pub name: String,
    /// Bytes so far.
    pub received: f64,
    /// Bytes in all, where known.
    pub total: Option<f64>,
}

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

/// The page's state: signals, shared by every part of the page.
#[derive(Clone, Copy)]
pub struct Explorer {
    /// The open bundle.
    pub bundle: RwSignal<Option<Arc<OpenBundle>>>,
    /// A file on its way in.
    pub incoming: RwSignal<Option<Incoming>>,
    /// What went wrong last, in a sentence.
    pub trouble: RwSignal<Option<String>>,
    /// Predictions so far, by position of the molecule in the bundle.
    pub predictions: RwSignal<Vec<Option<Arc<Prediction>>>>,
    /// The numbers of the table of molecules, column by column: read when [`Explorer::predicted`] changes.
    pub numbers: StoredValue<Numbers>,
    /// How many molecules are predicted.
    pub predicted: RwSignal<usize>,
    /// The explanation that came last.
    pub explained: RwSignal<Option<Arc<Explained>>>,
    /// How far the model is.
    pub status: RwSignal<ModelStatus>,
    /// Where the model is to run.
    pub choice: RwSignal<DeviceChoice>,
    /// What the person looks at, by names; what follows are parts of it, by positions in the open bundle.
    pub view: RwSignal<View>,
    /// Which part of the page is in front.
    pub screen: Memo<Screen>,
    /// Position of the molecule that is looked at; none: the bundle has no molecules.
    pub selected: Memo<Option<usize>>,
    /// Which of its conformers are on.
    pub on: Memo<Vec<bool>>,
    /// Which of the tasks is looked at.
    pub task: Memo<usize>,
    /// Position of the conformer that is looked at; none: none was chosen.
    pub conformer: Memo<Option<usize>>,
    /// The coordinates of the open bundle, once they are wanted.
    pub coordinates: RwSignal<Loaded>,
    /// The file of the open bundle, for the next worker.
    file: StoredValue<Option<Blob>, LocalStorage>,
    /// The bundle before the open one, until the model has accepted the open one.
    earlier: StoredValue<Option<(Arc<OpenBundle>, Blob, View)>, LocalStorage>,
    /// The worker that runs the open bundle.
    worker: StoredValue<Option<ModelWorker>, LocalStorage>,
    /// What the worker is asked about single molecules.
    inquiry: StoredValue<Inquiry>,
    /// Why the model runs elsewhere than chosen, after a crash.
    detour: StoredValue<Option<String>>,
}

impl Explorer {
    /// The state of a page on which nothing is open.
    pub fn new(choice: DeviceChoice, view: View) -> Self {
        let bundle = RwSignal::new(None::<Arc<OpenBundle>>);
        let view = RwSignal::new(view);
        let selected = Memo::new(move |_| bundle.with(|bundle| selected(bundle.as_ref()?, &view.read())));
        let on = Memo::new(move |_| {
            let of = |(bundle, selected): (Arc<OpenBundle>, usize)| {
                view.with(|view| view.on(&bundle.molecules()[selected].conformers))
            };
            bundle.get().zip(selected.get()).map(of).unwrap_or_default()
        });
        let task = Memo::new(move |_| {
            bundle.with(|bundle| bundle.as_ref()?.task(view.read().task.as_ref()?)).unwrap_or_default()
        });
        let conformer = Memo::new(move |_| {
            let (bundle, position) = bundle.get().zip(selected.get())?;
            let name = view.with(|view| view.conformer.clone())?;
            bundle.molecules()[position].conformers.iter().position(|conformer| *conformer == name)
        });
        Self {
            bundle,
            view,
            conformer,
            coordinates: RwSignal::new(None),
            screen: Memo::new(move |_| view.with(|view| view.screen)),
            selected,
            on,
            task,
            incoming: RwSignal::new(None),
            trouble: RwSignal::new(None),
            predictions: RwSignal::new(Vec::new()),
            numbers: StoredValue::new(Numbers::default()),
            predicted: RwSignal::new(0),
            explained: RwSignal::new(None),
            status: RwSignal::new(ModelStatus::Idle),
            choice: RwSignal::new(choice),
            file: StoredValue::new_local(None),
            earlier: StoredValue::new_local(None),
            worker: StoredValue::new_local(None),
            inquiry: StoredValue::new(Inquiry::default()),
            detour: StoredValue::new(None),
        }
    }

    /// Shows a bundle and starts the model on it. The bundle before it comes back if the model refuses this one.
    pub fn show(self, bundle: OpenBundle, file: Blob) {
        let before = self.bundle.get_untracked().zip(self.file.get_value());
        // The first bundle is shown as the link says; the view of another one means nothing in this one.
        let view = if before.is_none() { self.view.get_untracked() } else { View::default() };
        self.earlier.set_value(before.map(|(bundle, file)| (bundle, file, self.view.get_untracked())));
        self.trouble.set(None);
        self.display(Arc::new(bundle), file, view);
    }

    fn display(self, bundle: Arc<OpenBundle>, file: Blob, view: View) {
        history::name_bundle(bundle.address.as_deref());
        self.numbers.set_value(Numbers::new(&bundle.columns, bundle.molecules()));
        self.view.set(view);
        self.coordinates.set(None);
        self.file.set_value(Some(file));
        self.bundle.set(Some(bundle));
        // After the frame that this makes has been laid out and painted.
        request_animation_frame(|| set_timeout(|| mark("table"), Duration::ZERO));
        self.start_model(self.choice.get_untracked(), None);
    }

    /// Looks at the molecule at a position.
    pub fn select(self, position: usize) {
        let id =
            self.bundle.with_untracked(|bundle| Some(bundle.as_ref()?.molecules().get(position)?.id.clone()));
        if let Some(id) = id {
            self.view.update(|view| view.look_at(&id));
        }
    }

    /// Looks at the task at a position.
    pub fn choose_task(self, position: usize) {
        let tasks = self.bundle.get_untracked();
        let task = tasks.as_ref().and_then(|bundle| bundle.manifest.schema.tasks.get(position));
        self.view.update(|view| view.task = task.map(|task| task.name.clone()));
    }

    /// Looks at a conformer of the molecule that is looked at.
    pub fn choose_conformer(self, position: usize) {
        let name = self.bundle.with_untracked(|bundle| {
            let molecule = &bundle.as_ref()?.molecules()[self.selected.get_untracked()?];
            molecule.conformers.get(position).cloned()
        });
        self.view.update(|view| view.conformer = name);
    }

    /// The coordinates of the open bundle, which are read when they are first wanted.
    ///
    /// # Errors
    /// In words, if they cannot be read.
    pub async fn read_coordinates(self) -> Result<Arc<Coordinates>, String> {
        if let Some(known) = self.coordinates.get_untracked() {
            return known;
        }
        let number = |explorer: Self| explorer.bundle.with_untracked(|b| b.as_ref().map(|b| b.number));
        let before = number(self);
        let file = self.file.get_value().ok_or("no bundle is open")?;
        let read = super::bundle_file::coordinates(&file).await;
        if number(self) == before {
            self.coordinates.set(Some(read.clone()));
        }
        read
    }

    /// Brings a part of the page to the front.
    pub fn go_to(self, screen: Screen) {
        self.view.update(|view| view.screen = screen);
    }

    /// Runs the model elsewhere.
    pub fn choose_device(self, choice: DeviceChoice) {
        self.choice.set(choice);
        self.start_model(choice, None);
    }

    /// Replaces the worker by a new one for the open bundle.
    fn start_model(self, device: DeviceChoice, detour: Option<String>) {
        let count = self.bundle.with_untracked(|bundle| bundle.as_ref().map_or(0, |b| b.molecules().len()));
        self.predictions.set(vec![None; count]);
        self.numbers.update_value(Numbers::clear);
        self.predicted.set(0);
        self.explained.set(None);
        self.inquiry.set_value(Inquiry::default());
        self.detour.set_value(detour);
        // The worker before this one stops when its handle goes.
        self.worker.set_value(None);
        let Some(file) = self.file.get_value().filter(|_| count > 0) else {
            self.status.set(ModelStatus::Idle);
            return;
        };
        self.status.set(ModelStatus::Loading { received: 0.0, total: None });
        match ModelWorker::start(file, device, move |report| self.hear(report, device)) {
            Ok(worker) => self.worker.set_value(Some(worker)),
            Err(reason) => self.status.set(ModelStatus::Failed(reason)),
        }
    }

    /// Asks for the explanation of a molecule, which comes as [`Explorer::explained`]. Of several questions that wait, only
    /// the last is asked: a person who walks through the molecules leaves no queue behind.
    pub fn explain(self, question: Question) {
        self.ask(|inquiry| inquiry.wish(question));
    }

    fn ask(self, next: impl FnOnce(&mut Inquiry) -> Option<Question>) {
        let question = self.inquiry.try_update_value(next).flatten();
        self.worker.with_value(|worker| {
            if let Some((worker, question)) = worker.as_ref().zip(question) {
                worker.explain(question);
            }
        });
    }

    /// Takes in what the worker says.
    fn hear(self, report: Report, asked: DeviceChoice) {
        match report {
            Report::Loading { received, total } => self.status.set(ModelStatus::Loading { received, total }),
            // The worker's handle answers this one.
            Report::Started => {}
            Report::ReadingWeights { model } => self.status.set(ModelStatus::ReadingWeights(model)),
            Report::WarmingUp(device) => self.status.set(ModelStatus::WarmingUp(device)),
            Report::Running { device, reason } => {
                self.earlier.set_value(None);
                let reason = self.detour.get_value().unwrap_or(reason);
                self.status.set(ModelStatus::Running { device, reason, seconds: None });
            }
            Report::Predicted { molecules, predictions } => {
                mark("prediction");
                self.numbers.update_value(|numbers| {
                    for (&molecule, prediction) in molecules.iter().zip(&predictions) {
                        numbers.predict(molecule as usize, prediction);
                    }
                });
                self.predicted.update(|count| *count += molecules.len());
                self.predictions.update(|known| {
                    for (molecule, prediction) in molecules.into_iter().zip(predictions) {
                        known[molecule as usize] = Some(Arc::new(prediction));
                    }
                });
            }
            Report::Finished { seconds: taken } => self.status.update(|status| {
                if let ModelStatus::Running { seconds, .. } = status {
                    *seconds = Some(taken);
                }
            }),
            Report::Explained(explained) => {
                self.ask(Inquiry::answered);
                self.explained.set(Some(Arc::new(explained)));
            }
            Report::NoInputs => {
                self.earlier.set_value(None);
                self.status.set(ModelStatus::NoInputs);
            }
            Report::Refused(reason) => self.go_back(reason),
            Report::Crashed(reason) => {
                if asked == DeviceChoice::Cpu {
                    self.status.set(ModelStatus::Failed(reason));
                } else {
                    self.start_model(DeviceChoice::Cpu, Some(format!("the model stopped before: {reason}")));
                }
            }
        }
    }

    /// Puts a bundle away that the model has refused.
    fn go_back(self, reason: String) {
        let name = self.bundle.with_untracked(|bundle| bundle.as_ref().map(|bundle| bundle.name.clone()));
        self.trouble.set(name.map(|name| super::bundle_file::complaint(&name, &reason)));
        match self.earlier.try_update_value(Option::take).flatten() {
            Some((bundle, file, view)) => self.display(bundle, file, view),
            None => {
                self.worker.set_value(None);
                self.file.set_value(None);
                self.bundle.set(None);
                self.status.set(ModelStatus::Idle);
            }
        }
    }
}

/// Position of the molecule that a view looks at: the first where it names none of this bundle.
fn selected(bundle: &OpenBundle, view: &View) -> Option<usize> {
    let named = view.molecule.as_ref().and_then(|id| bundle.position(id));
    named.or_else(|| (!bundle.molecules().is_empty()).then_some(0))
}

/// Marks a moment in the browser's own timeline, once: how long the page takes is then for anyone to see.
fn mark(moment: &str) {
    if let Some(performance) = window().performance()
        && performance.get_entries_by_name(moment).length() == 0
    {
        // Measuring must never stop the page.
        let _ = performance.mark(moment);
    }
}
