//! What a search maximises: the score of a cross-validation.

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::StepAxis;
use super::folds::{Audience, in_order};
use crate::cross_validation::{FoldPlan, Subject, train_fold};
use crate::data::Dataset;
use crate::metrics::TaskMetrics;
use crate::parameters::RunParameters;
use crate::training::{Progress, RunControl, TrainError, TrainSettings};

/// What is evaluated in a trial.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Flat parameters.
    pub parameters: &'a Map<String, Value>,
    /// Seed of everything random in the trial.
    pub seed: u64,
}

/// The ear of a search during a trial.
pub trait TrialControl {
    /// Notes a value on the way. It may ask the trial to stop.
    fn report(&self, step: u64, value: f64);

    /// Notes something that people look at.
    fn note(&self, name: &str, value: Value);

    /// Above 0 when the trial is to stop.
    fn stop(&self) -> &AtomicUsize;
}

/// Why a trial has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was asked to stop.
    Stopped,
    /// It failed, and would fail again.
    Final(String),
    /// It failed for a reason that may pass.
    Passing(String),
}

/// Something to maximise.
pub trait Objective: Sync {
    /// Whether the parameters can be evaluated at all.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), String>;

    /// The value of the parameters; NaN stands for none.
    ///
    /// # Errors
    /// [`Failure`].
    fn evaluate(&self, candidate: Candidate, control: &dyn TrialControl) -> Result<f64, Failure>;
}

/// The mean over the folds of `(1 - min_w)·macro AP + min_w·min AP`, each of the epoch that the fold's run keeps.
#[derive(Debug, Clone, Copy)]
pub struct CrossValidated<'a> {
    /// The molecules.
    pub dataset: &'a Dataset,
    /// The folds, the same in every trial.
    pub plan: &'a FoldPlan,
    /// Limits and device of each fold's run; the seed is the candidate's.
    pub settings: &'a TrainSettings,
    /// The device, in words.
    pub device: &'a str,
    /// Folds of a trial at a time.
    pub fold_jobs: usize,
}

impl CrossValidated<'_> {
    /// The steps of its reports.
    pub fn axis(&self) -> StepAxis {
        StepAxis { epochs: self.settings.max_epochs as u64 }
    }

    fn read(&self, parameters: &Map<String, Value>) -> Result<RunParameters, String> {
        RunParameters::from_json(&parameters.clone().into(), self.dataset.schema())
            .map_err(|error| error.to_string())
    }
}

impl Objective for CrossValidated<'_> {
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), String> {
        self.read(parameters).map(|_| ())
    }

    fn evaluate(&self, candidate: Candidate, control: &dyn TrialControl) -> Result<f64, Failure> {
        let parameters = &self.read(candidate.parameters).map_err(Failure::Final)?;
        let min_w = parameters.objective.min_w;
        let settings = &TrainSettings { seed: candidate.seed, ..self.settings.clone() };
        let subject = Subject { dataset: self.dataset, parameters, settings, device: self.device };
        let (rounds, stop, started) = (self.plan.rounds(), control.stop(), Instant::now());
        let run = |index: usize, tell: &mut dyn FnMut(Epoch)| {
            let mut kept = f64::NAN;
            let stopped = RunControl { stop: Some(stop), ..RunControl::default() };
            let trained = train_fold(subject, &rounds[index], stopped, |progress| {
                if let Progress::Epoch(record, is_best) = &progress {
                    if *is_best {
                        kept = record.metrics.fold_score(min_w);
                    }
                    tell(Epoch { index: record.epoch as u64 - 1, kept });
                }
            });
            trained.map(|trained| FinishedFold {
                epochs: trained.history.len(),
                metrics: trained.evaluation.metrics,
            })
        };
        let mut trial =
            RunningTrial { axis: self.axis(), min_w, control, folds: Folds::default(), failed: None };
        in_order(rounds.len(), self.fold_jobs, stop, run, &mut trial);
        let RunningTrial { folds, failed, .. } = trial;
        folds.tell(self.dataset, control);
        control.note("seconds", round(started.elapsed().as_secs_f64(), 1).into());
        match failed {
            Some(failure) => Err(failure),
            None if folds.scores.len() < rounds.len() => Err(Failure::Stopped),
            None => Ok(folds.scores.iter().sum::<f64>() / folds.scores.len() as f64),
        }
    }
}

/// An epoch of a fold, counted from 0, and the score of the epoch that the fold would keep if it ended now.
struct Epoch {
    index: u64,
    kept: f64,
}

struct FinishedFold {
    metrics: TaskMetrics,
    epochs: usize,
}

/// A trial that hears of its folds.
struct RunningTrial<'a> {
    axis: StepAxis,
    min_w: f64,
    control: &'a dyn TrialControl,
    folds: Folds,
    failed: Option<Failure>,
}

impl Audience<Epoch, Result<FinishedFold, TrainError>> for RunningTrial<'_> {
    fn hear(&mut self, fold: usize, Epoch { index, kept }: Epoch) {
        self.control.report(self.axis.step(fold as u64, index), StepAxis::report(&self.folds.scores, kept));
    }

    fn ended(&mut self, fold: usize, result: Result<FinishedFold, TrainError>) -> bool {
        match result {
            Ok(FinishedFold { metrics, epochs }) => self.folds.push(&metrics, self.min_w, epochs),
            Err(error) => self.failed = Some(failure(&error, fold)),
        }
        self.failed.is_none()
    }
}

/// What the finished folds of a trial had.
#[derive(Default)]
struct Folds {
    scores: Vec<f64>,
    epochs: Vec<usize>,
    metrics: Vec<TaskMetrics>,
}

impl Folds {
    fn push(&mut self, metrics: &TaskMetrics, min_w: f64, epochs: usize) {
        self.scores.push(metrics.fold_score(min_w));
        self.epochs.push(epochs);
        self.metrics.push(metrics.clone());
    }

    /// Notes what people look at.
    fn tell(&self, dataset: &Dataset, control: &dyn TrialControl) {
        if self.metrics.is_empty() {
            return;
        }
        let mean = |value: &dyn Fn(&TaskMetrics) -> f64| {
            let values: Vec<f64> = self.metrics.iter().map(value).filter(|value| value.is_finite()).collect();
            match values.len() {
                0 => Value::Null,
                count => round(values.iter().sum::<f64>() / count as f64, 6).into(),
            }
        };
        let per_task = |value: fn(&TaskMetrics, usize) -> f64| -> Map<String, Value> {
            let tasks = dataset.schema().tasks.iter().enumerate();
            tasks.map(|(task, named)| (named.name.clone(), mean(&|metrics| value(metrics, task)))).collect()
        };
        control.note("fold_scores", json!(self.scores));
        control.note("fold_epochs", json!(self.epochs));
        control.note("macro_ap", mean(&TaskMetrics::macro_ap));
        control.note("min_ap", mean(&TaskMetrics::min_ap));
        control.note("ap", per_task(|metrics, task| metrics.average_precision[task]).into());
        control.note("roc_auc", per_task(|metrics, task| metrics.roc_auc[task]).into());
    }
}

fn failure(error: &TrainError, fold: usize) -> Failure {
    let reason = format!("fold {fold}: {error}");
    match error {
        TrainError::Stopped { .. } => Failure::Stopped,
        TrainError::Device { .. } | TrainError::Folder(_) => Failure::Passing(reason),
        // The same seed would come to the same.
        TrainError::NotFinite { .. }
        | TrainError::Sampling(_)
        | TrainError::Weighting(_)
        | TrainError::Network(_) => Failure::Final(reason),
    }
}

fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10f64.powi(decimals);
    (value * factor).round() / factor
}
