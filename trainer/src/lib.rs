//! The `optimil` trainer: tables in, one model bundle out.

pub mod serve;
