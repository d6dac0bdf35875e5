//! The model configuration: everything that fixes the network's shapes, and the regularisation of training.
//!
//! Field names are those of the earlier PyTorch system's hyper-parameters, so its checkpoints and parameter
//! files read directly.

mod attention_pool;
mod components;

use serde::{Deserialize, Serialize};

pub use self::attention_pool::{
    InstanceSource, PoolSource, TaskAttentionPoolOptions, TopKStrategy, ValueProjection,
};
pub use self::components::{Activation, Aggregator, InstanceEmbedder, Mixer, MoleculeEmbedder, Predictor};

/// Shapes and regularisation of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of 2D features of a molecule, F2.
    pub mol_dim: usize,
    /// Number of 3D features of a conformer, F3.
    pub inst_dim: usize,
    /// Number of classification tasks, T.
    pub n_tasks: usize,
    /// Number of auxiliary absorbance outputs.
    pub n_absorbance: usize,
    /// Number of auxiliary fluorescence outputs.
    pub n_fluorescence: usize,
    /// Number of bitmask groups (K explicit ones and `other`) of the auxiliary bitmask head; 0: no such head.
    pub n_bitmask_groups: usize,
    /// 2D embedder.
    #[serde(default)]
    pub mol_embedder_name: MoleculeEmbedder,
    /// 3D embedder.
    #[serde(default)]
    pub inst_embedder_name: InstanceEmbedder,
    /// Aggregator of the instances of a bag.
    #[serde(default)]
    pub aggregator_name: Aggregator,
    /// Options of the aggregator.
    #[serde(default)]
    pub aggregator_kwargs: TaskAttentionPoolOptions,
    /// Mixer of the two branches.
    #[serde(default)]
    pub mixer_name: Mixer,
    /// Family of the output heads.
    #[serde(default)]
    pub predictor_name: Predictor,
    /// Whether the network standardises its features itself, by statistics that stand among its weights; otherwise
    /// they come scaled.
    #[serde(default)]
    pub scaled_features: bool,
    /// Whether embedders, aggregator and mixer are followed by a layer normalisation each.
    #[serde(default = "yes")]
    pub post_norms: bool,
    /// Whether the feed-forward layers of the residual blocks are gated (SwiGLU); otherwise they use `activation`.
    #[serde(default = "yes")]
    pub gated: bool,
    /// Hidden width of the 2D embedder.
    pub mol_hidden: usize,
    /// Residual blocks of the 2D embedder.
    pub mol_layers: usize,
    /// Dropout in the 2D embedder.
    pub mol_dropout: f64,
    /// Hidden width of the 3D embedder, and width of the attention.
    pub inst_hidden: usize,
    /// Residual blocks of the 3D embedder.
    pub inst_layers: usize,
    /// Dropout in the 3D embedder.
    pub inst_dropout: f64,
    /// Width of the projection of either branch before fusion.
    pub proj_dim: usize,
    /// Heads of the attention pool; divides `inst_hidden`.
    pub attn_heads: usize,
    /// Dropout of the attention weights.
    pub attn_dropout: f64,
    /// Hidden width of the mixer, and width of a task's embedding.
    pub mixer_hidden: usize,
    /// Residual blocks, or layers, of the mixer.
    pub mixer_layers: usize,
    /// Dropout in the mixer.
    pub mixer_dropout: f64,
    /// Activation of the mixer `mlp`, and of residual blocks that are not gated.
    pub activation: Activation,
    /// Residual blocks of every head. This and what follows on heads is of no effect on the predictor `linear`.
    pub head_num_layers: usize,
    /// Dropout in the heads.
    pub head_dropout: f64,
    /// Drop-path rate of a head's last block; earlier blocks have less, the first none.
    pub head_stochastic_depth: f64,
    /// Xavier gain of `fc2` in every head block but the last, which starts at zero.
    pub head_fc2_gain_non_last: f64,
    /// Dropout of a residual branch's output in embedders and mixer.
    #[serde(default = "default_residual_rate")]
    pub residual_dropout: f64,
    /// Drop-path rate of the last block of an embedder or the mixer; earlier blocks have less, the first none.
    #[serde(default = "default_residual_rate")]
    pub drop_path: f64,
}

fn default_residual_rate() -> f64 {
    0.05
}

fn yes() -> bool {
    true
}

/// A configuration that no network can have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A number outside of its range.
    #[error("model configuration: {name} is {found}; it must be between {low} and {high}")]
    OutOfRange {
        /// Name of the field.
        name: &'static str,
        /// What was given.
        found: f64,
        /// Smallest value allowed.
        low: f64,
        /// Largest value allowed.
        high: f64,
    },
    /// Attention heads that do not divide the width.
    #[error("model configuration: inst_hidden {inst_hidden} is not a multiple of attn_heads {attn_heads}")]
    Heads {
        /// Width of the attention.
        inst_hidden: usize,
        /// Number of heads.
        attn_heads: usize,
    },
    /// Neither branch.
    #[error(
        "model configuration: mol_embedder_name and inst_embedder_name are both \"none\"; the network would see nothing"
    )]
    NoBranch,
}

impl ModelConfig {
    /// Widest layer that is accepted: a bound on what a foreign bundle can make a reader allocate.
    const MAX_WIDTH: usize = 1 << 16;
    const MAX_HIDDEN: usize = 1 << 13;
    const MAX_LAYERS: usize = 64;

    /// Checks every number against its range.
    ///
    /// # Errors
    /// The first field out of range, or heads that do not divide the width.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (no_2d, no_3d) = (
            self.mol_embedder_name == MoleculeEmbedder::None,
            self.inst_embedder_name == InstanceEmbedder::None,
        );
        if no_2d && no_3d {
            return Err(ConfigError::NoBranch);
        }
        let sizes = [
            ("mol_dim", self.mol_dim, usize::from(!no_2d), Self::MAX_WIDTH),
            ("inst_dim", self.inst_dim, usize::from(!no_3d), Self::MAX_WIDTH),
            ("n_tasks", self.n_tasks, 1, crate::schema::TaskSchema::MAX_TASKS),
            ("n_absorbance", self.n_absorbance, 0, 64),
            ("n_fluorescence", self.n_fluorescence, 0, 64),
            ("n_bitmask_groups", self.n_bitmask_groups, 0, 1 << crate::schema::TaskSchema::MAX_TASKS),
            ("mol_hidden", self.mol_hidden, 1, Self::MAX_HIDDEN),
            ("mol_layers", self.mol_layers, 1, Self::MAX_LAYERS),
            ("inst_hidden", self.inst_hidden, 1, Self::MAX_HIDDEN),
            ("inst_layers", self.inst_layers, 1, Self::MAX_LAYERS),
            ("proj_dim", self.proj_dim, 1, Self::MAX_HIDDEN),
            ("attn_heads", self.attn_heads, 1, Self::MAX_HIDDEN),
            ("mixer_hidden", self.mixer_hidden, 1, Self::MAX_HIDDEN),
            ("mixer_layers", self.mixer_layers, 1, Self::MAX_LAYERS),
            ("head_num_layers", self.head_num_layers, 1, Self::MAX_LAYERS),
        ];
        for (name, value, low, high) in sizes {
            in_range(name, value as f64, low as f64, high as f64)?;
        }
        let rates = [
            ("mol_dropout", self.mol_dropout),
            ("inst_dropout", self.inst_dropout),
            ("attn_dropout", self.attn_dropout),
            ("mixer_dropout", self.mixer_dropout),
            ("head_dropout", self.head_dropout),
            ("head_stochastic_depth", self.head_stochastic_depth),
            ("residual_dropout", self.residual_dropout),
            ("drop_path", self.drop_path),
        ];
        for (name, value) in rates {
            in_range(name, value, 0.0, 0.95)?;
        }
        in_range("head_fc2_gain_non_last", self.head_fc2_gain_non_last, 0.0, 10.0)?;
        if !self.inst_hidden.is_multiple_of(self.attn_heads) {
            return Err(ConfigError::Heads { inst_hidden: self.inst_hidden, attn_heads: self.attn_heads });
        }
        self.aggregator_kwargs.validate()
    }
}

fn in_range(name: &'static str, found: f64, low: f64, high: f64) -> Result<(), ConfigError> {
    if found >= low && found <= high {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange { name, found, low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> ModelConfig {
        serde_json::from_value(serde_json::json!({
            "mol_dim": 3, "inst_dim": 3, "n_tasks": 4, "n_absorbance": 2, "n_fluorescence": 4,
            "n_bitmask_groups": 7, "mol_embedder_name": "mlp_v3", "mol_hidden": 8, "mol_layers": 1,
            "mol_dropout": 0.1, "inst_hidden": 8, "inst_layers": 1, "inst_dropout": 0.1, "proj_dim": 8,
            "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 8, "mixer_layers": 1, "mixer_dropout": 0.0,
            "activation": "GELU", "head_num_layers": 1, "head_dropout": 0.0, "head_stochastic_depth": 0.0,
            "head_fc2_gain_non_last": 0.01
        }))
        .expect("a complete configuration")
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        small().validate().expect("valid");
        let message = |config: ModelConfig| config.validate().expect_err("invalid").to_string();
        assert!(message(ModelConfig { mol_layers: 0, ..small() }).contains("mol_layers is 0"));
        assert!(message(ModelConfig { attn_dropout: f64::NAN, ..small() }).contains("attn_dropout is NaN"));
        assert!(message(ModelConfig { attn_heads: 3, ..small() }).contains("attn_heads 3"));
        assert!(message(ModelConfig { mol_hidden: usize::MAX, ..small() }).contains("mol_hidden"));
        let aggregator_kwargs = TaskAttentionPoolOptions { prune_below: Some(1.5), ..Default::default() };
        assert!(message(ModelConfig { aggregator_kwargs, ..small() }).contains("prune_below is 1.5"));
    }

    #[test]
    fn an_unknown_component_lists_the_known_ones() {
        let names = [
            ("mol_embedder_name", vec!["mlp_v3_2d"]),
            ("inst_embedder_name", vec!["mlp_v3_3d"]),
            ("aggregator_name", vec!["task_attention_pool"]),
            ("mixer_name", vec!["mlp_v3", "mlp"]),
            ("predictor_name", vec!["mlp_v3", "linear"]),
            ("activation", vec!["GELU", "SiLU", "Mish", "ReLU", "LeakyReLU"]),
        ];
        for (name, known) in names {
            let mut config = serde_json::to_value(small()).expect("serialises");
            config[name] = "resnet".into();
            let error = serde_json::from_value::<ModelConfig>(config).expect_err("unknown").to_string();
            assert!(error.contains("resnet"), "{name}: {error}");
            assert!(known.iter().all(|known| error.contains(&format!("`{known}`"))), "{name}: {error}");
        }
    }

    #[test]
    fn an_unknown_option_of_the_pool_lists_the_known_ones() {
        let mut config = serde_json::to_value(small()).expect("serialises");
        config["aggregator_kwargs"] = serde_json::json!({ "topk": 2 });
        let error = serde_json::from_value::<ModelConfig>(config.clone()).expect_err("unknown").to_string();
        assert!(error.contains("`topk`") && error.contains("`topk_n`"), "{error}");
        config["aggregator_kwargs"] = serde_json::json!({ "pool_from": "outputs" });
        let error = serde_json::from_value::<ModelConfig>(config).expect_err("unknown").to_string();
        assert!(error.contains("`outputs`") && error.contains("`attn_out`"), "{error}");
    }

    #[test]
    fn a_configuration_without_names_is_the_second_architecture() {
        let config = small();
        assert_eq!((config.mixer_name, config.predictor_name), (Mixer::MlpV3, Predictor::MlpV3));
        assert!(config.post_norms && config.gated);
        assert_eq!(config.aggregator_kwargs, TaskAttentionPoolOptions::default());
    }
}
