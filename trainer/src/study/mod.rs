//! Studies of a hyper-parameter search, kept in Optuna's own formats, so that its dashboard and notebooks open them.

mod distribution;
mod journal;
mod open;
pub(crate) mod python_json;
mod storage;
mod trial;

pub use self::distribution::{Distribution, DistributionError};
pub use self::journal::Journal;
pub use self::open::{Access, open};
pub use self::storage::{NewTrial, Scope, Storage, StorageError, StudyId, StudyRecord, TrialId};
pub use self::trial::{Direction, Parameter, Trial, TrialState, best};
