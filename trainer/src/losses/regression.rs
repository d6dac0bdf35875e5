//! Weighted regression losses with missing targets.

use burn::tensor::{Tensor, backend::Backend};

use super::{RegressionLoss, RegressionTargets};

/// Per output sum(w · error) / max(sum w, 1e-6), then the mean over outputs [1].
///
/// An output without one label in the batch counts as 0. `predicted` is [B, K].
pub(super) fn regression_loss<B: Backend>(
    criterion: RegressionLoss,
    predicted: Tensor<B, 2>,
    targets: &RegressionTargets<B>,
) -> Tensor<B, 1> {
    let difference = predicted - targets.values.clone();
    let error = match criterion {
        RegressionLoss::Mse => difference.clone() * difference,
        RegressionLoss::SmoothL1 => {
            // d²/2 up to |d| = 1, |d| - 1/2 beyond: c·(|d| - c/2) with c = min(|d|, 1).
            let distance = difference.abs();
            let near = distance.clone().clamp_max(1.0);
            near.clone() * (distance - near * 0.5)
        }
    };
    let weights = targets.weights.clone();
    let loss = (error * weights.clone()).sum_dim(0) / weights.sum_dim(0).clamp_min(1e-6);
    loss.mean()
}
