//! The optimiser, its learning rate and its batches.

use serde::{Deserialize, Serialize};

use super::ParameterError;
use super::reader::Reader;

/// What becomes of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LearningRateSchedule {
    /// It stays.
    Constant,
    /// It decays to its floor, over the epochs that are left, like half a cosine wave.
    Cosine,
}

/// Optimiser and batches.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimisationParameters {
    /// Learning rate of AdamW.
    pub lr: f64,
    /// Epochs, maybe a fraction, in which the learning rate rises linearly to `lr`; 0: none.
    pub warmup_epochs: f64,
    /// Learning rate after the warm-up.
    pub lr_schedule: LearningRateSchedule,
    /// Learning rate at the end of a cosine decay, as a fraction of `lr`.
    pub lr_floor: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down to it; 0: no bound.
    pub gradient_clip_val: f64,
    /// Decay, at each optimiser step, of a moving average of the weights, which is then what is validated and
    /// exported; 0: no average.
    pub ema_decay: f64,
    /// Molecules of a batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step.
    pub accumulate_grad_batches: usize,
    /// Most instances of a bag in training: of a larger one, as many are drawn anew each time; 0: no bound.
    pub max_instances: usize,
}

impl OptimisationParameters {
    pub(super) fn read(r: &mut Reader) -> Result<Self, ParameterError> {
        let schedule = r.choice("lr_schedule", "constant", &["constant", "cosine"])?;
        Ok(Self {
            lr: r.number("lr", 6e-4, 1e-8, 1.0)?,
            warmup_epochs: r.number("warmup_epochs", 0.0, 0.0, 1e4)?,
            lr_schedule: serde_json::from_value(schedule.into()).expect("one of the choices above"),
            lr_floor: r.number("lr_floor", 0.0, 0.0, 1.0)?,
            weight_decay: r.number("weight_decay", 1e-4, 0.0, 1.0)?,
            gradient_clip_val: r.number("gradient_clip_val", 0.0, 0.0, 1e6)?,
            ema_decay: r.number("ema_decay", 0.0, 0.0, 0.999_999)?,
            batch_size: r.integer("batch_size", 128, 1, 1 << 20)?,
            accumulate_grad_batches: r.integer("accumulate_grad_batches", 1, 1, 4096)?,
            max_instances: r.integer("max_instances", 0, 0, 1 << 20)?,
        })
    }
}
