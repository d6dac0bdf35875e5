//! The Optimil network, its configuration, the model bundle and prediction.
//!
//! Shared by the native trainer and the browser explorer. It reads no file, no network and no clock:
//! bytes come in, numbers go out.

pub mod adamw;
pub mod bags;
pub mod bundle;
pub mod config;
pub mod ensemble;
pub mod explain;
pub mod figures;
pub mod metrics;
pub mod network;
pub mod predict;
pub mod schema;
pub mod sd_file;
pub mod state_dict;
