//! What `manifest.json` and `molecules.json` say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::weights_member;
use crate::config::ModelConfig;
use crate::schema::TaskSchema;

/// Version of the bundle format. A reader accepts every version up to its own major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatVersion {
    /// Raised when older readers must not read the bundle.
    pub major: u32,
    /// Raised when something is added that older readers may ignore.
    pub minor: u32,
}

impl FormatVersion {
    /// The newest version that this program reads and writes.
    pub const CURRENT: Self = Self { major: 2, minor: 1 };

    /// The version that a bundle of so many models needs: readers of 1.x know of one model only, and would show
    /// its predictions as those of the ensemble.
    pub(super) fn needed_for(models: usize) -> Self {
        if models == 1 { Self { major: 1, minor: 2 } } else { Self::CURRENT }
    }
}

/// What a bundle holds and where it comes from.
///
/// In the file the fields of a single model stand beside the others; several models are a list, `ensemble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the bundle format.
    pub format_version: FormatVersion,
    /// Name and version of the program that wrote the bundle.
    pub producer: String,
    /// When it was written: UTC, RFC 3339.
    pub created: String,
    /// Tasks and auxiliary outputs, in the order of the outputs of every model.
    pub schema: TaskSchema,
    /// The models: one, or the members of an ensemble. A manifest that was read has at least one.
    #[serde(flatten, with = "models_in_file")]
    pub models: Vec<ModelEntry>,
    /// Names of the 2D features, in order.
    pub features_2d: Vec<String>,
    /// Names of the 3D features, in order.
    pub features_3d: Vec<String>,
    /// Probability from which a task counts as positive, one a task, where thresholds were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f64>>,
    /// Licence and citation of the training data, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_source: Option<DataSource>,
    /// Every other member of the bundle, by name.
    pub members: BTreeMap<String, Member>,
}

/// One model of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// What tells it from the other members of its ensemble: `fold 0`, `seed 3`, `trial 17`; may be empty for a
    /// model on its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name of the member that holds its weights; filled in when the bundle is written.
    #[serde(default = "only_weights")]
    pub weights: String,
    /// Configuration of the network.
    #[serde(rename = "model")]
    pub config: ModelConfig,
    /// Standardisers of the absorbance targets, one an output; empty where unknown.
    #[serde(default)]
    pub absorbance_standardisers: Vec<Standardiser>,
    /// Standardisers of the fluorescence targets, one an output; empty where unknown.
    #[serde(default)]
    pub fluorescence_standardisers: Vec<Standardiser>,
    /// Label bitmasks (bit t = task t) of the bitmask groups; the last group, `other`, has no entry.
    #[serde(default)]
    pub bitmask_groups: Vec<u32>,
    /// How the model was trained, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingSummary>,
    /// The search that the parameters come from, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSummary>,
    /// The parameters of the run as they were given, or the hyper-parameters of an imported checkpoint.
    #[serde(default)]
    pub parameters: serde_json::Value,
}

impl ModelEntry {
    /// A model of which nothing but its configuration is known.
    pub fn new(config: ModelConfig) -> Self {
        Self {
            name: String::new(),
            weights: only_weights(),
            config,
            absorbance_standardisers: Vec::new(),
            fluorescence_standardisers: Vec::new(),
            bitmask_groups: Vec::new(),
            training: None,
            search: None,
            parameters: serde_json::Value::Null,
        }
    }
}

fn only_weights() -> String {
    weights_member(0)
}

/// Models as the file has them: the fields of one, or the list `ensemble`.
mod models_in_file {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value};

    use super::ModelEntry;

    const ENSEMBLE: &str = "ensemble";

    #[derive(Serialize)]
    struct Ensemble<'a> {
        ensemble: &'a [ModelEntry],
    }

    pub fn serialize<S: Serializer>(models: &[ModelEntry], serializer: S) -> Result<S::Ok, S::Error> {
        match models {
            [model] => model.serialize(serializer),
            ensemble => Ensemble { ensemble }.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModelEntry>, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        match fields.remove(ENSEMBLE) {
            Some(ensemble) => serde_json::from_value(ensemble),
            None => serde_json::from_value(Value::Object(fields)).map(|model| vec![model]),
        }
        .map_err(D::Error::custom)
    }
}

/// Size and hash of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Bytes, uncompressed.
    pub size: u64,
    /// SHA-256 of the uncompressed bytes, in hexadecimal.
    pub sha256: String,
}

/// Mean and standard deviation of a regression target: original = standardised · std + mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standardiser {
    /// Mean.
    pub mean: f32,
    /// Population standard deviation, or 1 for a constant target.
    pub std: f32,
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// SHA-256 of the data set as read.
    pub data_sha256: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Device that the training ran on.
    pub device: String,
    /// Epochs run.
    pub epochs: usize,
    /// Epoch (counted from 1) whose weights these are.
    pub best_epoch: usize,
    /// Molecules trained on.
    pub train_molecules: usize,
    /// Name of the split that chose the epoch and that the metrics are of.
    pub validation_split: String,
    /// Molecules in that split.
    pub validation_molecules: usize,
    /// Mean average precision of the tasks.
    pub macro_average_precision: f64,
    /// Mean ROC AUC of the tasks.
    pub macro_roc_auc: f64,
    /// Metrics of each task.
    pub tasks: Vec<TaskMetrics>,
    /// How training computed, where not all of it was in float32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_precision: Option<MixedPrecision>,
}

/// Training with products in half precision. The model itself, and every other number of it, is float32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixedPrecision {
    /// `16-mixed` or `bf16-mixed`.
    pub precision: String,
    /// Mean average precision of the tasks with products in half precision; none where they overflow.
    pub macro_average_precision: Option<f64>,
    /// Mean ROC AUC of the tasks with products in half precision; none where they overflow.
    pub macro_roc_auc: Option<f64>,
    /// Optimiser steps.
    pub steps: u64,
    /// How many of them were left out, since a gradient overflowed.
    pub skipped_steps: u64,
}

/// A search of hyper-parameters: what was tried, and what mattered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchSummary {
    /// Name of the study.
    pub study: String,
    /// The trial whose parameters were best.
    pub best_trial: u64,
    /// Its value: the mean over the folds of `(1 - min_w)·macro AP + min_w·min AP`; larger is better.
    pub best_value: f64,
    /// All trials, by number.
    pub trials: Vec<SearchTrial>,
    /// Share of each searched parameter in what made trials good, the largest first; they sum to 1. Empty where there
    /// were too few trials to tell.
    #[serde(default)]
    pub importance: Vec<ParameterImportance>,
}

/// What became of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchTrial {
    /// Its number in the study.
    pub number: u64,
    /// `COMPLETE`, `PRUNED` or `FAIL`; `RUNNING` or `WAITING` where it was not ended yet.
    pub state: String,
    /// Its value; of a pruned trial the last that it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// How much a parameter mattered in a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterImportance {
    /// Name of the parameter.
    pub parameter: String,
    /// Its share.
    pub share: f64,
    /// 95 % interval of the share.
    pub interval: Interval,
}

/// Metrics of one task on the validation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskMetrics {
    /// Name of the task.
    pub task: String,
    /// Positive molecules.
    pub positives: usize,
    /// Average precision; a model without skill has the prevalence of positives.
    pub average_precision: f64,
    /// Its 95 % bootstrap interval.
    pub average_precision_interval: Interval,
    /// Area under the ROC curve.
    pub roc_auc: f64,
    /// Its 95 % bootstrap interval.
    pub roc_auc_interval: Interval,
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Where the training data come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Licence of the data.
    pub licence: String,
    /// How to cite them.
    pub citation: String,
}

/// A molecule that travels with the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Molecule {
    /// Identifier in the tables.
    pub id: String,
    /// Structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smiles: Option<String>,
    /// Split of the molecule in the label table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Labels, 0 or 1 for each task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<u8>>,
    /// Conformer identifiers, in the order of the instances.
    pub conformers: Vec<String>,
}
