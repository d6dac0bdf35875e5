//! Options of the task attention pool.

use serde::{Deserialize, Serialize};

use super::{ConfigError, in_range};

/// Options of the aggregator `task_attention_pool`, `aggregator_kwargs` of the configuration.
///
/// Names are those of the earlier PyTorch system. The defaults pool the normalised instances through the value
/// projection of the attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskAttentionPoolOptions {
    /// What is pooled.
    pub pool_from: PoolSource,
    /// Projection of the pooled instances. Not of `attn_out`, which has been through it.
    pub pool_v_mode: ValueProjection,
    /// Whether the projection `linear` has a bias.
    pub pool_v_bias: bool,
    /// Whether the queries are divided by a learned temperature, clamped to 0.1 … 10.
    pub use_temperature: bool,
    /// Initial temperature.
    pub temperature_init: f64,
    /// Pool only this many instances of each bag, those with the largest weights; none or 0: all of them.
    /// Of no effect on `attn_out`.
    pub topk_n: Option<usize>,
    /// How those instances are pooled.
    pub topk_strategy: TopKStrategy,
    /// Whether the mean over the instances is mixed in.
    pub residual_pooling: bool,
    /// Mix pooled and mean by a learned share; otherwise they are added.
    pub residual_mix_learnable: bool,
    /// Of what the mean is taken; none: of what is pooled, and of the normalised inputs for `attn_out`.
    pub residual_pool_from: Option<InstanceSource>,
    /// Attention weights below this become 0, and the others are scaled to sum to 1; none or 0: all are kept.
    pub prune_below: Option<f64>,
    /// Whether the instances are normalised before the attention.
    pub pre_layer_norm: bool,
    /// Whether there are layer normalisations in the pool at all, of the instances and of the queries.
    pub use_layer_norm: bool,
    /// Whether padding counts as instances in the top-k `mean` and `sum`, in what "all instances" means to top-k,
    /// and in the residual mean. So it is in the PyTorch system, where a prediction depends on the other
    /// molecules of the batch; without, each bag is pooled as if it were alone.
    pub count_padding: bool,
    /// Whether every instance of a bag has the same weight, whatever it looks like: shows what attention is worth.
    /// `topk_n` and `prune_below` have no effect then.
    pub uniform_attention: bool,
}

impl Default for TaskAttentionPoolOptions {
    fn default() -> Self {
        Self {
            pool_from: PoolSource::NormedInputs,
            pool_v_mode: ValueProjection::TieMhaV,
            pool_v_bias: false,
            use_temperature: false,
            temperature_init: 0.3,
            topk_n: None,
            topk_strategy: TopKStrategy::Renorm,
            residual_pooling: false,
            residual_mix_learnable: true,
            residual_pool_from: None,
            prune_below: None,
            pre_layer_norm: true,
            use_layer_norm: true,
            count_padding: false,
            uniform_attention: false,
        }
    }
}

/// What the attention pool pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolSource {
    /// The instances as they come.
    Inputs,
    /// The instances after the layer normalisation in front of the attention.
    NormedInputs,
    /// Nothing more: the output of the multi-head attention is the result.
    AttnOut,
}

/// What the residual mean is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceSource {
    /// The instances as they come.
    Inputs,
    /// The instances after the layer normalisation in front of the attention.
    NormedInputs,
}

/// Projection of the pooled instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueProjection {
    /// The value projection of the multi-head attention.
    TieMhaV,
    /// A layer of its own.
    Linear,
    /// None.
    None,
}

/// How the k instances with the largest weights are pooled. With k = 1 it is that instance in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopKStrategy {
    /// By their weights, scaled to sum to 1.
    Renorm,
    /// Their mean.
    Mean,
    /// Their sum, unweighted.
    Sum,
    /// The one with the largest weight.
    Argmax,
}

impl TaskAttentionPoolOptions {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        in_range("aggregator_kwargs.temperature_init", self.temperature_init, 1e-6, 1e6)?;
        in_range("aggregator_kwargs.prune_below", self.prune_below.unwrap_or(0.0), 0.0, 1.0)
    }
}
