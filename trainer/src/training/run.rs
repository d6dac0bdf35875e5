//! The training loop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use burn::module::AutodiffModule;
use burn::tensor::{
    FloatDType, Tensor,
    backend::{AutodiffBackend, BackendTypes},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use shared_model::bundle::MixedPrecision;
use shared_model::config::ModelConfig;
use shared_model::network::{BagStore, Model, seed_noise};
use shared_model::state_dict::StateDict;

use super::batches::Batches;
use super::evaluate::evaluate;
use super::run_folder::RunFolder;
use super::{
    AdamW, Checkpoint, EpochRecord, Evaluation, LossScaler, LossValues, Partition, Progress, RunControl,
    RunIdentity, Schedule, TrainError, TrainSettings, TrainedModel, WeightAverage,
};
use crate::data::{Dataset, feature_statistics};
use crate::losses::{Objective, ObjectiveWeights};
use crate::metrics::TaskMetrics;
use crate::parameters::RunParameters;
use crate::sampling::BatchSampler;
use crate::weighting::task_loss_weights;

/// Random streams of a seed.
mod stream {
    /// Order and composition of batches. Initial weights use stream 0.
    pub(super) const BATCHES: u64 = 1;
}

/// What is trained, on what and how.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub dataset: &'a Dataset,
    pub partition: Partition<'a>,
    pub parameters: &'a RunParameters,
    pub settings: &'a TrainSettings,
}

/// What changes from step to step beside the network.
struct State<B: AutodiffBackend> {
    optimiser: AdamW<B::InnerBackend>,
    /// Of products that need it.
    loss_scaler: Option<LossScaler>,
    average: Option<WeightAverage<B::InnerBackend>>,
    /// Optimiser steps so far.
    steps: u64,
    random: ChaCha8Rng,
    history: Vec<EpochRecord>,
    best: Option<Best>,
}

/// The best epoch so far.
struct Best {
    /// Index in the history.
    index: usize,
    weights: StateDict,
    evaluation: Evaluation,
}

/// Trains on the first of two names of the same device, with gradients, and evaluates on the second, without.
pub(super) fn run<B: AutodiffBackend>(
    task: Task,
    control: RunControl,
    [device, inner_device]: [&B::Device; 2],
    observe: &mut dyn FnMut(Progress),
) -> Result<TrainedModel, TrainError> {
    let Task { dataset, partition, parameters, settings } = task;
    let optimisation = &parameters.optimisation;
    let batches = Batches::prepare(dataset, partition, parameters);
    let store = BagStore::new(dataset.bags(), inner_device);
    let weights = objective_weights(&batches, parameters)?;
    let sampler = BatchSampler::new(batches.train_labels(), &parameters.sampler)?;
    let steps_per_epoch = sampler.batches_per_epoch().div_ceil(optimisation.accumulate_grad_batches);
    let config =
        parameters.model_config(dataset.names_2d().len(), dataset.names_3d().len(), batches.group_count());
    let identity = RunIdentity::new(dataset, partition, parameters, settings);
    let (mut model, mut state) = State::<B>::begin(&config, task, [device, inner_device], control.resume)?;
    let mut folder = match control.folder {
        Some(folder) => Some(RunFolder::open(folder, dataset.schema(), &state.history)?),
        None => None,
    };
    let epochs = Epochs {
        batches: &batches,
        store: &store,
        sampler: &sampler,
        objective: Objective::new(weights.clone(), device),
        schedule: Schedule::new(optimisation, steps_per_epoch, settings.max_epochs),
        accumulate: optimisation.accumulate_grad_batches,
        half: settings.precision.half(),
        device,
        stop: control.stop,
    };
    let validation_objective = Objective::new(weights, inner_device);
    let evaluated = |model: &Model<_>| evaluate(model, &batches, &store, &validation_objective, inner_device);
    let finish = |state: State<B>| {
        let mixed_precision = state.mixed_precision(task, &config, inner_device, &evaluated)?;
        Ok(state.finish(&config, &batches, mixed_precision))
    };

    let before = state.history.last().map_or(0.0, |record| record.seconds);
    let started = Instant::now();
    for epoch in state.history.len() + 1..=settings.max_epochs {
        if state.epochs_without_improvement() >= settings.patience {
            break;
        }
        asked_to_stop(control.stop)?;
        // The generator of dropout has no state that would have to be kept.
        seed_noise::<B>(inner_device, epoch_seed(settings.seed, epoch));
        let (trained, train_losses, lr) = epochs.train(model, &mut state, epoch, observe)?;
        model = trained;
        let validated = state.validated_model(&model);
        let evaluation = evaluated(&validated);
        let diverged = train_losses.not_finite().or_else(|| evaluation.losses.not_finite());
        if let Some((loss, value)) = diverged {
            let best = (!state.history.is_empty()).then(|| finish(state).map(Box::new)).transpose()?;
            return Err(TrainError::NotFinite { loss, value, epoch, best });
        }
        let record = EpochRecord {
            epoch,
            seconds: before + started.elapsed().as_secs_f64(),
            lr,
            train_losses,
            validation_losses: evaluation.losses.clone(),
            metrics: evaluation.metrics.clone(),
        };
        let is_best = state.is_best(&record);
        observe(Progress::Epoch(&record, is_best));
        state.history.push(record);
        if is_best {
            let index = state.history.len() - 1;
            state.best = Some(Best { index, weights: validated.state_dict(), evaluation });
        }
        if let Some(folder) = &mut folder {
            folder.record(&state.checkpoint(&model, &identity))?;
        }
    }
    finish(state)
}

/// Ends the run if somebody asked for it.
fn asked_to_stop(stop: Option<&AtomicUsize>) -> Result<(), TrainError> {
    match stop.map_or(0, |stop| stop.load(Ordering::Relaxed)) {
        0 => Ok(()),
        signal => Err(TrainError::Stopped { signal }),
    }
}

/// What is the same in all epochs.
struct Epochs<'a, B: AutodiffBackend> {
    batches: &'a Batches<'a>,
    store: &'a BagStore<'a, B::InnerBackend>,
    sampler: &'a BatchSampler,
    objective: Objective<B>,
    schedule: Schedule,
    /// Batches of an optimiser step.
    accumulate: usize,
    /// Type of the products; none: that of the weights.
    half: Option<FloatDType>,
    device: &'a B::Device,
    stop: Option<&'a AtomicUsize>,
}

impl<B: AutodiffBackend> Epochs<'_, B> {
    /// One pass over the batches of an epoch; returns the mean losses and the learning rate of the last step, too.
    fn train(
        &self,
        mut model: Model<B>,
        state: &mut State<B>,
        epoch: usize,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<(Model<B>, LossValues, f64), TrainError> {
        let mut sums: Option<Tensor<B::InnerBackend, 1>> = None;
        let mut lr = 0.0;
        let epoch_batches = self.sampler.epoch(&mut state.random);
        let of = epoch_batches.len();
        for (index, rows) in epoch_batches.iter().enumerate() {
            let (bags, targets) = self.batches.train_batch(rows, &mut state.random, self.store, self.device);
            let output = match self.half {
                Some(half) => model.with_products_in(half).forward(bags),
                None => model.forward(bags),
            };
            let losses = self.objective.losses(&output, &targets);
            let values = losses.to_vector().inner();
            sums = Some(match sums {
                Some(sums) => sums + values,
                None => values,
            });
            let loss = match self.accumulate {
                1 => losses.total,
                count => losses.total / count as f64,
            };
            let loss = match &state.loss_scaler {
                Some(scaler) => loss * scaler.scale(),
                None => loss,
            };
            model = state.optimiser.accumulate(model, loss.backward());
            let done = index + 1;
            if done.is_multiple_of(self.accumulate) || done == of {
                lr = self.schedule.lr(state.steps + 1);
                model = state.step(model, lr);
            }
            observe(Progress::Batch { epoch, done, of });
            asked_to_stop(self.stop)?;
        }
        let sums = sums.expect("an epoch has at least one batch");
        Ok((model, LossValues::from_vector(sums / of as f64), lr))
    }
}

impl<B: AutodiffBackend> State<B> {
    /// The state before the first epoch, or after the last that was kept.
    fn begin(
        config: &ModelConfig,
        task: Task,
        [device, inner_device]: [&B::Device; 2],
        resume: Option<Checkpoint>,
    ) -> Result<(Model<B>, Self), TrainError> {
        let optimisation = &task.parameters.optimisation;
        let clip = Some(optimisation.gradient_clip_val).filter(|&norm| norm > 0.0);
        let mut optimiser = AdamW::new(optimisation.weight_decay, clip);
        let loss_scaler = task.settings.precision.scales_loss().then(LossScaler::default);
        let decay = Some(optimisation.ema_decay).filter(|&decay| decay > 0.0);
        let mut random = ChaCha8Rng::seed_from_u64(task.settings.seed);
        random.set_stream(stream::BATCHES);
        let Some(kept) = resume else {
            let average = decay.map(|decay| WeightAverage::new(decay, None));
            let history = Vec::new();
            let state = Self { optimiser, loss_scaler, average, steps: 0, random, history, best: None };
            let mut model = Model::initialise(config, task.settings.seed, device)?;
            if config.scaled_features {
                model =
                    model.with_feature_statistics(&feature_statistics(task.dataset, task.partition.train));
            }
            return Ok((model, state));
        };
        optimiser.restore(kept.moments, inner_device);
        random.set_word_pos(kept.batch_position);
        let average =
            kept.average.map(|state| Model::from_state(config, &state, inner_device)).transpose()?;
        let best = &kept.history[kept.best];
        let evaluation = Evaluation {
            probabilities: kept.probabilities,
            losses: best.validation_losses.clone(),
            metrics: best.metrics.clone(),
        };
        let state = Self {
            optimiser,
            loss_scaler: kept.loss_scaler.or(loss_scaler),
            average: decay.map(|decay| WeightAverage::new(decay, average)),
            steps: kept.steps,
            random,
            best: Some(Best { index: kept.best, weights: kept.best_weights, evaluation }),
            history: kept.history,
        };
        Ok((Model::from_state(config, &kept.weights, device)?, state))
    }

    /// Updates the network with the accumulated gradients. It is moved, not borrowed: nobody else holds the weights,
    /// so they are updated in place. The learning rate goes on where a step is left out.
    fn step(&mut self, model: Model<B>, lr: f64) -> Model<B> {
        self.steps += 1;
        let (model, made) = match &mut self.loss_scaler {
            Some(scaler) => self.optimiser.step_scaled(model, lr, scaler),
            None => (self.optimiser.step(model, lr), true),
        };
        if let Some(average) = self.average.as_mut().filter(|_| made) {
            average.update(model.valid());
        }
        model
    }

    /// The network that is validated and exported: the average of the weights, if there is one.
    fn validated_model(&self, model: &Model<B>) -> Model<B::InnerBackend> {
        let average = self.average.as_ref().and_then(WeightAverage::model);
        average.cloned().unwrap_or_else(|| model.valid())
    }

    fn is_best(&self, record: &EpochRecord) -> bool {
        let best = self.best.as_ref().map(|best| self.history[best.index].metrics.macro_ap());
        best.is_none_or(|best| record.metrics.macro_ap() > best)
    }

    fn epochs_without_improvement(&self) -> usize {
        self.best.as_ref().map_or(0, |best| self.history.len() - 1 - best.index)
    }

    fn checkpoint(&self, model: &Model<B>, identity: &RunIdentity) -> Checkpoint {
        let best = self.best.as_ref().expect("an epoch ended");
        Checkpoint {
            identity: identity.clone(),
            history: self.history.clone(),
            best: best.index,
            probabilities: best.evaluation.probabilities.clone(),
            best_weights: best.weights.clone(),
            weights: model.state_dict(),
            average: self.average.as_ref().and_then(WeightAverage::model).map(Model::state_dict),
            moments: self.optimiser.state(),
            loss_scaler: self.loss_scaler,
            steps: self.steps,
            batch_position: self.random.get_word_pos(),
        }
    }

    /// The best epoch with products in half precision, as in training; none if that was in float32.
    fn mixed_precision(
        &self,
        task: Task,
        config: &ModelConfig,
        device: &<B::InnerBackend as BackendTypes>::Device,
        evaluate: &dyn Fn(&Model<B::InnerBackend>) -> Evaluation,
    ) -> Result<Option<MixedPrecision>, TrainError> {
        let precision = task.settings.precision;
        let (Some(half), Some(best)) = (precision.half(), &self.best) else { return Ok(None) };
        let model = Model::from_state(config, &best.weights, device)?;
        let evaluation = evaluate(&model.with_products_in(half));
        let metrics = Some(evaluation.metrics).filter(|_| evaluation.losses.not_finite().is_none());
        Ok(Some(MixedPrecision {
            precision: precision.to_string(),
            macro_average_precision: metrics.as_ref().map(TaskMetrics::macro_ap),
            macro_roc_auc: metrics.as_ref().map(TaskMetrics::macro_roc_auc),
            steps: self.steps,
            skipped_steps: self.loss_scaler.map_or(0, |scaler| scaler.skipped()),
        }))
    }

    fn finish(
        self,
        config: &ModelConfig,
        batches: &Batches,
        mixed_precision: Option<MixedPrecision>,
    ) -> TrainedModel {
        let Best { index, weights, evaluation } = self.best.expect("at least one epoch is run");
        TrainedModel {
            config: config.clone(),
            weights,
            scales: batches.scales.clone(),
            groups: batches.groups.clone(),
            history: self.history,
            best: index,
            evaluation,
            mixed_precision,
        }
    }
}

/// Seed of the device's generator in an epoch: both mixed (SplitMix64), so that neighbours have nothing in common.
fn epoch_seed(seed: u64, epoch: usize) -> u64 {
    let mut mixed = seed.wrapping_add((epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Weights of the objective for the training molecules of some batches.
///
/// # Errors
/// [`TrainError::Weighting`] if there is nothing to weight.
pub fn objective_weights(
    batches: &Batches,
    parameters: &RunParameters,
) -> Result<ObjectiveWeights, TrainError> {
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
