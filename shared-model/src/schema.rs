//! The task schema: which assays a model answers, and which columns of the label table hold them.
//!
//! The set of tasks is data. [`TaskSchema::euos25`] is the built-in default (the four assays of the EUOS25
//! challenge); any other set is written in the same form and travels inside the bundle.

use serde::{Deserialize, Serialize};

/// The classification tasks and auxiliary regression outputs of a model, in output order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSchema {
    /// Classification tasks; output `t` of the network is task `t`.
    #[serde(rename = "task")]
    pub tasks: Vec<Task>,
    /// Auxiliary regression outputs of the absorbance group.
    #[serde(default)]
    pub absorbance: Vec<AuxiliaryOutput>,
    /// Auxiliary regression outputs of the fluorescence group.
    #[serde(default)]
    pub fluorescence: Vec<AuxiliaryOutput>,
    /// Minimum numbers of positives that each training batch reserves, highest priority first.
    #[serde(default, rename = "batch_quota")]
    pub batch_quotas: Vec<BatchQuota>,
    /// Names of the key columns, and of the columns that are never features.
    #[serde(default)]
    pub columns: Columns,
}

/// One binary classification task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Column of the label table (missing → 0, value > 0 → 1) and the name shown to people.
    pub name: String,
    /// Column of sample weights for the classification loss (missing value → 1, negative → 0); none: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Whether average precision and ROC AUC of this task use the sample weights as well.
    #[serde(default)]
    pub weighted_metrics: bool,
    /// What a positive means, in a few words for the chemist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One auxiliary regression output. A column may feed several outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryOutput {
    /// Column of the label table; missing values, or a missing column, are masked out of the loss.
    pub column: String,
    /// Column of sample weights for this output's loss; none: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Unit of the target, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// Positives of one task that a training batch must hold, per 256 samples of the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchQuota {
    /// Name of the task.
    pub task: String,
    /// Positives per 256 samples.
    pub per_256: f64,
}

/// Column names of the input tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// Molecule identifier, text, in every table.
    pub id: String,
    /// Conformer identifier, text, in the 3D tables.
    pub conformer: String,
    /// Split name (`train`, `leaderboard`, …) in the label table.
    pub split: String,
    /// Cross-validation fold of a training row, in the label table.
    pub fold: String,
    /// SMILES in the label table, shown to people.
    pub smiles: String,
    /// Columns of the 2D table that are not features.
    pub ignored_2d: Vec<String>,
    /// Columns of the 3D geometry table that are not features.
    pub ignored_3d: Vec<String>,
    /// Columns of the 3D quantum table that are not features.
    pub ignored_qm: Vec<String>,
    /// Status of the quantum calculation: rows with another value than ok / success / 0 / 1 / true are dropped.
    pub qm_status: String,
    /// Error of the quantum calculation: rows with a non-empty value are dropped.
    pub qm_error: String,
}

impl Default for Columns {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            id: "ID".into(),
            conformer: "conf_id".into(),
            split: "split".into(),
            fold: "cv_fold".into(),
            smiles: "curated_SMILES".into(),
            ignored_2d: names(&["curated_SMILES", "split"]),
            ignored_3d: names(&["smiles", "split"]),
            ignored_qm: names(&["record_index", "status", "error", "split"]),
            qm_status: "status".into(),
            qm_error: "error".into(),
        }
    }
}

/// Why a task schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No classification task.
    #[error("the task schema names no task: give it at least one [[task]] with a name")]
    NoTask,
    /// More tasks than a bitmask of labels can hold.
    #[error("the task schema names {0} tasks; at most {max} are supported", max = TaskSchema::MAX_TASKS)]
    TooManyTasks(usize),
    /// Two tasks of one name.
    #[error("the task schema names the task \"{0}\" twice")]
    DuplicateTask(String),
    /// A quota for a task that does not exist.
    #[error("the task schema has a batch_quota for \"{0}\", which is not one of its tasks")]
    UnknownQuotaTask(String),
    /// A negative or infinite quota.
    #[error("the batch_quota of \"{task}\" is {per_256}: it must be a number of at least 0")]
    QuotaOutOfRange {
        /// Name of the task.
        task: String,
        /// What was given.
        per_256: String,
    },
}

impl TaskSchema {
    /// The label bitmask of a molecule (bit `t` = task `t`) must stay a small table index.
    pub const MAX_TASKS: usize = 16;

    /// The four assays of the EUOS25 challenge, the default.
    pub fn euos25() -> Self {
        let task = |name: &str, weight: &str, weighted_metrics, description: &str| Task {
            name: name.into(),
            weight: Some(weight.into()),
            weighted_metrics,
            description: Some(description.into()),
        };
        let output = |column: &str, weight: &str, unit: Option<&str>| AuxiliaryOutput {
            column: column.into(),
            weight: Some(weight.into()),
            unit: unit.map(Into::into),
        };
        let quota = |task: &str, per_256| BatchQuota { task: task.into(), per_256 };
        Self {
            tasks: vec![
                task("Transmittance_340", "sample_weight_340", true, "absorbs at 340 nm"),
                task("Transmittance_450", "sample_weight_450", true, "absorbs at 450 nm"),
                task("Fluorescence_340_450", "w_ad", false, "fluoresces: excitation 340 nm, emission 450 nm"),
                task("Fluorescence_more_than_480", "w_ad", false, "fluoresces above 480 nm"),
            ],
            absorbance: vec![
                output("Transmittance_340_quantitative", "sample_weight_340", Some("%")),
                output("Transmittance_450_quantitative", "sample_weight_450", Some("%")),
            ],
            fluorescence: vec![
                output("wl_pred_nm", "w_ad", Some("nm")),
                output("qy_pred", "w_ad", None),
                output("wl_pred_nm", "w_ad", Some("nm")),
                output("qy_pred", "w_ad", None),
            ],
            batch_quotas: vec![quota("Fluorescence_more_than_480", 1.0), quota("Transmittance_450", 4.0)],
            columns: Columns::default(),
        }
    }

    /// Number of classification tasks, T.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Index of the task of that name.
    pub fn task_index(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// Checks what the types alone do not guarantee.
    ///
    /// # Errors
    /// The first rule that the schema breaks.
    pub fn validate(&self) -> Result<(), SchemaError> {
        if self.tasks.is_empty() {
            return Err(SchemaError::NoTask);
        }
        if self.tasks.len() > Self::MAX_TASKS {
            return Err(SchemaError::TooManyTasks(self.tasks.len()));
        }
        for (index, task) in self.tasks.iter().enumerate() {
            if self.task_index(&task.name) != Some(index) {
                return Err(SchemaError::DuplicateTask(task.name.clone()));
            }
        }
        for quota in &self.batch_quotas {
            if self.task_index(&quota.task).is_none() {
                return Err(SchemaError::UnknownQuotaTask(quota.task.clone()));
            }
            if !(quota.per_256.is_finite() && quota.per_256 >= 0.0) {
                return Err(SchemaError::QuotaOutOfRange {
                    task: quota.task.clone(),
                    per_256: quota.per_256.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Default for TaskSchema {
    fn default() -> Self {
        Self::euos25()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_schema_is_valid_and_survives_json() {
        let schema = TaskSchema::euos25();
        schema.validate().expect("built-in schema");
        let json = serde_json::to_string(&schema).expect("serialises");
        assert_eq!(serde_json::from_str::<TaskSchema>(&json).expect("parses"), schema);
    }

    #[test]
    fn duplicate_tasks_and_unknown_quotas_are_named() {
        let mut schema = TaskSchema::euos25();
        schema.tasks[3].name = "Transmittance_340".into();
        assert_eq!(schema.validate(), Err(SchemaError::DuplicateTask("Transmittance_340".into())));
        let mut schema = TaskSchema::euos25();
        schema.batch_quotas[0].task = "nothing".into();
        assert_eq!(schema.validate(), Err(SchemaError::UnknownQuotaTask("nothing".into())));
    }
}
