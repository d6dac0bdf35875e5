//! Composition of training batches.

use shared_model::schema::TaskSchema;

use super::reader::Reader;
use super::{Architecture, ParameterError};
use crate::sampling::{SamplerConfig, TaskQuota, task_quotas};

/// Prevalence below which a task is rare to the sampler of the first architecture: the geometric middle of its range.
const V1_RARE_PREVALENCE: f64 = 0.016;

pub(super) fn read(
    r: &mut Reader,
    schema: &TaskSchema,
    batch_size: usize,
    architecture: Architecture,
) -> Result<SamplerConfig, ParameterError> {
    let mut quotas = task_quotas(schema);
    // Names of the earlier system, which knew the four EUOS25 tasks only.
    for (name, task) in [("quota_fgt480_per_256", 3), ("quota_t450_per_256", 1)] {
        if r.has(name) && task < schema.task_count() {
            let per_256 = r.number(name, 0.0, 0.0, 256.0)?;
            match quotas.iter_mut().find(|quota| quota.task == task) {
                Some(quota) => quota.per_256 = per_256,
                None => quotas.push(TaskQuota { task, per_256 }),
            }
        }
        r.know(name);
    }
    let v2 = architecture == Architecture::V2;
    let threshold = (!v2 && !r.has("rare_target_prev")).then_some(V1_RARE_PREVALENCE);
    Ok(SamplerConfig {
        batch_size,
        use_balanced_batch_sampler: r.flag("use_balanced_batch_sampler", v2)?,
        rare_oversample_mult: r.number("rare_oversample_mult", 6.0, 0.0, 1e6)?,
        rare_target_prev: r.number("rare_target_prev", 0.1, 1e-9, 1.0)?,
        rare_prev_thr: r.optional_number("rare_prev_thr", threshold, 0.0, 1.0)?,
        sample_weight_cap: r.number("sample_weight_cap", 7.0, 1.0, 1e6)?,
        batch_pos_fraction: r.number("batch_pos_fraction", 0.35, 0.0, 1.0)?,
        min_pos_per_batch: r.integer("min_pos_per_batch", 1, 0, 1 << 20)?,
        enforce_bitmask_quota: r.flag("enforce_bitmask_quota", v2)?,
        quotas,
        quota_multi_per_256: r.number("quota_multi_per_256", 8.0, 0.0, 256.0)?,
    })
}
