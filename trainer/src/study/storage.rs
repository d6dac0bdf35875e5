//! What every place that keeps studies can do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Direction, Distribution, Parameter, Trial, TrialState};

/// Identity of a study within its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StudyId(pub i64);

/// Identity of a trial within its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrialId(pub i64);

/// Whose attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A person's or program's note.
    User,
    /// The search's own.
    System,
}

/// A study, without its trials.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyRecord {
    /// Its identity.
    pub id: StudyId,
    /// Its name, unique in the storage.
    pub name: String,
    /// One direction an objective; none stands for one that was never set.
    pub directions: Vec<Option<Direction>>,
    /// Notes of people and programs.
    pub user_attributes: Map<String, Value>,
    /// The search's own notes.
    pub system_attributes: Map<String, Value>,
}

/// A trial to be created: empty and running, waiting with fixed parameters, or finished elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTrial {
    /// Its first state.
    pub state: TrialState,
    /// Its value, if it is finished.
    pub value: Option<f64>,
    /// When it was taken up; none: now, unless it waits.
    pub started: Option<Timestamp>,
    /// When it was finished; none: now, if it is.
    pub completed: Option<Timestamp>,
    /// Its parameters, if they are known.
    pub parameters: BTreeMap<String, Parameter>,
    /// Values reported, by step.
    pub intermediate: BTreeMap<u64, f64>,
    /// Notes.
    pub user_attributes: Map<String, Value>,
    /// The search's own notes.
    pub system_attributes: Map<String, Value>,
}

impl NewTrial {
    /// One that runs from now on.
    pub fn running() -> Self {
        Self::of_state(TrialState::Running)
    }

    /// One that waits for a worker, with some of its parameters fixed (external values).
    pub fn waiting(fixed: Map<String, Value>) -> Self {
        let system_attributes = Map::from_iter([("fixed_params".to_owned(), Value::Object(fixed))]);
        Self { system_attributes, ..Self::of_state(TrialState::Waiting) }
    }

    fn of_state(state: TrialState) -> Self {
        Self {
            state,
            value: None,
            started: None,
            completed: None,
            parameters: BTreeMap::new(),
            intermediate: BTreeMap::new(),
            user_attributes: Map::new(),
            system_attributes: Map::new(),
        }
    }
}

/// Why a storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It cannot be read, written or reached.
    #[error("{storage}: {reason}")]
    Unavailable {
        /// Which storage, without passwords.
        storage: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It holds something that no version of the format has.
    #[error("{storage} is damaged or of an unknown format: {reason}")]
    Malformed {
        /// Which storage.
        storage: String,
        /// What was found.
        reason: String,
    },
    /// There is a study of that name.
    #[error("{storage} has a study \"{name}\" already")]
    StudyExists {
        /// Which storage.
        storage: String,
        /// Its name.
        name: String,
    },
    /// The study is not there, or no more.
    #[error("{storage} does not have the study (any more): somebody may have deleted it")]
    NoStudy {
        /// Which storage.
        storage: String,
    },
    /// A parameter of this name was drawn from something else before.
    #[error(
        "{storage}: the parameter \"{name}\" had another kind of distribution, scale or choices in this study before; \
         start another study, or give the parameter another name"
    )]
    Incompatible {
        /// Which storage.
        storage: String,
        /// The parameter.
        name: String,
    },
    /// The trial is finished, or unknown: nothing about it can be changed.
    #[error("the trial with the identity {} is finished: nothing about it can be changed", .0.0)]
    Finished(TrialId),
}

/// A place that keeps studies. Many threads and many machines use one at the same time; every method is one atomic step.
pub trait Storage: Send + Sync {
    /// The storage in words or as a URL, without passwords.
    fn describe(&self) -> String;

    /// What its users should know before they rely on it.
    fn warning(&self) -> Option<String> {
        None
    }

    /// A new study with one objective.
    ///
    /// # Errors
    /// [`StorageError::StudyExists`], or that it cannot be reached.
    fn create_study(&self, name: &str, direction: Direction) -> Result<StudyId, StorageError>;

    /// All studies, in the order of their creation.
    ///
    /// # Errors
    /// That it cannot be reached or read.
    fn studies(&self) -> Result<Vec<StudyRecord>, StorageError>;

    /// Removes a study with its trials.
    ///
    /// # Errors
    /// That it cannot be reached or written.
    fn delete_study(&self, study: StudyId) -> Result<(), StorageError>;

    /// Sets an attribute of a study.
    ///
    /// # Errors
    /// That it cannot be reached or written.
    fn set_study_attribute(
        &self,
        study: StudyId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError>;

    /// A new trial, with the next number of its study.
    ///
    /// # Errors
    /// That it cannot be reached or written.
    fn create_trial(&self, study: StudyId, trial: &NewTrial) -> Result<Trial, StorageError>;

    /// A study's trials, by number. What was read before may come from memory, as far as it cannot change.
    ///
    /// # Errors
    /// That it cannot be reached or read.
    fn trials(&self, study: StudyId) -> Result<Vec<Trial>, StorageError>;

    /// Sets parameters of a running trial.
    ///
    /// # Errors
    /// [`StorageError::Finished`], [`StorageError::Incompatible`], or that it cannot be reached.
    fn set_parameters(
        &self,
        trial: TrialId,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<(), StorageError>;

    /// Sets one parameter of a running trial.
    ///
    /// # Errors
    /// As [`set_parameters`](Self::set_parameters).
    fn set_parameter(
        &self,
        trial: TrialId,
        name: &str,
        internal: f64,
        distribution: &Distribution,
    ) -> Result<(), StorageError> {
        let parameter = Parameter { internal, distribution: distribution.clone() };
        self.set_parameters(trial, &BTreeMap::from([(name.to_owned(), parameter)]))
    }

    /// Changes the state, with the value of a finished trial. To RUNNING it goes from WAITING alone: `false` says that
    /// somebody else was faster. A running trial that is handed back becomes WAITING again.
    ///
    /// # Errors
    /// [`StorageError::Finished`], or that it cannot be reached.
    fn set_state(&self, trial: TrialId, state: TrialState, value: Option<f64>) -> Result<bool, StorageError>;

    /// Reports an intermediate value; it may be NaN or infinite. A second one of a step replaces the first.
    ///
    /// # Errors
    /// [`StorageError::Finished`], or that it cannot be reached.
    fn report(&self, trial: TrialId, step: u64, value: f64) -> Result<(), StorageError>;

    /// Sets an attribute of a trial that is not finished.
    ///
    /// # Errors
    /// [`StorageError::Finished`], or that it cannot be reached.
    fn set_trial_attribute(
        &self,
        trial: TrialId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError>;

    /// Notes that a running trial's worker lives. Workers do so more often than the grace of
    /// [`stale_trials`](Self::stale_trials).
    ///
    /// # Errors
    /// [`StorageError::Finished`] if the trial does not run any more: somebody took its worker for dead, which had
    /// better leave it. Or that it cannot be reached.
    fn heartbeat(&self, trial: TrialId) -> Result<(), StorageError>;

    /// Running trials that had a heartbeat once, but none for `grace`. A trial without any heartbeat belongs to a worker
    /// that sends none, and is not stale.
    ///
    /// # Errors
    /// That it cannot be reached.
    fn stale_trials(&self, study: StudyId, grace: Duration) -> Result<Vec<TrialId>, StorageError>;
}
