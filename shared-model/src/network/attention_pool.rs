//! Task attention: one learned query per task looks at the conformers of a molecule.
//!
//! Multi-head attention (Vaswani et al. 2017) with per-task queries that do not depend on the molecule. Only
//! the attention weights and the value projection are used, which allows two rearrangements of the algebra:
//! the key projection is folded into the queries (the key bias shifts all scores of a query alike and cancels
//! in the softmax), and instances are pooled before, not after, the value projection.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::{Bool, Tensor, activation::softmax, backend::Backend};

use super::NetworkError;
use super::parameters::{Init, ParameterSource};

/// Score of a padded position: far below any real score, finite in every shader language.
const PADDING_SCORE: f32 = -1e30;

/// Shape and regularisation of the pool.
#[derive(Debug, Clone)]
pub(super) struct TaskAttentionPoolConfig {
    pub d: usize,
    pub heads: usize,
    pub tasks: usize,
    pub dropout: f64,
}

/// Attention pooling of the instances of a bag, one pooled vector and one attention map per task.
#[derive(Module, Debug)]
pub(super) struct TaskAttentionPool<B: Backend> {
    pre_ln: LayerNorm<B>,
    q: Param<Tensor<B, 3>>,
    q_ln: LayerNorm<B>,
    /// Query, key and value projections side by side: [D, 3·D].
    in_proj_weight: Param<Tensor<B, 2>>,
    in_proj_bias: Param<Tensor<B, 1>>,
    // Of use to options that are off. Part of the architecture's state dict, so kept; they have no gradient.
    out_proj: Linear<B>,
    log_tau: Param<Tensor<B, 1>>,
    residual_mix: Param<Tensor<B, 1>>,
    dropout: Dropout,
    heads: usize,
}

impl TaskAttentionPoolConfig {
    /// Builds the pool from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<TaskAttentionPool<B>, NetworkError> {
        let d = self.d;
        let pytorch_default = Init::Uniform(1.0 / (d as f32).sqrt());
        Ok(TaskAttentionPool {
            pre_ln: source.layer_norm(&format!("{name}.pre_ln"), d)?,
            q: source.tensor3(&format!("{name}.q"), [1, self.tasks, d], Init::Normal(0.02))?,
            q_ln: source.layer_norm(&format!("{name}.q_ln"), d)?,
            in_proj_weight: source.transposed(
                &format!("{name}.mha.in_proj_weight"),
                d,
                3 * d,
                Init::Xavier(1.0),
            )?,
            in_proj_bias: source.vector(&format!("{name}.mha.in_proj_bias"), 3 * d, Init::Constant(0.0))?,
            out_proj: source.linear(&format!("{name}.mha.out_proj"), d, d, pytorch_default)?,
            log_tau: source.scalar(&format!("{name}.log_tau"), 0.3f32.ln())?,
            residual_mix: source.scalar(&format!("{name}.residual_mix"), 0.0)?,
            dropout: DropoutConfig::new(self.dropout).init(),
            heads: self.heads,
        })
    }
}

impl<B: Backend> TaskAttentionPool<B> {
    /// Pools the instances of each bag once per task.
    ///
    /// # Shapes
    /// - tokens: [B·N, D], the N positions of a bag one after the other
    /// - padding: [B, N], true where there is no instance
    /// - result: pooled [B·T, D] (task after task within a molecule), and the attention map [B, T, N], which is
    ///   0 on padding and sums to 1 over the instances
    pub fn forward(&self, tokens: Tensor<B, 2>, padding: Tensor<B, 2, Bool>) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let [bags, width] = padding.dims();
        let [_, d] = tokens.dims();
        let tokens = self.pre_ln.forward(tokens);

        let keys = self.folded_queries();
        let [_, columns] = keys.dims();
        let tasks = columns / self.heads;
        let scores = tokens.clone().matmul(keys).reshape([bags, width, columns]).swap_dims(1, 2);
        let padded = padding.unsqueeze_dim::<3>(1).expand([bags, columns, width]);
        let weights = softmax(scores.mask_fill(padded, PADDING_SCORE), 2);
        let weights = self.dropout.forward(weights).reshape([bags, self.heads, tasks, width]);

        let map = weights.mean_dim(1).reshape([bags, tasks, width]);
        let total = map.clone().sum_dim(2).clamp_min(1e-8);
        let map = map / total;

        let pooled = map.clone().matmul(tokens.reshape([bags, width, d])).reshape([bags * tasks, d]);
        let value_weight = self.in_proj_weight.val().slice([0..d, 2 * d..3 * d]);
        let value_bias = self.in_proj_bias.val().narrow(0, 2 * d, d).unsqueeze();
        // The weights of a bag sum to 1, unless attention dropout removed them all: then to 0, like its pool.
        let mass = map.clone().sum_dim(2).reshape([bags * tasks, 1]);
        (pooled.matmul(value_weight) + mass.matmul(value_bias), map)
    }

    /// The queries seen through the key projection: [D, H·T], so that tokens · result are the scaled scores.
    fn folded_queries(&self) -> Tensor<B, 2> {
        let [_, tasks, d] = self.q.dims();
        let head_width = d / self.heads;
        let weight = self.in_proj_weight.val();
        let q = self.q_ln.forward(self.q.val()).reshape([tasks, d]);
        let q = q.matmul(weight.clone().slice([0..d, 0..d]))
            + self.in_proj_bias.val().narrow(0, 0, d).unsqueeze::<2>();
        // [H, d, T] and [H, D, d]
        let q = q.reshape([tasks, self.heads, head_width]).permute([1, 2, 0]);
        let key = weight.slice([0..d, d..2 * d]).reshape([d, self.heads, head_width]).swap_dims(0, 1);
        let folded = key.matmul(q).swap_dims(0, 1).reshape([d, self.heads * tasks]);
        folded / (head_width as f32).sqrt()
    }
}
