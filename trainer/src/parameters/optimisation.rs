//! The optimiser and its batches.

use super::ParameterError;
use super::reader::Reader;

/// Optimiser and batches.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimisationParameters {
    /// Learning rate of AdamW.
    pub lr: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Molecules of a batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step.
    pub accumulate_grad_batches: usize,
}

impl OptimisationParameters {
    pub(super) fn read(r: &mut Reader) -> Result<Self, ParameterError> {
        Ok(Self {
            lr: r.number("lr", 6e-4, 1e-8, 1.0)?,
            weight_decay: r.number("weight_decay", 1e-4, 0.0, 1.0)?,
            batch_size: r.integer("batch_size", 128, 1, 1 << 20)?,
            accumulate_grad_batches: r.integer("accumulate_grad_batches", 1, 1, 4096)?,
        })
    }
}
