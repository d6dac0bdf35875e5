//! Studies of a hyper-parameter search, kept in Optuna's own formats, so that its dashboard and notebooks open them.

mod database;
mod distribution;
mod journal;
mod open;
mod postgres;
pub(crate) mod python_json;
mod retry;
#[cfg(feature = "sqlite")]
mod sqlite;
mod storage;
mod trial;
mod trial_table;
mod unique_name;

pub use self::distribution::{Distribution, DistributionError};
pub use self::journal::Journal;
pub use self::open::{Access, open};
pub use self::retry::{
    automatic_retry_attributes, first_attempt, is_automatic_retry, retry_history, retry_of,
};
pub use self::storage::{NewTrial, Scope, Storage, StorageError, StudyId, StudyRecord, TrialId};
pub use self::trial::{Direction, Parameter, Trial, TrialState, best};
pub use self::trial_table::{Column, cell_text, duration, trial_table, write_json, write_table};
