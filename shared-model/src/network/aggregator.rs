//! The aggregators by name: from the instances of a bag to one embedding per task.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::NetworkError;
use super::attention_pool::{TaskAttentionPool, TaskAttentionPoolConfig};
use super::mean_pool::MeanPool;
use super::parameters::ParameterSource;
use super::positions::Positions;
use crate::config::{Aggregator as Name, ModelConfig};

/// Pools the instances of each bag.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a network")]
pub(super) enum Aggregator<B: Backend> {
    TaskAttention(TaskAttentionPool<B>),
    Mean(MeanPool),
    #[cfg(test)]
    Max(tests::MaxPool),
}

impl<B: Backend> Aggregator<B> {
    /// Builds the aggregator that the configuration names.
    pub fn build(config: &ModelConfig, source: &mut ParameterSource<B>) -> Result<Self, NetworkError> {
        Ok(match config.aggregator_name {
            Name::TaskAttentionPool => {
                let pool = TaskAttentionPoolConfig {
                    d: config.inst_hidden,
                    heads: config.attn_heads,
                    tasks: config.n_tasks,
                    dropout: config.attn_dropout,
                    options: config.aggregator_kwargs.clone(),
                };
                Self::TaskAttention(pool.build("attn_pool", source)?)
            }
            Name::MeanPool => Self::Mean(MeanPool::new(config.n_tasks)),
            #[cfg(test)]
            Name::MaxPool => Self::Max(tests::MaxPool::new(config.n_tasks)),
        })
    }

    /// The same aggregator with equal weights in place of attention.
    pub fn with_uniform_attention(self) -> Self {
        match self {
            Self::TaskAttention(pool) => Self::TaskAttention(pool.with_uniform_attention()),
            other => other,
        }
    }

    /// Pools the instances of each bag once per task.
    ///
    /// # Shapes
    /// - tokens: [R, D]
    /// - result: pooled [B·T, D] (task after task within a molecule), and the weights of the instances [B, T, N], which
    ///   are 0 on padding and sum to 1 over the instances
    pub fn forward(&self, tokens: Tensor<B, 2>, positions: &Positions<B>) -> (Tensor<B, 2>, Tensor<B, 3>) {
        match self {
            Self::TaskAttention(pool) => pool.forward(tokens, positions),
            Self::Mean(pool) => pool.forward(tokens, positions),
            #[cfg(test)]
            Self::Max(pool) => pool.forward(tokens, positions),
        }
    }
}

/// A component added by name, as ARCHITECTURE.md tells it: a name in `config/components.rs`, a layer, and its places in
/// the enumeration above.
#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::Distribution;
    use serde_json::json;

    use super::*;
    use crate::bags::{Bags, Matrix};
    use crate::network::mean_pool::uniform_weights;
    use crate::network::{BagBatch, BagStore, Model};

    /// Largest value of each feature over the instances, the same for each task.
    #[derive(Module, Clone, Debug)]
    pub(in crate::network) struct MaxPool {
        tasks: usize,
    }

    impl MaxPool {
        pub fn new(tasks: usize) -> Self {
            Self { tasks }
        }

        pub fn forward<B: Backend>(
            &self,
            tokens: Tensor<B, 2>,
            positions: &Positions<B>,
        ) -> (Tensor<B, 2>, Tensor<B, 3>) {
            let weights = uniform_weights(positions, &tokens);
            let tokens = positions.of_rows(tokens);
            let [bags, width, d] = tokens.dims();
            let weights = weights.expand([bags, self.tasks, width]);
            let padding = positions.padding.clone().unsqueeze_dim::<3>(2).expand([bags, width, d]);
            let largest = tokens.mask_fill(padding, -1e30).max_dim(1).expand([bags, self.tasks, d]);
            (largest.reshape([bags * self.tasks, d]), weights)
        }
    }

    fn config(aggregator: &str) -> ModelConfig {
        serde_json::from_value(json!({
            "mol_dim": 3, "inst_dim": 3, "n_tasks": 2, "n_absorbance": 0, "n_fluorescence": 0,
            "n_bitmask_groups": 0, "aggregator_name": aggregator, "mol_hidden": 8, "mol_layers": 1,
            "mol_dropout": 0.0, "inst_hidden": 8, "inst_layers": 2, "inst_dropout": 0.0, "proj_dim": 8,
            "attn_heads": 2, "attn_dropout": 0.0, "mixer_hidden": 8, "mixer_layers": 2, "mixer_dropout": 0.0,
            "activation": "GELU", "head_num_layers": 2, "head_dropout": 0.0, "head_stochastic_depth": 0.0,
            "head_fc2_gain_non_last": 0.01
        }))
        .expect("a complete configuration")
    }

    fn bags() -> Bags {
        let random = Tensor::<Flex, 1>::random([30], Distribution::Default, &Default::default());
        let values: Vec<f32> = random.into_data().to_vec().expect("float32");
        let matrix = |rows: usize, values: &[f32]| Matrix::new(rows, 3, values.to_vec()).expect("filled");
        Bags::new(matrix(3, &values[..9]), matrix(7, &values[9..]), vec![0, 1, 5, 7]).expect("bags")
    }

    #[test]
    fn an_added_aggregator_is_chosen_by_name_and_trained() {
        type B = Autodiff<Flex>;
        let device = Default::default();
        let bags = bags();
        let batch = || BagBatch::from_inner(BagStore::<Flex>::new(&bags, &device).batch(&[2, 0, 1]));
        let added = Model::<B>::initialise(&config("max_pool"), 3, &device).expect("builds");
        let output = added.forward(batch());
        let gradients = output.logits.clone().powi_scalar(2).sum().backward();
        assert!(
            added.gradients(&gradients).get("inst_enc.in_proj.weight").is_some(),
            "gradients flow through it"
        );
        let state = added.state_dict();
        assert!(state.iter().all(|(name, _)| !name.starts_with("attn_pool")), "it has no tensors");
        let mean = Model::<B>::from_state(&config("mean_pool"), &state, &device).expect("the same tensors");
        let difference = (mean.forward(batch()).logits - output.logits).abs().max().into_scalar();
        assert!(difference > 0.0, "another aggregator, other predictions");
    }

    #[test]
    fn an_added_name_is_among_the_known_ones() {
        let mut unknown = serde_json::to_value(config("mean_pool")).expect("serialises");
        unknown["aggregator_name"] = "median_pool".into();
        let error = serde_json::from_value::<ModelConfig>(unknown).expect_err("unknown").to_string();
        assert!(error.contains("`max_pool`") && error.contains("`task_attention_pool`"), "{error}");
    }
}
