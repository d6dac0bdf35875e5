//! Settings of the batch sampler.

use shared_model::schema::TaskSchema;

/// Settings of the batch sampler. The names are those of the hyper-parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplerConfig {
    /// Molecules per batch.
    pub batch_size: usize,
    /// Whether batches are balanced; `false`: weighted draws with replacement, as many as there are
    /// molecules.
    pub use_balanced_batch_sampler: bool,
    /// Share of positives (of any task) in a batch, 0 to 1.
    pub batch_pos_fraction: f64,
    /// Least number of positives in a batch.
    pub min_pos_per_batch: usize,
    /// How much a molecule's rarity, 0 to 1, adds to its weight of 1.
    pub rare_oversample_mult: f64,
    /// Prevalence from which on a task is not rare.
    pub rare_target_prev: f64,
    /// Legacy studies: a task is rare (rarity 1) if its prevalence is below this, and not (0) otherwise.
    /// Replaces `rare_target_prev`.
    pub rare_prev_thr: Option<f64>,
    /// Largest weight of a molecule, at least 1.
    pub sample_weight_cap: f64,
    /// Whether the quotas apply.
    pub enforce_bitmask_quota: bool,
    /// Quotas for positives of single tasks, highest priority first.
    pub quotas: Vec<TaskQuota>,
    /// Quota for positives of at least two tasks, per 256 molecules; served after the others.
    pub quota_multi_per_256: f64,
}

/// Positives of one task that a batch reserves places for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskQuota {
    /// Index of the task.
    pub task: usize,
    /// Positives per 256 molecules of the batch.
    pub per_256: f64,
}

/// The quotas that a task schema asks for, in its order.
///
/// # Panics
/// If a quota names no task of the schema, which [`TaskSchema::validate`] excludes.
pub fn task_quotas(schema: &TaskSchema) -> Vec<TaskQuota> {
    schema
        .batch_quotas
        .iter()
        .map(|quota| TaskQuota {
            task: schema.task_index(&quota.task).expect("a valid schema's quotas name its tasks"),
            per_256: quota.per_256,
        })
        .collect()
}

/// The defaults of the specification, without quotas for single tasks (see [`task_quotas`]).
impl Default for SamplerConfig {
    fn default() -> Self {
        Self {
            batch_size: 256,
            use_balanced_batch_sampler: true,
            batch_pos_fraction: 0.35,
            min_pos_per_batch: 1,
            rare_oversample_mult: 6.0,
            rare_target_prev: 0.10,
            rare_prev_thr: None,
            sample_weight_cap: 8.0,
            enforce_bitmask_quota: true,
            quotas: Vec::new(),
            quota_multi_per_256: 8.0,
        }
    }
}

/// Why batches cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// No molecule.
    #[error("there is no molecule to draw training batches from")]
    NoMolecules,
    /// A setting out of its range.
    #[error("{name} is {value}: it must be {rule}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        rule: &'static str,
    },
    /// A quota for a task that does not exist.
    #[error("a batch quota names task {task}, but there are {tasks} tasks")]
    QuotaTask {
        /// Index in the quota.
        task: usize,
        /// Number of tasks.
        tasks: usize,
    },
}

impl SamplerConfig {
    /// Checks every setting that the sampler's formulas rely on.
    pub(super) fn validate(&self, tasks: usize) -> Result<(), SamplingError> {
        let number = |value: f64| value.is_finite() && value >= 0.0;
        let rules = [
            ("batch_size", self.batch_size as f64, self.batch_size > 0, "at least 1"),
            (
                "batch_pos_fraction",
                self.batch_pos_fraction,
                (0.0..=1.0).contains(&self.batch_pos_fraction),
                "between 0 and 1",
            ),
            (
                "rare_oversample_mult",
                self.rare_oversample_mult,
                number(self.rare_oversample_mult),
                "a number of at least 0",
            ),
            (
                "rare_target_prev",
                self.rare_target_prev,
                number(self.rare_target_prev) && self.rare_target_prev > 0.0,
                "a number above 0",
            ),
            (
                "rare_prev_thr",
                self.rare_prev_thr.unwrap_or(0.0),
                number(self.rare_prev_thr.unwrap_or(0.0)),
                "a number of at least 0",
            ),
            (
                "sample_weight_cap",
                self.sample_weight_cap,
                number(self.sample_weight_cap) && self.sample_weight_cap >= 1.0,
                "a number of at least 1",
            ),
            (
                "quota_multi_per_256",
                self.quota_multi_per_256,
                number(self.quota_multi_per_256),
                "a number of at least 0",
            ),
        ];
        if let Some(&(name, value, _, rule)) = rules.iter().find(|(_, _, allowed, _)| !allowed) {
            return Err(SamplingError::Setting { name, value, rule });
        }
        for quota in &self.quotas {
            if quota.task >= tasks {
                return Err(SamplingError::QuotaTask { task: quota.task, tasks });
            }
            if !number(quota.per_256) {
                let (name, value) = ("a batch quota", quota.per_256);
                return Err(SamplingError::Setting { name, value, rule: "a number of at least 0" });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named() {
        let config = SamplerConfig { batch_pos_fraction: f64::NAN, ..SamplerConfig::default() };
        let error = config.validate(4).unwrap_err();
        assert_eq!(error.to_string(), "batch_pos_fraction is NaN: it must be between 0 and 1");
        let config = SamplerConfig { batch_size: 0, ..SamplerConfig::default() };
        assert!(matches!(config.validate(4), Err(SamplingError::Setting { name: "batch_size", .. })));
    }

    #[test]
    fn a_quota_for_a_task_that_does_not_exist_is_an_error() {
        let quotas = vec![TaskQuota { task: 4, per_256: 1.0 }];
        let config = SamplerConfig { quotas, ..SamplerConfig::default() };
        assert_eq!(config.validate(4), Err(SamplingError::QuotaTask { task: 4, tasks: 4 }));
    }

    #[test]
    fn the_built_in_schema_serves_fluorescence_above_480_first() {
        let quotas = task_quotas(&TaskSchema::euos25());
        assert_eq!(quotas, [TaskQuota { task: 3, per_256: 1.0 }, TaskQuota { task: 1, per_256: 4.0 }]);
    }
}
