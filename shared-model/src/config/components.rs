//! Names of the network's components.

use serde::{Deserialize, Serialize};

/// Names of 2D embedders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoleculeEmbedder {
    /// Residual SwiGLU blocks.
    #[default]
    #[serde(rename = "mlp_v3_2d", alias = "mlp_v3")]
    MlpV3,
    /// No 2D branch: the network sees conformers only.
    #[serde(rename = "none")]
    None,
}

/// Names of 3D embedders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceEmbedder {
    /// Residual SwiGLU blocks.
    #[default]
    #[serde(rename = "mlp_v3_3d", alias = "mlp_v3")]
    MlpV3,
    /// No 3D branch: the network sees molecules only, and its attention is uniform.
    #[serde(rename = "none")]
    None,
}

/// Names of aggregators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregator {
    /// One learned query per task, multi-head attention over the instances.
    #[default]
    #[serde(rename = "task_attention_pool")]
    TaskAttentionPool,
    /// The mean over the instances, the same for every task.
    #[serde(rename = "mean_pool")]
    MeanPool,
    /// The largest value of each feature: the example of how a component is added.
    #[cfg(test)]
    #[serde(rename = "max_pool")]
    MaxPool,
}

/// Names of mixers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mixer {
    /// Residual SwiGLU blocks.
    #[default]
    #[serde(rename = "mlp_v3")]
    MlpV3,
    /// Layers of Linear, LayerNorm, activation and dropout.
    #[serde(rename = "mlp")]
    Mlp,
}

/// Names of head families.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Predictor {
    /// Residual SwiGLU blocks.
    #[default]
    #[serde(rename = "mlp_v3")]
    MlpV3,
    /// One Linear per output.
    #[serde(rename = "linear")]
    Linear,
}

/// Names of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the field's own")]
pub enum Activation {
    #[serde(rename = "GELU")]
    Gelu,
    #[serde(rename = "SiLU")]
    Silu,
    Mish,
    #[serde(rename = "ReLU")]
    Relu,
    #[serde(rename = "LeakyReLU")]
    LeakyRelu,
}
