//! Which molecules a training batch holds: batches balanced between positives and negatives, with rare tasks
//! drawn more often and quotas for the rarest label patterns.

mod balanced;
mod config;
mod pool;
mod rarity;
mod sampler;

pub use balanced::BalancedPlan;
pub use config::{SamplerConfig, SamplingError, TaskQuota, task_quotas};
pub use rarity::{sample_weights, task_rarity};
pub use sampler::BatchSampler;
