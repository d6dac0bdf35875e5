//! Variants of a model that lack one thing: what is lost without it shows what it is worth.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

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

    /// Whether it differs at all from the full model on this data set.
    pub fn applies_to(self, dataset: &Dataset) -> bool {
        match self {
            // Without 2D features the full model is the one without them.
            Self::Only2d | Self::Only3d => !dataset.names_2d().is_empty(),
            Self::OneConformer | Self::MeanPool | Self::UniformAttention => {
                dataset.bags().x3d().rows() > dataset.len()
            }
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
