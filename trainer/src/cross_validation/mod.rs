//! Cross-validation without a search: out-of-fold predictions, what they are worth, and what is lost without
//! conformers.
//!
//! As in the earlier system, each fold chooses its epoch by its own validation molecules: the numbers are those of early
//! stopping on the fold that is reported, and better than those of molecules never looked at, the more so the fewer
//! positives a fold has. A plan with inner splits ([`FoldPlan::with_inner_splits`]) does without.

mod ablation;
mod out_of_fold;
mod plan;
mod store;
mod stratification;
mod summary;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use shared_model::bundle::{BundleContents, TrainingSummary};

pub use self::ablation::Ablation;
pub use self::out_of_fold::{FoldMetrics, OutOfFold};
pub use self::plan::{EpochChoice, FoldPlan, FoldSource, Round};
pub(crate) use self::store::differing_names;
pub use self::store::{FoldRecord, FoldStore};
pub use self::stratification::stratified_folds;
pub use self::summary::{
    AblationSummary, CvSummary, FoldSummary, MeanStd, TaskCvSummary, write_ablations, write_folds,
};
use crate::bundle_file;
use crate::data::{DataError, Dataset};
use crate::file_error::FileError;
use crate::parameters::RunParameters;
use crate::prediction_table::{FoldKey, Parts, PredictionTable, PredictionTableError};
use crate::training::{
    Checkpoint, Partition, Progress, ResumeError, RunControl, RunIdentity, TrainError, TrainSettings,
    TrainedModel, train_controlled, write_history,
};

/// What is cross-validated.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The molecules.
    pub dataset: &'a Dataset,
    /// The parameters of each fold's run.
    pub parameters: &'a RunParameters,
    /// Settings of each fold's run; its seed is mixed with the number of the fold.
    pub settings: &'a TrainSettings,
    /// The device, in words, for the bundles of the folds.
    pub device: &'a str,
}

/// A finished fold.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldResult {
    /// How it was trained.
    pub record: FoldRecord,
    /// Probabilities of its validation molecules `[M_fold, T]`.
    pub probabilities: Vec<f32>,
}

/// What a cross-validation tells while it runs.
#[derive(Debug)]
pub enum CvProgress<'a> {
    /// A fold begins; so many are done of so many.
    Begins {
        /// Which fold.
        key: FoldKey,
        /// Folds done.
        done: usize,
        /// Folds in all.
        of: usize,
    },
    /// Its training goes on.
    Training(Progress<'a>),
    /// A fold is done, or was there from an earlier start.
    Done {
        /// The fold.
        result: &'a FoldResult,
        /// Its metrics.
        metrics: &'a FoldMetrics,
        /// Whether it was there.
        resumed: bool,
    },
}

/// Why a cross-validation failed.
#[derive(Debug, thiserror::Error)]
pub enum CrossValidationError {
    /// No folds to be had from the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Too few or too many folds.
    #[error(
        "{folds} folds of {molecules} training molecules: ask for at least 2 folds and at most as many as molecules"
    )]
    FoldCount {
        /// Folds asked for.
        folds: u32,
        /// Training molecules.
        molecules: usize,
    },
    /// Training failed.
    #[error("repeat {repeat}, fold {fold}: {error}", repeat = key.repeat, fold = key.fold)]
    Train {
        /// In which fold.
        key: FoldKey,
        /// Why.
        error: TrainError,
    },
    /// The folder holds a cross-validation already.
    #[error("{folder} holds a cross-validation already: give --resume to go on with it, or another folder", folder = folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds another cross-validation.
    #[error("{folder} holds a cross-validation that differs in {differing}: resume it with what it began with, or give another folder", folder = folder.display())]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        differing: String,
    },
    /// A fold that was kept holds other molecules.
    #[error("{folder} does not hold the predictions of the molecules of that fold: remove this folder", folder = folder.display())]
    ForeignFold {
        /// The folder of the fold.
        folder: PathBuf,
    },
    /// Predictions that were kept cannot be read.
    #[error(transparent)]
    Predictions(#[from] PredictionTableError),
    /// A fold that was begun cannot be gone on with.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Seed of a fold's training: neighbouring seeds and folds give unrelated ones (SplitMix64, Steele et al. 2014).
pub fn fold_seed(seed: u64, key: FoldKey) -> u64 {
    let mix = |value: u64| {
        let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(seed) ^ (u64::from(key.repeat) << 32 | u64::from(key.fold)))
}

/// Trains every fold that is not in the store yet and returns all of them, in the order of the plan. A fold that was
/// begun goes on after its last whole epoch. A number other than 0 in `stop` ends it.
///
/// # Errors
/// [`CrossValidationError`]; the folds that were finished, and the epochs of the one that was not, stay in the store.
pub fn cross_validate(
    subject: Subject,
    plan: &FoldPlan,
    store: &FoldStore,
    stop: Option<&AtomicUsize>,
    mut observe: impl FnMut(CvProgress),
) -> Result<Vec<FoldResult>, CrossValidationError> {
    let mut results = Vec::with_capacity(plan.rounds().len());
    for (done, round) in plan.rounds().iter().enumerate() {
        observe(CvProgress::Begins { key: round.key, done, of: plan.rounds().len() });
        let known = store.load(round.key)?;
        let resumed = known.is_some();
        let result = match known {
            Some((record, predictions)) => {
                let ids = round.fold.validation.iter().map(|&row| &subject.dataset.ids()[row]);
                if !ids.eq(&predictions.ids) {
                    return Err(CrossValidationError::ForeignFold { folder: store.fold(round.key) });
                }
                FoldResult { record, probabilities: predictions.probabilities }
            }
            None => run_fold(subject, round, store, stop, &mut observe)?,
        };
        let metrics = FoldMetrics::new(subject.dataset, round, &result, subject.parameters.objective.min_w);
        observe(CvProgress::Done { result: &result, metrics: &metrics, resumed });
        results.push(result);
    }
    Ok(results)
}

/// Trains one fold, with the seed of the fold, and keeps what `control` says.
///
/// # Errors
/// [`TrainError`].
pub fn train_fold(
    subject: Subject,
    round: &Round,
    control: RunControl,
    observe: impl FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    let settings = fold_settings(subject, round);
    train_controlled(subject.dataset, round.partition(), subject.parameters, &settings, control, observe)
}

fn fold_settings(subject: Subject, round: &Round) -> TrainSettings {
    TrainSettings { seed: fold_seed(subject.settings.seed, round.key), ..subject.settings.clone() }
}

fn run_fold(
    subject: Subject,
    round: &Round,
    store: &FoldStore,
    stop: Option<&AtomicUsize>,
    observe: &mut impl FnMut(CvProgress),
) -> Result<FoldResult, CrossValidationError> {
    let dataset = subject.dataset;
    let folder = store.fold(round.key);
    fs::create_dir_all(&folder).map_err(|error| FileError::unwritable(&folder, error))?;
    let kept = Checkpoint::read(&folder)?;
    if let Some(kept) = &kept {
        let settings = fold_settings(subject, round);
        kept.check(&RunIdentity::new(dataset, round.partition(), subject.parameters, &settings))?;
    }
    let control = RunControl { folder: Some(&folder), resume: kept, stop };
    let trained = train_fold(subject, round, control, |progress| observe(CvProgress::Training(progress)))
        .map_err(|error| CrossValidationError::Train { key: round.key, error })?;

    let record = FoldRecord {
        key: round.key,
        seed: fold_seed(subject.settings.seed, round.key),
        epochs: trained.history.len(),
        best_epoch: trained.history[trained.best].epoch,
        mixed_precision: trained.mixed_precision.clone(),
    };
    let probabilities = match &round.inner {
        None => trained.evaluation.probabilities.clone(),
        Some(_) => trained
            .predict(dataset, &round.fold.validation, &subject.settings.device)
            .map_err(|error| CrossValidationError::Train { key: round.key, error })?,
    };
    let predictions = PredictionTable::of_rows(
        dataset,
        &round.fold.validation,
        Parts::Folds(vec![round.key; round.fold.validation.len()]),
        probabilities.clone(),
    );
    store.save(&record, &predictions, |folder| {
        write_history(&folder.join("metrics.csv"), dataset.schema(), &trained.history)?;
        bundle_file::write(&folder.join("model.optimil"), &bundle(subject, round, &record, &trained))
    })?;
    Checkpoint::remove(&folder).map_err(|error| FileError::unwritable(&Checkpoint::path(&folder), error))?;
    Ok(FoldResult { record, probabilities })
}

/// The model of a fold, without molecules.
fn bundle(subject: Subject, round: &Round, record: &FoldRecord, trained: &TrainedModel) -> BundleContents {
    let dataset = subject.dataset;
    let Partition { train, validation } = round.partition();
    let inner = if round.inner.is_some() { ", inner split" } else { "" };
    let summary = TrainingSummary {
        data_sha256: dataset.sha256(),
        seed: record.seed,
        device: subject.device.into(),
        epochs: record.epochs,
        best_epoch: record.best_epoch,
        train_molecules: train.len(),
        validation_split: format!("repeat {}, fold {}{inner}", round.key.repeat, round.key.fold),
        validation_molecules: validation.len(),
        macro_average_precision: trained.evaluation.metrics.macro_ap(),
        macro_roc_auc: trained.evaluation.metrics.macro_roc_auc(),
        tasks: trained.evaluation.summarise(dataset, validation, record.seed),
        mixed_precision: record.mixed_precision.clone(),
    };
    BundleContents {
        manifest: bundle_file::manifest(dataset.schema(), dataset.names_2d(), dataset.names_3d(), None),
        models: vec![bundle_file::trained_model(trained, subject.parameters, summary)],
        molecules: None,
        conformers: None,
    }
}
