//! A worker: one process that takes trials from a study, several at a time, until there is nothing left to do.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::History;
use super::jobs::{threads_of_each, with_threads};
use super::objective::{Candidate, Failure, Objective, TrialControl};
use super::pruner::Pruner;
use super::session::{Assignment, Next, Retry, SearchError, Session};
use crate::study::{StorageError, TrialId, TrialState};

/// When a worker ends, beside the budget of the study.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// No trial begins after this; none: no limit.
    pub deadline: Option<Instant>,
    /// Whether to stay, once the running trials suffice, until those of other processes have ended: a last worker sees
    /// to it that the budget is met even if one of them dies.
    pub waits_for_others: bool,
}

/// What a search tells while it runs.
#[derive(Debug)]
pub enum SearchEvent<'a> {
    /// A trial begins.
    Begins(&'a Assignment),
    /// A trial reported a value.
    Reports {
        /// Its number.
        number: u64,
        /// The step.
        step: u64,
        /// The value.
        value: f64,
    },
    /// A trial ended.
    Ends {
        /// The trial.
        trial: &'a Assignment,
        /// How.
        state: TrialState,
        /// Its value, or the last that it reported.
        value: Option<f64>,
        /// Why it failed.
        reason: Option<&'a str>,
        /// How long it took.
        elapsed: Duration,
    },
    /// Nothing to do but to wait for the trials of others.
    Waits,
}

/// Why a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The budget of the study is used up, or will be by the trials that others run.
    Budget,
    /// Its own time is over.
    Deadline,
    /// By this signal; its trials were handed back.
    Signal(usize),
}

/// Trials that may fail one after the other before the worker gives up.
const MOST_FAILURES: u32 = 10;

/// What a trial's flag says beside the number of a signal.
mod stop {
    pub(super) const PRUNED: usize = 1 << 16;
    pub(super) const LOST: usize = PRUNED + 1;
    pub(super) const STORAGE: usize = PRUNED + 2;
}

/// The trials that run in this process, with their flags.
type Running = Mutex<Vec<(TrialId, Arc<AtomicUsize>)>>;

struct Worker<'a> {
    session: &'a Session<'a>,
    objective: &'a dyn Objective,
    pruner: &'a dyn Pruner,
    limits: Limits,
    interrupted: &'a AtomicUsize,
    observe: &'a (dyn Fn(SearchEvent) + Sync),
    running: Running,
    failures: AtomicU32,
    /// Whether a job ended with an error: the others take no new trial.
    broken: AtomicBool,
}

/// Works on a study with `jobs` trials at a time, which share the threads of the machine. `interrupted` holds the number
/// of a signal that asks to end; 0: none.
///
/// # Errors
/// [`SearchError`]; trials that run then are taken for those of a dead worker.
pub fn work(
    session: &Session,
    objective: &dyn Objective,
    pruner: &dyn Pruner,
    jobs: usize,
    limits: Limits,
    interrupted: &AtomicUsize,
    observe: &(dyn Fn(SearchEvent) + Sync),
) -> Result<Ending, SearchError> {
    let (running, failures, broken) = (Mutex::default(), AtomicU32::new(0), AtomicBool::new(false));
    let worker =
        &Worker { session, objective, pruner, limits, interrupted, observe, running, failures, broken };
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(move || worker.watch(over));
        let threads = threads_of_each(jobs);
        let job = move || {
            let ending = with_threads(threads, || worker.job());
            worker.broken.fetch_or(ending.is_err(), Ordering::Relaxed);
            ending
        };
        let jobs: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(job)).collect();
        let endings: Vec<_> = jobs
            .into_iter()
            .map(|job| job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        over.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        let endings = endings.into_iter().collect::<Result<Vec<Ending>, _>>()?;
        let signal = endings.iter().find(|ending| matches!(ending, Ending::Signal(_)));
        Ok(*signal.or(endings.first()).expect("there is a job"))
    })
}

impl Worker<'_> {
    /// One trial after the other.
    fn job(&self) -> Result<Ending, SearchError> {
        loop {
            match self.interrupted.load(Ordering::Relaxed) {
                0 if self.broken.load(Ordering::Relaxed) => return Ok(Ending::Deadline),
                0 => {}
                signal => return Ok(Ending::Signal(signal)),
            }
            if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Ending::Deadline);
            }
            match self.session.ask(self.objective)? {
                Next::Done => return Ok(Ending::Budget),
                Next::Enough { elsewhere } if elsewhere && self.limits.waits_for_others => {
                    (self.observe)(SearchEvent::Waits);
                    self.pause(Duration::from_secs(1));
                }
                // The jobs that run the others here take up what fails.
                Next::Enough { .. } => return Ok(Ending::Budget),
                Next::Trial(trial) => self.run(&trial)?,
            }
        }
    }

    fn run(&self, trial: &Assignment) -> Result<(), SearchError> {
        let started = Instant::now();
        let stop = Arc::new(AtomicUsize::new(0));
        self.running().push((trial.id, Arc::clone(&stop)));
        (self.observe)(SearchEvent::Begins(trial));
        let control = Control {
            worker: self,
            trial,
            stop: &stop,
            last: Cell::new(None),
            storage_error: RefCell::new(None),
        };
        let candidate = Candidate { parameters: &trial.configuration.parameters, seed: trial.seed };
        let result = catch_unwind(AssertUnwindSafe(|| self.objective.evaluate(candidate, &control)))
            .unwrap_or_else(|panic| Err(Failure::Passing(panic_message(panic.as_ref()))));
        let (last, storage_error) = (control.last.get(), control.storage_error.take());
        self.running().retain(|(id, _)| *id != trial.id);
        if let Some(error) = storage_error {
            return Err(error.into());
        }
        let mut blamed = None;
        let (state, value, reason) = match result {
            Ok(value) => {
                let state = self.session.complete(trial, value)?;
                (state, Some(value), (!value.is_finite()).then(|| "the objective is no number".to_owned()))
            }
            Err(Failure::Stopped) => match stop.load(Ordering::Relaxed) {
                stop::PRUNED => (self.session.prune(trial, last)?, last, None),
                stop::LOST => (TrialState::Fail, None, Some("it was ended by another worker".to_owned())),
                signal => {
                    let reason = format!("handed back by a worker that signal {signal} ended");
                    (self.session.fail(trial, &reason, Retry::Unblamed)?, None, Some(reason))
                }
            },
            Err(Failure::Final(reason)) => {
                blamed = Some(reason.clone());
                (self.session.fail(trial, &reason, Retry::Never)?, None, Some(reason))
            }
            Err(Failure::Passing(reason)) => {
                blamed = Some(reason.clone());
                (self.session.fail(trial, &reason, Retry::Blamed)?, None, Some(reason))
            }
        };
        let elapsed = started.elapsed();
        (self.observe)(SearchEvent::Ends { trial, state, value, reason: reason.as_deref(), elapsed });
        match blamed {
            Some(reason) => match self.failures.fetch_add(1, Ordering::Relaxed) + 1 {
                MOST_FAILURES.. => Err(SearchError::KeepsFailing(MOST_FAILURES, reason)),
                _ => Ok(()),
            },
            None => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Gives signs of life for the running trials, and tells them when to stop.
    fn watch(&self, over: &AtomicBool) {
        let mut last = Instant::now();
        while !over.load(Ordering::Relaxed) {
            thread::park_timeout(Duration::from_millis(100));
            let signal = self.interrupted.load(Ordering::Relaxed);
            if signal != 0 {
                for (_, stop) in &*self.running() {
                    set(stop, signal);
                }
            }
            if last.elapsed() >= self.session.settings.heartbeat {
                last = Instant::now();
                let running = self.running().clone();
                for (id, stop) in running {
                    // What cannot be reached now may be reached next time.
                    if let Err(StorageError::Finished(_)) = self.session.storage().heartbeat(id) {
                        set(&stop, stop::LOST);
                    }
                }
            }
        }
    }

    /// Waits, unless a signal comes.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && self.interrupted.load(Ordering::Relaxed) == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<(TrialId, Arc<AtomicUsize>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says why to stop; who says so first is right.
fn set(stop: &AtomicUsize, reason: usize) {
    let _ = stop.compare_exchange(0, reason, Ordering::Relaxed, Ordering::Relaxed);
}

struct Control<'a> {
    worker: &'a Worker<'a>,
    trial: &'a Assignment,
    stop: &'a AtomicUsize,
    last: Cell<Option<f64>>,
    storage_error: RefCell<Option<StorageError>>,
}

impl Control<'_> {
    fn report_and_judge(&self, step: u64, value: f64) -> Result<(), StorageError> {
        let session = self.worker.session;
        session.storage().report(self.trial.id, step, value)?;
        self.last.set(Some(value));
        (self.worker.observe)(SearchEvent::Reports { number: self.trial.number, step, value });
        let trials = session.trials()?;
        let history = History { direction: Session::DIRECTION, trials: &trials };
        let this = trials.iter().find(|trial| trial.id == self.trial.id);
        if this.is_some_and(|trial| self.worker.pruner.prunes(&history, trial)) {
            set(self.stop, stop::PRUNED);
        }
        Ok(())
    }

    fn hear(&self, result: Result<(), StorageError>) {
        match result {
            Ok(()) => {}
            Err(StorageError::Finished(_)) => set(self.stop, stop::LOST),
            Err(error) => {
                set(self.stop, stop::STORAGE);
                self.storage_error.replace(Some(error));
            }
        }
    }
}

impl TrialControl for Control<'_> {
    fn report(&self, step: u64, value: f64) {
        self.hear(self.report_and_judge(step, value));
    }

    fn note(&self, name: &str, value: Value) {
        self.hear(self.worker.session.note(self.trial.id, name, &value));
    }

    fn stop(&self) -> &AtomicUsize {
        self.stop
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the program failed: {}", text.as_deref().unwrap_or("no reason was given"))
}
