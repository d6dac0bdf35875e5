//! Pooling by weights, and the value projection of what is pooled.

use burn::tensor::{Tensor, backend::Backend};

use super::{Positions, TaskAttentionPool};
use crate::config::ValueProjection;
use crate::network::half::product;

impl<B: Backend> TaskAttentionPool<B> {
    /// Weighted sums [B·W, D] of the projected instances [R, D], for the W rows of weights [B, W, N] of a bag.
    ///
    /// Instances are pooled first and projected after: Σ wᵢ (xᵢ·W + b) = (Σ wᵢ xᵢ)·W + (Σ wᵢ)·b. The weights of a
    /// row need not sum to 1: a top-k sum does not, and attention dropout may remove a whole row.
    pub(super) fn pool(
        &self,
        weights: Tensor<B, 3>,
        instances: Tensor<B, 2>,
        positions: &Positions<B>,
    ) -> Tensor<B, 2> {
        let [bags, rows, _] = weights.dims();
        let mass = weights.clone().sum_dim(2).reshape([bags * rows, 1]);
        let pooled = positions.pooled(weights, instances);
        match self.options.pool_v_mode {
            ValueProjection::None => pooled,
            ValueProjection::TieMhaV => {
                let (weight, bias) = self.tied_value_projection();
                product(pooled, weight) + mass.matmul(bias)
            }
            ValueProjection::Linear => {
                let layer = self.pool_v.as_ref().expect("built with this value projection");
                let [_, d_in, d_out] = layer.weight.dims();
                let projected = product(pooled, layer.weight.val().reshape([d_in, d_out]));
                match &layer.bias {
                    Some(bias) => projected + mass.matmul(bias.val()),
                    None => projected,
                }
            }
        }
    }

    /// Weight [D, D] and bias [1, D] of the value projection of the multi-head attention.
    pub(super) fn tied_value_projection(&self) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let [d, _] = self.in_proj_weight.dims();
        let weight = self.in_proj_weight.val().slice([0..d, 2 * d..3 * d]);
        let bias = self.in_proj_bias.val().narrow(0, 2 * d, d).unsqueeze();
        (weight, bias)
    }
}
