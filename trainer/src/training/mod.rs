//! Training one model: balanced batches, AdamW, early stopping on the validation molecules, and a checkpoint after
//! every epoch.

mod average;
mod batches;
mod checkpoint;
mod device_failure;
mod evaluate;
mod event_file;
mod footprint;
mod freed_memory;
mod history;
mod loss_scaler;
mod measure;
mod optimiser;
mod run;
mod run_folder;
mod schedule;

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use burn::backend::{Autodiff, Flex};
use burn::{Dispatch, DispatchDevice};
use shared_model::bundle::MixedPrecision;
use shared_model::config::ModelConfig;
use shared_model::network::NetworkError;
use shared_model::state_dict::StateDict;

pub use self::average::WeightAverage;
pub use self::batches::Batches;
pub use self::checkpoint::{Checkpoint, ResumeError, RunIdentity};
pub use self::evaluate::Evaluation;
pub use self::footprint::Footprint;
pub use self::freed_memory::keep_freed_memory;
pub use self::history::{EpochRecord, LossValues, write_history};
pub use self::loss_scaler::LossScaler;
pub use self::measure::{Measurement, measure};
pub use self::optimiser::{AdamW, MomentState};
pub use self::run::objective_weights;
pub use self::schedule::Schedule;
use crate::data::{Dataset, TargetScales};
use crate::device::{Device, Precision};
use crate::parameters::RunParameters;
use crate::sampling::SamplingError;
use crate::weighting::{BitmaskGroups, WeightingError};

/// What a run needs beside data and parameters.
#[derive(Debug, Clone)]
pub struct TrainSettings {
    /// Seed of initial weights, batches and dropout.
    pub seed: u64,
    /// Most epochs.
    pub max_epochs: usize,
    /// Epochs without a better validation macro average precision before training stops.
    pub patience: usize,
    /// Device to train on.
    pub device: Device,
    /// What it computes in.
    pub precision: Precision,
}

/// Molecules to train on and molecules to choose the epoch by, as rows of the data set.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    /// Rows to train on.
    pub train: &'a [usize],
    /// Rows to validate on.
    pub validation: &'a [usize],
}

/// How a run is kept and stopped; by default it is neither.
#[derive(Debug, Default)]
pub struct RunControl<'a> {
    /// Folder, which exists, for the checkpoint, the metrics and the event file of every epoch.
    pub folder: Option<&'a Path>,
    /// The state to go on from, which was checked to be of this run.
    pub resume: Option<Checkpoint>,
    /// Number of the signal that asks to stop after the running batch or epoch; 0: none.
    pub stop: Option<&'a AtomicUsize>,
}

/// A trained model: the weights of the best epoch.
#[derive(Debug)]
pub struct TrainedModel {
    /// Configuration of the network.
    pub config: ModelConfig,
    /// Weights of the network.
    pub weights: StateDict,
    /// Scales of the auxiliary targets.
    pub scales: TargetScales,
    /// Bitmask groups; none without a bitmask head.
    pub groups: Option<BitmaskGroups>,
    /// What happened in each epoch.
    pub history: Vec<EpochRecord>,
    /// Index of the best epoch in the history.
    pub best: usize,
    /// The best epoch's predictions for the validation rows, in float32.
    pub evaluation: Evaluation,
    /// How training computed, where not all of it was in float32.
    pub mixed_precision: Option<MixedPrecision>,
}

/// What training tells while it runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A batch was trained on.
    Batch {
        /// Epoch, counted from 1.
        epoch: usize,
        /// Batches done in this epoch.
        done: usize,
        /// Batches of an epoch.
        of: usize,
    },
    /// An epoch ended, and whether it is the best so far.
    Epoch(&'a EpochRecord, bool),
}

/// Why training ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Batches cannot be drawn.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The loss cannot be weighted.
    #[error(transparent)]
    Weighting(#[from] WeightingError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A loss that is no number.
    #[error(
        "the {loss} loss became {value} in epoch {epoch}: use a smaller learning rate (lr), bound the gradients (gradient_clip_val) or look for extreme feature values"
    )]
    NotFinite {
        /// Which loss.
        loss: &'static str,
        /// Its value.
        value: f32,
        /// Epoch, counted from 1.
        epoch: usize,
        /// The model of the best epoch before, if there was any.
        best: Option<Box<TrainedModel>>,
    },
    /// Someone asked to stop.
    #[error("training was stopped by signal {signal}")]
    Stopped {
        /// Number of the signal.
        signal: usize,
    },
    /// The device failed.
    #[error("the device failed while it computed ({reason}): look at its driver and memory")]
    Device {
        /// What the backend said.
        reason: String,
    },
    /// The run folder cannot be written.
    #[error("the run folder cannot be written ({0})")]
    Folder(#[from] std::io::Error),
}

/// Trains on some molecules and keeps the weights of the epoch that ranks the validation molecules best.
///
/// # Errors
/// [`TrainError`]; impossible parameters are found before the first epoch.
pub fn train(
    dataset: &Dataset,
    partition: Partition,
    parameters: &RunParameters,
    settings: &TrainSettings,
    observe: impl FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    train_controlled(dataset, partition, parameters, settings, RunControl::default(), observe)
}

/// Trains like [`train`], keeps the run in a folder, goes on with it, and stops when asked to.
///
/// # Errors
/// [`TrainError`]; what the folder has of the last whole epoch stays there.
pub fn train_controlled(
    dataset: &Dataset,
    partition: Partition,
    parameters: &RunParameters,
    settings: &TrainSettings,
    control: RunControl,
    mut observe: impl FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    let task = run::Task { dataset, partition, parameters, settings };
    let observe: &mut dyn FnMut(Progress) = &mut observe;
    match &settings.device {
        Device::Cpu => {
            keep_freed_memory();
            let device = Default::default();
            run::run::<Autodiff<Flex>>(task, control, [&device, &device], observe)
        }
        Device::Gpu(device) => {
            let autodiff = DispatchDevice::autodiff(device.clone());
            device_failure::guarded(|| run::run::<Dispatch>(task, control, [&autodiff, device], observe))
        }
    }
}
