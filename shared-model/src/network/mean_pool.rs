//! The aggregator "mean_pool": every instance counts the same, for every task.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::batch::Positions;

/// Mean over the instances of each bag, the same for each task.
#[derive(Module, Clone, Debug)]
pub(super) struct MeanPool {
    tasks: usize,
}

impl MeanPool {
    /// The mean for so many tasks; it has no tensors.
    pub fn new(tasks: usize) -> Self {
        Self { tasks }
    }

    /// Tokens [R, D] to the means [B·T, D], and the map of uniform weights [B, T, N].
    pub fn forward<B: Backend>(
        &self,
        tokens: Tensor<B, 2>,
        positions: &Positions<B>,
    ) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let [_, d] = tokens.dims();
        let tokens = positions.of_rows(tokens);
        let weights = uniform_weights(positions, &tokens);
        let [bags, _, width] = weights.dims();
        let means = weights.clone().matmul(tokens).expand([bags, self.tasks, d]);
        (means.reshape([bags * self.tasks, d]), weights.expand([bags, self.tasks, width]))
    }
}

/// The map of uniform weights [B, T, N] of a network that looks at no instance.
pub(super) fn uniform_attention<B: Backend>(positions: &Positions<B>, tasks: usize) -> Tensor<B, 3> {
    let [bags, width] = positions.padding.dims();
    let ones = Tensor::ones([bags, width, 1], &positions.padding.device());
    uniform_weights(positions, &ones).expand([bags, tasks, width])
}

/// Weights 1 / n of the n instances of each bag [B, 1, N], 0 on padding, of the same kind as `like`.
pub(super) fn uniform_weights<B: Backend>(positions: &Positions<B>, like: &Tensor<B, 3>) -> Tensor<B, 3> {
    let padding = positions.padding.clone().unsqueeze_dim::<3>(1);
    // Made from `like`, since tensors made of booleans do not know whether they belong to ones that track gradients.
    let ones =
        like.zeros_like().slice([0..like.dims()[0], 0..like.dims()[1], 0..1]).swap_dims(1, 2).add_scalar(1.0);
    let counted = ones.mask_fill(padding, 0.0);
    counted.clone() / counted.sum_dim(2)
}
