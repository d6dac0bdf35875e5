//! The `optimil` trainer: tables in, one model bundle out.

pub mod checkpoint;
pub mod labels;
pub mod metrics;
pub mod sampling;
pub mod weighting;
