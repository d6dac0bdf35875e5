//! Training one model: balanced batches, AdamW, early stopping on the validation molecules.

mod batches;
mod evaluate;
mod footprint;
mod history;
mod measure;

use std::time::Instant;

use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer};
use burn::tensor::{Tensor, backend::AutodiffBackend};
use burn::{Dispatch, DispatchDevice};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use shared_model::config::ModelConfig;
use shared_model::network::{BagStore, Model, NetworkError};
use shared_model::state_dict::StateDict;

use self::batches::Batches;
pub use self::evaluate::Evaluation;
use self::evaluate::evaluate;
pub use self::footprint::Footprint;
pub use self::history::{EpochRecord, LossValues, write_history};
pub use self::measure::{Measurement, measure};
use crate::data::{Dataset, TargetScales, feature_statistics};
use crate::device::Device;
use crate::losses::{Objective, ObjectiveWeights};
use crate::parameters::RunParameters;
use crate::sampling::{BatchSampler, SamplingError};
use crate::weighting::{BitmaskGroups, WeightingError, task_loss_weights};

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
}

/// Molecules to train on and molecules to choose the epoch by, as rows of the data set.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    /// Rows to train on.
    pub train: &'a [usize],
    /// Rows to validate on.
    pub validation: &'a [usize],
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
    /// The best epoch's predictions for the validation rows.
    pub evaluation: Evaluation,
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

/// Why training failed.
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
        "the {loss} loss became {value} in epoch {epoch}: use a smaller learning rate (lr) or look for extreme feature values"
    )]
    NotFinite {
        /// Which loss.
        loss: &'static str,
        /// Its value.
        value: f32,
        /// Epoch, counted from 1.
        epoch: usize,
    },
}

/// Random streams of a seed.
mod stream {
    /// Order and composition of batches. Initial weights use stream 0.
    pub(super) const BATCHES: u64 = 1;
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
    mut observe: impl FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    let observe: &mut dyn FnMut(Progress) = &mut observe;
    match &settings.device {
        Device::Cpu => {
            let device = Default::default();
            run::<Autodiff<Flex>>(dataset, partition, parameters, settings, [&device, &device], observe)
        }
        Device::Gpu(device) => {
            let autodiff = DispatchDevice::autodiff(device.clone());
            run::<Dispatch>(dataset, partition, parameters, settings, [&autodiff, device], observe)
        }
    }
}

/// Trains on the first of two names of the same device, with gradients, and evaluates on the second, without.
fn run<B: AutodiffBackend>(
    dataset: &Dataset,
    partition: Partition,
    parameters: &RunParameters,
    settings: &TrainSettings,
    [device, inner_device]: [&B::Device; 2],
    observe: &mut dyn FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    B::seed(inner_device, settings.seed);

    let batches = Batches::prepare(dataset, partition, parameters);
    let store = BagStore::new(dataset.bags(), inner_device);
    let objective_weights = objective_weights(&batches, parameters)?;
    let sampler = BatchSampler::new(batches.train_labels(), &parameters.sampler)?;
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    random.set_stream(stream::BATCHES);

    let config =
        parameters.model_config(dataset.names_2d().len(), dataset.names_3d().len(), batches.group_count());
    let mut model = Model::<B>::initialise(&config, settings.seed, device)?;
    if config.scaled_features {
        model = model.with_feature_statistics(&feature_statistics(dataset, partition.train));
    }
    let optimisation = &parameters.optimisation;
    let mut optimiser = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(optimisation.weight_decay as f32)
        .init::<B, Model<B>>();
    let train_objective = Objective::new(objective_weights.clone(), device);
    let validation_objective = Objective::new(objective_weights, inner_device);

    let mut history: Vec<EpochRecord> = Vec::new();
    let mut best: Option<(usize, Model<B::InnerBackend>, Evaluation)> = None;
    let started = Instant::now();
    for epoch in 1..=settings.max_epochs {
        let mut sums: Option<Tensor<B::InnerBackend, 1>> = None;
        let mut accumulator = GradientsAccumulator::new();
        let epoch_batches = sampler.epoch(&mut random);
        let of = epoch_batches.len();
        for (index, rows) in epoch_batches.iter().enumerate() {
            let (bags, targets) = batches.train_batch(rows, &store, device);
            let losses = train_objective.losses(&model.forward(bags), &targets);
            let values = losses.to_vector().inner();
            sums = Some(match sums {
                Some(sums) => sums + values,
                None => values,
            });
            let scaled = losses.total / optimisation.accumulate_grad_batches as f64;
            let gradients = GradientsParams::from_grads(scaled.backward(), &model);
            accumulator.accumulate(&model, gradients);
            let done = index + 1;
            if done.is_multiple_of(optimisation.accumulate_grad_batches) || done == of {
                model = optimiser.step(optimisation.lr, model, accumulator.grads());
            }
            observe(Progress::Batch { epoch, done, of });
        }
        let sums = sums.expect("an epoch has at least one batch");
        let train_losses = LossValues::from_vector(sums / of as f64);
        if let Some((loss, value)) = train_losses.not_finite() {
            return Err(TrainError::NotFinite { loss, value, epoch });
        }

        let valid = model.valid();
        let evaluation = evaluate(&valid, &batches, &store, &validation_objective, inner_device);
        if let Some((loss, value)) = evaluation.losses.not_finite() {
            return Err(TrainError::NotFinite { loss, value, epoch });
        }
        let record = EpochRecord {
            epoch,
            seconds: started.elapsed().as_secs_f64(),
            train_losses,
            validation_losses: evaluation.losses.clone(),
            metrics: evaluation.metrics.clone(),
        };
        let is_best = best
            .as_ref()
            .is_none_or(|(index, ..)| record.metrics.macro_ap() > history[*index].metrics.macro_ap());
        observe(Progress::Epoch(&record, is_best));
        history.push(record);
        if is_best {
            best = Some((history.len() - 1, valid, evaluation));
        }
        let best_index = best.as_ref().map_or(0, |(index, ..)| *index);
        if history.len() - 1 - best_index >= settings.patience {
            break;
        }
    }
    let (best, model, evaluation) = best.expect("at least one epoch is run");
    let Batches { scales, groups, .. } = batches;
    Ok(TrainedModel { config, weights: model.state_dict(), scales, groups, history, best, evaluation })
}

fn objective_weights(batches: &Batches, parameters: &RunParameters) -> Result<ObjectiveWeights, TrainError> {
    let loss = &parameters.loss;
    let tasks = task_loss_weights(batches.train_labels(), &loss.tasks)?;
    Ok(ObjectiveWeights {
        pos_weight: tasks.pos_weight,
        gamma: tasks.gamma,
        lam: tasks.lam,
        lambda_aux_abs: loss.lambda_aux_abs,
        lambda_aux_fluo: loss.lambda_aux_fluo,
        lambda_aux_bitmask: loss.lambda_aux_bitmask,
        regression: loss.regression,
    })
}
