//! Fused layers of the CPU.
//!
//! Burn makes a layer of many operations, each of which allocates and passes over memory; on the CPU that takes
//! longer than the matrix products. Here a layer is one operation over slices with a backward pass written by
//! hand. Generic code asks [`available`] and otherwise uses Burn's operations; both compute the same function.

mod elementwise;
mod gated_block;
mod layer_norm;
mod linear;
mod matrix;
mod noise;
mod operation;
mod pooling;
mod rows;
#[cfg(test)]
mod tests;

use std::any::TypeId;

#[cfg(feature = "autodiff")]
use burn::backend::Autodiff;
use burn::backend::Flex;
use burn::tensor::backend::Backend;

pub(super) use self::gated_block::{GatedBlock, gated_block};
pub(super) use self::layer_norm::layer_norm;
pub(super) use self::linear::linear;
pub(super) use self::noise::Noise;
pub(super) use self::pooling::{Places, pooled, softmax};

/// Whether tensors of this backend are on the CPU, where the fused layers work.
pub(super) fn available<B: Backend>() -> bool {
    let backend = TypeId::of::<B>();
    #[cfg(feature = "autodiff")]
    if backend == TypeId::of::<Autodiff<Flex>>() {
        return true;
    }
    backend == TypeId::of::<Flex>()
}
