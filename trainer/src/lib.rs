//! The `optimil` trainer: tables in, one model bundle out.

pub mod atomic_file;
pub mod attention_table;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod labels;
pub mod losses;
pub mod metrics;
pub mod sampling;
pub mod serve;
pub mod weighting;
