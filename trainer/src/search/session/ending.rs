//! What becomes of a trial, and whether it is tried again.

use serde_json::{Map, Value};

use super::{Assignment, Session};
use crate::study::{
    NewTrial, Scope, StorageError, Trial, TrialId, TrialState, automatic_retry_attributes, first_attempt,
    retry_history,
};

impl Session<'_> {
    /// Ends a trial with a value: complete, or failed if it is none.
    ///
    /// # Errors
    /// That the storage cannot be written.
    pub fn complete(&self, trial: &Assignment, value: f64) -> Result<TrialState, StorageError> {
        if !value.is_finite() {
            self.note(trial.id, "error", &"the objective is no number".into())?;
            return self.end(trial.id, TrialState::Fail, None);
        }
        self.end(trial.id, TrialState::Complete, Some(value))
    }

    /// Ends a trial that was pruned, with the last value that it reported.
    ///
    /// # Errors
    /// That the storage cannot be written.
    pub fn prune(&self, trial: &Assignment, last: Option<f64>) -> Result<TrialState, StorageError> {
        self.end(trial.id, TrialState::Pruned, last.filter(|value| value.is_finite()))
    }

    /// Ends a trial that failed.
    ///
    /// # Errors
    /// That the storage cannot be written.
    pub fn fail(&self, trial: &Assignment, reason: &str, retry: Retry) -> Result<TrialState, StorageError> {
        let trials = self.trials()?;
        if let Some(known) = trials.iter().find(|known| known.id == trial.id) {
            self.give_up(known, reason, retry)?;
        }
        Ok(TrialState::Fail)
    }

    /// A note on a trial that people look at; of one that was ended by others, nothing is noted.
    ///
    /// # Errors
    /// That the storage cannot be written.
    pub fn note(&self, trial: TrialId, name: &str, value: &Value) -> Result<(), StorageError> {
        forgive(self.storage.set_trial_attribute(trial, Scope::User, name, value)).map(|_| ())
    }

    fn end(&self, trial: TrialId, state: TrialState, value: Option<f64>) -> Result<TrialState, StorageError> {
        let ended = forgive(self.storage.set_state(trial, state, value))?;
        Ok(if ended == Some(true) { state } else { TrialState::Fail })
    }

    /// Fails a trial; who was first to do so has it tried again, if that is due.
    pub(super) fn give_up(&self, trial: &Trial, reason: &str, retry: Retry) -> Result<(), StorageError> {
        self.note(trial.id, "error", &reason.into())?;
        if forgive(self.storage.set_state(trial.id, TrialState::Fail, None))? != Some(true) {
            return Ok(());
        }
        let mut history = retry_history(trial);
        match retry {
            Retry::Never => return Ok(()),
            Retry::Blamed if history.len() >= self.settings.retries => return Ok(()),
            Retry::Blamed => history.push(trial.number),
            Retry::Unblamed => {}
        }
        let fixed = trial.system_attributes.get_key_value("fixed_params");
        let mut attributes: Map<_, _> =
            fixed.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        attributes.extend(automatic_retry_attributes(first_attempt(trial), &history));
        // As stored by now: `trial` may be older.
        let trials = self.trials()?;
        let parameters =
            trials.iter().find(|known| known.id == trial.id).map(|known| known.parameters.clone());
        let again = NewTrial {
            system_attributes: attributes,
            parameters: parameters.unwrap_or_default(),
            ..NewTrial::waiting(Map::new())
        };
        self.storage.create_trial(self.study, &again)?;
        Ok(())
    }
}

/// Whether a trial that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// Up to the limit.
    Blamed,
    /// In any case: it was interrupted, and that is nobody's fault.
    Unblamed,
}

/// What was refused because others had ended the trial; that is no error.
pub(super) fn forgive<T>(result: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StorageError::Finished(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
