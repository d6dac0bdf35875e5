//! The `optimil` trainer: tables in, one model bundle out.
//!
//! Layers, each of which uses only those after it: [`commands`]; [`report`]; [`cross_validation`]; [`training`],
//! [`import`], [`ensemble`], [`serve`]; [`search`]; [`study`];
//! [`data`], [`losses`], [`sampling`], [`weighting`], [`metrics`], [`checkpoint`].

pub mod atomic_file;
pub mod attention_table;
pub mod bundle_file;
pub mod checkpoint;
pub mod column_table;
pub mod commands;
pub mod cross_validation;
pub mod data;
pub mod device;
pub mod ensemble;
pub mod explanation_tables;
pub mod file_error;
pub mod import;
pub mod labels;
pub mod losses;
pub mod metrics;
pub mod parameters;
pub mod prediction_table;
pub mod report;
pub mod sampling;
pub mod search;
pub mod serve;
pub mod study;
pub mod suggestion;
pub mod training;
pub mod weighting;
