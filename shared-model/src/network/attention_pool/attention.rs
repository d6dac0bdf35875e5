//! Multi-head attention of fixed queries: weights and output.
//!
//! The queries are the same for every molecule, so the key projection is folded into them (the key bias shifts
//! all scores of a query alike and cancels in the softmax), and instances are pooled before, not after, the
//! value projection.

use burn::tensor::{Tensor, backend::Backend};

use super::{Positions, TaskAttentionPool, uniform_weights};
use crate::network::half::{float32, product};
use crate::network::residual::dropout;

/// Bounds of the temperature.
const TEMPERATURES: (f32, f32) = (0.1, 10.0);

impl<B: Backend> TaskAttentionPool<B> {
    /// Attention weights [B, H, T, N] over the tokens [R, D]: 0 on padding.
    pub(super) fn attention_weights(&self, tokens: Tensor<B, 2>, positions: &Positions<B>) -> Tensor<B, 4> {
        let training = B::ad_enabled(&tokens.device());
        let [bags, width] = positions.padding.dims();
        let [_, tasks, _] = self.q.dims();
        let columns = self.heads * tasks;
        let weights = if self.options.uniform_attention {
            uniform_weights(positions, &tokens).expand([bags, columns, width])
        } else {
            positions.softmax(tokens.matmul(self.folded_queries()))
        };
        dropout(weights, self.dropout, training).reshape([bags, self.heads, tasks, width])
    }

    /// Output of the attention [B·T, D] from its weights [B, H, T, N] and the tokens [R, D].
    pub(super) fn attention_output(
        &self,
        weights: Tensor<B, 4>,
        tokens: Tensor<B, 2>,
        positions: &Positions<B>,
    ) -> Tensor<B, 2> {
        let [bags, heads, tasks, width] = weights.dims();
        let [_, d] = tokens.dims();
        let (rows, head_width) = (bags * tasks, d / heads);
        // Row for row of one head after the other: [H, B·T, …].
        let by_head = |values: Tensor<B, 3>, last: usize| {
            values.reshape([bags, heads, tasks, last]).swap_dims(0, 1).reshape([heads, rows, last])
        };
        let weights = weights.reshape([bags, heads * tasks, width]);
        let mass = by_head(weights.clone().sum_dim(2), 1);
        let pooled = positions.pooled(weights, tokens).reshape([bags, heads * tasks, d]);
        let pooled = by_head(pooled, d);
        let (value, bias) = self.tied_value_projection();
        let value = value.reshape([d, heads, head_width]).swap_dims(0, 1);
        let bias = bias.reshape([heads, 1, head_width]);
        let output = product(pooled, value) + mass.matmul(bias);
        self.out_proj.forward(output.swap_dims(0, 1).reshape([rows, d]))
    }

    /// The queries seen through the key projection: [D, H·T], so that tokens · result are the scaled scores.
    fn folded_queries(&self) -> Tensor<B, 2> {
        let [_, tasks, d] = self.q.dims();
        let head_width = d / self.heads;
        let weight = float32(self.in_proj_weight.val());
        let q = self.q.val().reshape([tasks, d]);
        let q = match &self.q_ln {
            Some(q_ln) => q_ln.forward(q),
            None => q,
        };
        let q = if self.options.use_temperature {
            let tau = self.log_tau.val().exp().clamp(TEMPERATURES.0, TEMPERATURES.1);
            q / tau.unsqueeze::<2>()
        } else {
            q
        };
        let q = q.matmul(weight.clone().slice([0..d, 0..d]))
            + self.in_proj_bias.val().narrow(0, 0, d).unsqueeze::<2>();
        // [H, d, T] and [H, D, d]
        let q = q.reshape([tasks, self.heads, head_width]).permute([1, 2, 0]);
        let key = weight.slice([0..d, d..2 * d]).reshape([d, self.heads, head_width]).swap_dims(0, 1);
        let folded = key.matmul(q).swap_dims(0, 1).reshape([d, self.heads * tasks]);
        folded / (head_width as f32).sqrt()
    }
}
