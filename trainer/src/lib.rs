//! The `optimil` trainer: tables in, one model bundle out.

pub mod device;
pub mod losses;
