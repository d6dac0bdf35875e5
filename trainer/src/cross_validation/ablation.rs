//! Variants of a model that lack one thing: what is lost without it shows what it is worth.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use shared_model::config::{Aggregator, InstanceEmbedder, ModelConfig, MoleculeEmbedder};

use crate::data::Dataset;

/// A variant that lacks one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ablation {
    /// Without the branch of the conformers.
    Only2d,
    /// Without the features of the molecule.
    Only3d,
    /// With the first conformer of each molecule only.
    OneConformer,
    /// Conformers are averaged: no task has an attention of its own.
    MeanPool,
    /// The attention pool with equal weights for all conformers.
    UniformAttention,
}

impl Ablation {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 5] =
        [Self::Only2d, Self::Only3d, Self::OneConformer, Self::MeanPool, Self::UniformAttention];

    /// Its name, on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Only2d => "2d-only",
            Self::Only3d => "3d-only",
            Self::OneConformer => "one-conformer",
            Self::MeanPool => "mean-pool",
            Self::UniformAttention => "uniform-attention",
        }
    }

    /// What it lacks, in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Only2d => "no conformers at all, 2D features only",
            Self::Only3d => "no 2D features, conformers only",
            Self::OneConformer => "the first conformer of each molecule only, in training and validation",
            Self::MeanPool => "the mean of the conformers in place of the attention pool",
            Self::UniformAttention => "the attention pool with equal weights for all conformers",
        }
    }

    /// Whether it differs at all from this full model on this data set.
    pub fn applies_to(self, dataset: &Dataset, full: &ModelConfig) -> bool {
        let reads_2d = !dataset.names_2d().is_empty() && full.mol_embedder_name != MoleculeEmbedder::None;
        let reads_3d = full.inst_embedder_name != InstanceEmbedder::None;
        let reads_several = reads_3d && dataset.bags().x3d().rows() > dataset.len();
        let attends = reads_several
            && full.aggregator_name == Aggregator::TaskAttentionPool
            && !full.aggregator_kwargs.uniform_attention;
        match self {
            Self::Only2d | Self::Only3d => reads_2d && reads_3d,
            Self::OneConformer => reads_several,
            Self::MeanPool | Self::UniformAttention => attends,
        }
    }

    /// The flat parameters of the variant, from those of the full model.
    pub fn parameters(self, full: &Map<String, Value>) -> Value {
        let mut parameters = full.clone();
        match self {
            Self::Only2d => {
                parameters.insert("inst_embedder_name".into(), json!("none"));
            }
            Self::Only3d => {
                parameters.insert("mol_embedder_name".into(), json!("none"));
            }
            Self::OneConformer => {}
            Self::MeanPool => {
                parameters.insert("aggregator_name".into(), json!("mean_pool"));
            }
            Self::UniformAttention => {
                let options = parameters.entry("aggregator_kwargs").or_insert_with(|| json!({}));
                if !options.is_object() {
                    *options = json!({});
                }
                options["uniform_attention"] = true.into();
            }
        }
        parameters.into()
    }

    /// The data set of the variant.
    pub fn dataset(self, full: &Dataset) -> Cow<'_, Dataset> {
        match self {
            Self::OneConformer => Cow::Owned(full.first_conformers()),
            _ => Cow::Borrowed(full),
        }
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Ablation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|ablation| ablation.name() == name).ok_or_else(|| {
            format!("there is no such ablation; known are: {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use shared_model::schema::TaskSchema;

    use super::*;
    use crate::parameters::RunParameters;

    #[test]
    fn every_variant_is_a_network_that_lacks_what_it_says() {
        let read = |parameters: &Value| RunParameters::from_json(parameters, &TaskSchema::euos25());
        let given = json!({ "aggregator_kwargs": { "topk_n": 2 }, "lr": 1e-3 });
        let full = read(&given).expect("valid parameters");
        let variant =
            |ablation: Ablation| read(&ablation.parameters(&full.resolved)).expect("valid parameters");
        assert_eq!(
            variant(Ablation::Only2d).model_config(1, 1, 0).inst_embedder_name,
            InstanceEmbedder::None
        );
        assert_eq!(variant(Ablation::Only3d).model_config(1, 1, 0).mol_embedder_name, MoleculeEmbedder::None);
        assert_eq!(variant(Ablation::OneConformer), full);
        assert_eq!(variant(Ablation::MeanPool).model_config(1, 1, 0).aggregator_name, Aggregator::MeanPool);
        let uniform = variant(Ablation::UniformAttention).model_config(1, 1, 0);
        assert!(uniform.aggregator_kwargs.uniform_attention);
        assert_eq!(uniform.aggregator_kwargs.topk_n, Some(2), "the other options stay");
        for ablation in Ablation::ALL {
            assert_eq!(ablation.name().parse(), Ok(ablation));
            assert_eq!(variant(ablation).optimisation, full.optimisation);
        }
    }
}
