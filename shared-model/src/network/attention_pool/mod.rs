//! Task attention: one learned query per task looks at the conformers of a molecule.
//!
//! Multi-head attention (Vaswani et al. 2017) with per-task queries that do not depend on the molecule. Its
//! weights, averaged over the heads, are the attention map, and say how the instances are pooled.

mod attention;
mod pooling_weights;
#[cfg(test)]
mod tests;
mod values;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};

use self::pooling_weights::{Instances, mean, prune, top_k};
use super::NetworkError;
use super::dense::Dense;
use super::layer_norm::LayerNorm;
use super::mean_pool::uniform_weights;
use super::parameters::{Init, ParameterSource};
use super::positions::Positions;
use crate::config::{InstanceSource, PoolSource, TaskAttentionPoolOptions, ValueProjection};

/// Shape, regularisation and options of the pool.
#[derive(Debug, Clone)]
pub(super) struct TaskAttentionPoolConfig {
    pub d: usize,
    pub heads: usize,
    pub tasks: usize,
    pub dropout: f64,
    pub options: TaskAttentionPoolOptions,
}

/// Attention pooling of the instances of a bag, one pooled vector and one attention map per task.
///
/// Some parameters are of use to options that are off (`out_proj`, `log_tau`, `residual_mix`). They are part of
/// the architecture's state dict all the same, and have no gradient then.
#[derive(Module, Debug)]
pub(super) struct TaskAttentionPool<B: Backend> {
    pre_ln: Option<LayerNorm<B>>,
    q: Param<Tensor<B, 3>>,
    q_ln: Option<LayerNorm<B>>,
    /// Query, key and value projections side by side: [D, 3·D].
    in_proj_weight: Param<Tensor<B, 2>>,
    in_proj_bias: Param<Tensor<B, 1>>,
    out_proj: Dense<B>,
    log_tau: Param<Tensor<B, 1>>,
    /// Left out where the mean is added, not mixed in.
    residual_mix: Option<Param<Tensor<B, 1>>>,
    /// The value projection `linear`.
    pool_v: Option<Dense<B>>,
    dropout: f64,
    heads: usize,
    #[module(skip)]
    options: TaskAttentionPoolOptions,
}

impl TaskAttentionPoolConfig {
    /// Builds the pool from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<TaskAttentionPool<B>, NetworkError> {
        let (d, options) = (self.d, &self.options);
        let pytorch_default = Init::Uniform(1.0 / (d as f32).sqrt());
        Ok(TaskAttentionPool {
            pre_ln: (options.use_layer_norm && options.pre_layer_norm)
                .then(|| source.layer_norm(&[format!("{name}.pre_ln")], d))
                .transpose()?,
            q: source.tensor(&format!("{name}.q"), [1, self.tasks, d], Init::Normal(0.02))?,
            q_ln: options
                .use_layer_norm
                .then(|| source.layer_norm(&[format!("{name}.q_ln")], d))
                .transpose()?,
            in_proj_weight: source.transposed(
                &format!("{name}.mha.in_proj_weight"),
                d,
                3 * d,
                Init::Xavier(1.0),
            )?,
            in_proj_bias: source.tensor(&format!("{name}.mha.in_proj_bias"), [3 * d], Init::Constant(0.0))?,
            out_proj: source.dense(&[format!("{name}.mha.out_proj")], d, d, pytorch_default)?,
            log_tau: source.scalars(&[format!("{name}.log_tau")], (options.temperature_init as f32).ln())?,
            residual_mix: options
                .residual_mix_learnable
                .then(|| source.scalars(&[format!("{name}.residual_mix")], 0.0))
                .transpose()?,
            pool_v: match (options.pool_v_mode, options.pool_v_bias) {
                (ValueProjection::Linear, true) => {
                    Some(source.dense(&[format!("{name}.pool_v")], d, d, pytorch_default)?)
                }
                (ValueProjection::Linear, false) => {
                    Some(source.dense_without_bias(&format!("{name}.pool_v"), d, d, pytorch_default)?)
                }
                (ValueProjection::TieMhaV | ValueProjection::None, _) => None,
            },
            dropout: self.dropout,
            heads: self.heads,
            options: options.clone(),
        })
    }
}

impl<B: Backend> TaskAttentionPool<B> {
    /// The same pool with equal weights in place of attention.
    pub fn with_uniform_attention(mut self) -> Self {
        self.options.uniform_attention = true;
        self
    }

    /// Pools the instances of each bag once per task.
    ///
    /// # Shapes
    /// - tokens: [R, D]
    /// - result: pooled [B·T, D] (task after task within a molecule), and the attention map [B, T, N], which is
    ///   0 on padding and sums to 1 over the instances
    pub fn forward(&self, tokens: Tensor<B, 2>, positions: &Positions<B>) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let options = &self.options;
        let normed = match &self.pre_ln {
            Some(pre_ln) => pre_ln.forward(tokens.clone()),
            None => tokens.clone(),
        };
        let instances = |source| match source {
            InstanceSource::Inputs => tokens.clone(),
            InstanceSource::NormedInputs => normed.clone(),
        };

        let heads = self.attention_weights(normed.clone(), positions);
        let map = attention_map(heads.clone());
        let all = Instances { padding: positions.padding.clone(), count_padding: options.count_padding };
        // Equal weights say nothing about which instances to prune or select.
        let uniform = options.uniform_attention;
        let map = match options.prune_below {
            Some(threshold) if threshold > 0.0 && !uniform => prune(map, threshold, &all),
            _ => map,
        };

        let select = |map: Tensor<B, 3>| match options.topk_n {
            Some(k) if k > 0 && !uniform => top_k(map, k, options.topk_strategy, &all),
            _ => map,
        };
        let pooled = match options.pool_from {
            PoolSource::Inputs => self.pool(select(map.clone()), tokens.clone(), positions),
            PoolSource::NormedInputs => self.pool(select(map.clone()), normed.clone(), positions),
            PoolSource::AttnOut => self.attention_output(heads, normed.clone(), positions),
        };
        if !options.residual_pooling {
            return (pooled, map);
        }
        let source = options.residual_pool_from.unwrap_or(match options.pool_from {
            PoolSource::Inputs => InstanceSource::Inputs,
            PoolSource::NormedInputs | PoolSource::AttnOut => InstanceSource::NormedInputs,
        });
        let mean = self.pool(mean(&all, &map.device()), instances(source), positions);
        (self.with_residual(pooled, mean), map)
    }

    /// Mixes or adds the mean of each bag [B, D] to what was pooled [B·T, D].
    fn with_residual(&self, pooled: Tensor<B, 2>, mean: Tensor<B, 2>) -> Tensor<B, 2> {
        let [bags, d] = mean.dims();
        let [rows, _] = pooled.dims();
        let mean = mean.unsqueeze_dim::<3>(1).expand([bags, rows / bags, d]).reshape([rows, d]);
        match &self.residual_mix {
            Some(mix) => {
                let share = sigmoid(mix.val()).unsqueeze::<2>();
                pooled.clone() + (mean - pooled) * share
            }
            None => pooled + mean,
        }
    }
}

/// The attention map [B, T, N] of the weights of the heads [B, H, T, N]: their mean, scaled to sum to 1 again
/// where dropout changed that.
fn attention_map<B: Backend>(heads: Tensor<B, 4>) -> Tensor<B, 3> {
    let [bags, _, tasks, width] = heads.dims();
    let map = heads.mean_dim(1).reshape([bags, tasks, width]);
    let total = map.clone().sum_dim(2).clamp_min(1e-8);
    map / total
}
