//! What the page knows: the open bundle, what has been predicted so far, and what the person looks at.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leptos::prelude::*;
use shared_model::bundle::{CONFORMERS, Manifest, Molecule};
use web_sys::Blob;

use super::coordinates::CoordinatesReader;
use super::estimate::unknown;
use super::history;
use super::model_run::{ModelRun, ModelStatus, Verdict};
use super::notice::Notices;
use explorer::coordinates::{Records, Wanted};
use explorer::protocol::{DeviceChoice, Explained, Prediction};
use explorer::table::{self, Column, Numbers, SearchText};
use explorer::view::{Screen, View};

/// The threshold of a model that comes with none.
const USUAL_THRESHOLD: f32 = 0.5;

/// Width of a window with room for structures in the table, in CSS pixels.
const WIDE: f64 = 700.0;

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
        let wide = window().inner_width().ok().and_then(|width| width.as_f64()) >= Some(WIDE);
        let columns = table::columns(&manifest, known, wide);
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

    /// Probability from which on a molecule counts as positive of a task, if nobody moves it: the model's own, or one half.
    pub fn usual_threshold(&self, task: usize) -> f32 {
        let own = self.manifest.thresholds.as_ref().and_then(|all| all.get(task));
        own.map_or(USUAL_THRESHOLD, |&threshold| threshold as f32)
    }

    /// Position of the task of a name.
    pub fn task(&self, name: &str) -> Option<usize> {
        self.manifest.schema.tasks.iter().position(|task| task.name == name)
    }
}

/// The page's state: signals, shared by every part of the page.
#[derive(Clone, Copy)]
pub struct Explorer {
    /// The open bundle.
    pub bundle: RwSignal<Option<Arc<OpenBundle>>>,
    /// What the first page says about files.
    pub notices: Notices,
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
    /// What stands for a number that the model has not told.
    pub unknown: Memo<&'static str>,
    /// The model of the open bundle at work; what stands above are parts of it.
    pub run: ModelRun,
    /// The bundle that is compared with the open one.
    pub beside: RwSignal<Option<Arc<OpenBundle>>>,
    /// Its model at work.
    pub other: ModelRun,
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
    /// Reads the coordinates of the open bundle.
    coordinates: CoordinatesReader,
    /// The bundle before the open one, until the model has accepted the open one.
    earlier: StoredValue<Option<(Arc<OpenBundle>, Blob, View)>, LocalStorage>,
    /// The file of the bundle beside it.
    file_beside: StoredValue<Option<Blob>, LocalStorage>,
}

impl Explorer {
    /// The state of a page on which nothing is open.
    pub fn new(choice: DeviceChoice, view: View, notices: Notices) -> Self {
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
        let run = ModelRun::new();
        Self {
            bundle,
            view,
            conformer,
            coordinates: CoordinatesReader::new(),
            screen: Memo::new(move |_| view.with(|view| view.screen)),
            selected,
            on,
            task,
            notices,
            predictions: run.predictions,
            numbers: run.numbers,
            predicted: run.predicted,
            explained: run.explained,
            status: run.status,
            unknown: Memo::new(move |_| run.status.with(unknown)),
            run,
            beside: RwSignal::new(None),
            other: ModelRun::new(),
            choice: RwSignal::new(choice),
            earlier: StoredValue::new_local(None),
            file_beside: StoredValue::new_local(None),
        }
    }

    /// Shows a bundle and starts the model on it. The bundle before it comes back if the model refuses this one.
    pub fn show(self, bundle: OpenBundle, file: Blob) {
        let before = self.bundle.get_untracked().zip(self.run.file());
        // The first bundle is shown as the link says; the view of another one means nothing in this one.
        let view = if before.is_none() { self.view.get_untracked() } else { View::default() };
        self.earlier.set_value(before.map(|(bundle, file)| (bundle, file, self.view.get_untracked())));
        self.notices.trouble.set(None);
        self.display(Arc::new(bundle), file, view);
    }

    fn display(self, bundle: Arc<OpenBundle>, file: Blob, view: View) {
        history::name_bundle("bundle", bundle.address.as_deref());
        self.numbers.set_value(Numbers::new(&bundle.columns, bundle.molecules()));
        self.view.set(view);
        self.coordinates.close();
        let molecules = bundle.molecules().len();
        self.bundle.set(Some(bundle));
        // After the frame that this makes has been laid out and painted.
        request_animation_frame(|| set_timeout(|| mark("table"), Duration::ZERO));
        let judge = Callback::new(move |verdict| match verdict {
            Verdict::Accepted => self.earlier.set_value(None),
            Verdict::Refused(reason) => self.go_back(reason),
        });
        self.run.open(file, molecules, self.choice.get_untracked(), judge);
    }

    /// Puts a bundle beside the open one, to be compared with it.
    pub fn put_beside(self, bundle: OpenBundle, file: Blob) {
        self.notices.trouble.set(None);
        self.other.close();
        self.file_beside.set_value(Some(file));
        self.beside.set(Some(Arc::new(bundle)));
    }

    /// The file of the bundle beside the open one.
    pub fn file_beside(self) -> Option<Blob> {
        self.file_beside.get_value()
    }

    /// Puts the bundle beside the open one away.
    pub fn stop_comparing(self) {
        self.other.close();
        self.file_beside.set_value(None);
        self.beside.set(None);
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

    /// Probability from which on a molecule of the open bundle counts as positive of a task.
    pub fn threshold(self, bundle: &OpenBundle, task: usize) -> f32 {
        let name = &bundle.manifest.schema.tasks[task].name;
        let moved = self.view.with(|view| view.thresholds.get(name).copied());
        moved.unwrap_or_else(|| bundle.usual_threshold(task))
    }

    /// Looks at a conformer of the molecule that is looked at.
    pub fn choose_conformer(self, position: usize) {
        let name = self.bundle.with_untracked(|bundle| {
            let molecule = &bundle.as_ref()?.molecules()[self.selected.get_untracked()?];
            molecule.conformers.get(position).cloned()
        });
        self.view.update(|view| view.conformer = name);
    }

    /// The records of the conformers of the molecules at these positions of the open bundle.
    ///
    /// # Errors
    /// In words, if they cannot be read.
    pub fn coordinates_of(
        self,
        bundle: &OpenBundle,
        positions: &[u32],
    ) -> impl Future<Output = Result<Vec<Records>, String>> + use<> {
        let wanted = positions.iter().map(|&position| {
            let molecule = &bundle.molecules()[position as usize];
            Wanted { id: molecule.id.clone(), conformers: molecule.conformers.clone() }
        });
        self.coordinates.find(self.run.file(), wanted.collect())
    }

    /// Brings a part of the page to the front.
    pub fn go_to(self, screen: Screen) {
        self.view.update(|view| view.screen = screen);
    }

    /// Runs the model elsewhere.
    pub fn choose_device(self, choice: DeviceChoice) {
        self.choice.set(choice);
        self.run.run_on(choice);
    }

    /// Puts a bundle away that the model has refused.
    fn go_back(self, reason: String) {
        let name = self.bundle.with_untracked(|bundle| bundle.as_ref().map(|bundle| bundle.name.clone()));
        self.notices.trouble.set(name.map(|name| super::bundle_file::complaint(&name, &reason)));
        match self.earlier.try_update_value(Option::take).flatten() {
            Some((bundle, file, view)) => self.display(bundle, file, view),
            None => {
                self.run.close();
                self.bundle.set(None);
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
pub fn mark(moment: &str) {
    if let Some(performance) = window().performance()
        && performance.get_entries_by_name(moment).length() == 0
    {
        // Measuring must never stop the page.
        let _ = performance.mark(moment);
    }
}
