//! The `optimil` trainer: tables in, one model bundle out.

pub mod atomic_file;
pub mod attention_table;
pub mod data;
pub mod device;
pub mod losses;
pub mod serve;
