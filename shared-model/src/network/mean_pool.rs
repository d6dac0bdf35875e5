//! The aggregator "mean_pool": every instance counts the same, for every task.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::positions::Positions;

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
        let weights = uniform_weights(positions, &tokens);
        let [bags, _, width] = weights.dims();
        let means = positions.pooled(weights.clone(), tokens).unsqueeze_dim::<3>(1);
        let means = means.expand([bags, self.tasks, d]).reshape([bags * self.tasks, d]);
        (means, weights.expand([bags, self.tasks, width]))
    }
}

/// The map of uniform weights [B, T, N] of a network that looks at no instance.
pub(super) fn uniform_attention<B: Backend>(positions: &Positions<B>, tasks: usize) -> Tensor<B, 3> {
    let [bags, width] = positions.padding.dims();
    let ones = Tensor::ones([1, 1], &positions.padding.device());
    uniform_weights(positions, &ones).expand([bags, tasks, width])
}

/// Weights 1 / n of the n instances of each bag [B, 1, N], 0 on padding, of the same kind as `like`.
pub(super) fn uniform_weights<B: Backend>(positions: &Positions<B>, like: &Tensor<B, 2>) -> Tensor<B, 3> {
    let [bags, width] = positions.padding.dims();
    let padding = positions.padding.clone().unsqueeze_dim::<3>(1);
    // Made from `like`, since tensors made of booleans do not know whether they belong to ones that track gradients.
    let one = like.clone().slice([0..1, 0..1]).zeros_like().add_scalar(1.0);
    let counted = one.unsqueeze::<3>().expand([bags, 1, width]).mask_fill(padding, 0.0);
    counted.clone() / counted.sum_dim(2)
}
