//! Cross entropy over the groups of label combinations.

use burn::tensor::{Tensor, activation::log_softmax, backend::Backend};

/// Weighted cross entropy, divided by the sum of the targets' weights (PyTorch's weighted mean) [1].
///
/// # Shapes
/// - logits: [B, K + 1]
/// - weights: [B, K + 1], the class weight at each molecule's group, 0 elsewhere
pub(super) fn bitmask_cross_entropy<B: Backend>(logits: Tensor<B, 2>, weights: Tensor<B, 2>) -> Tensor<B, 1> {
    -(log_softmax(logits, 1) * weights.clone()).sum() / weights.sum()
}
