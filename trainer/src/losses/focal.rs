//! Focal loss (Lin et al. 2017) over several binary tasks.

use burn::tensor::{Tensor, activation::log_sigmoid, backend::Backend};

/// Focal loss of each task, a weighted mean over the batch.
///
/// Cross entropy with `pos_weight`, times (1 - p_t)^gamma; per task sum(loss · w) / max(sum w, 1e-6).
///
/// # Shapes
/// - logits, labels, weights: [B, T]
/// - pos_weight, gamma: [1, T]
/// - result: [T]
pub(super) fn focal_loss<B: Backend>(
    logits: Tensor<B, 2>,
    labels: Tensor<B, 2>,
    weights: Tensor<B, 2>,
    pos_weight: Tensor<B, 2>,
    gamma: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let log_p = log_sigmoid(logits.clone());
    let log_not_p = log_sigmoid(-logits);
    let negatives = labels.clone().neg() + 1.0;
    let cross_entropy =
        -(pos_weight * labels.clone() * log_p.clone() + negatives.clone() * log_not_p.clone());
    // (1 - p_t)^gamma through its logarithm: finite gradients also where p_t is 1 to rounding.
    let log_not_p_t = labels * log_not_p + negatives * log_p;
    let focal = cross_entropy * (log_not_p_t * gamma).exp();
    let weights = weights.clamp_min(0.0);
    let loss = (focal * weights.clone()).sum_dim(0) / weights.sum_dim(0).clamp_min(1e-6);
    loss.flatten(0, 1)
}
