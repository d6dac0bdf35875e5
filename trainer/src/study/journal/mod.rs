//! Studies in Optuna's journal file: one JSON object a line, appended and replayed.
//!
//! Identities follow from the order of the lines, so nothing is ever changed in the middle. The file works on one
//! machine and on network file systems; heartbeats, which it has no line for, are kept in [`leases`] beside it.

mod leases;
mod lock;
mod operation;
mod replay;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use self::leases::Leases;
use self::lock::Lock;
use self::operation::{Line, Operation, TrialRecord};
use self::replay::{Made, Refusal, Replay};
use super::storage::{NewTrial, Scope, Storage, StorageError, StudyId, StudyRecord, TrialId};
use super::unique_name::unique_name;
use super::{Direction, Parameter, Trial, TrialState};

/// A journal file. Threads share one; each process opens its own.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Marks the lines of this process. One at a time of its threads writes, so one mark is enough.
    worker: String,
    leases: Leases,
    state: Mutex<State>,
}

/// What was read.
#[derive(Debug, Default)]
struct State {
    replay: Replay,
    /// Bytes and lines.
    read: u64,
    lines: u64,
}

/// What the last own line among those just read did.
type Own = Option<Result<Made, Refusal>>;

impl Journal {
    /// The journal at a path. It is made by the first study.
    ///
    /// # Errors
    /// That it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let path = std::path::absolute(path)
            .map_err(|error| unavailable(path, &format!("no path of a file ({error})")))?;
        let journal = Self {
            worker: format!("{}-0", unique_name()),
            leases: Leases::beside(&path),
            path,
            state: Mutex::default(),
        };
        drop(journal.now()?);
        Ok(journal)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it replays")
    }

    /// The state with everything that is in the file by now.
    fn now(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        let mut state = self.state();
        self.catch_up(&mut state)?;
        Ok(state)
    }

    /// Replays the lines that were added. A last line without its end is being written, or its writer died.
    fn catch_up(&self, state: &mut State) -> Result<Own, StorageError> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(mut file) => {
                let length = file.metadata().map_err(|error| self.failed("read", &error))?.len();
                if length < state.read {
                    return Err(self.malformed("it became shorter while it was in use".into()));
                }
                file.seek(SeekFrom::Start(state.read))
                    .and_then(|_| file.read_to_end(&mut bytes))
                    .map_err(|error| self.failed("read", &error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && state.read == 0 => {}
            Err(error) => return Err(self.failed("read", &error)),
        }
        let mut own = None;
        for bytes in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string());
            let line = text.and_then(Line::read);
            let line =
                line.map_err(|reason| self.malformed(format!("line {}: {reason}", state.lines + 1)))?;
            let ours = line.worker == self.worker;
            let result = state.replay.apply(line);
            if ours {
                own = Some(result);
            }
            state.read += bytes.len() as u64;
            state.lines += 1;
        }
        Ok(own)
    }

    /// Writes operations if they would change something, and tells what the last made.
    fn commit(&self, operations: Vec<Operation>) -> Result<Result<Made, Refusal>, StorageError> {
        let mut state = self.state();
        let lock = Lock::acquire(&self.path, lock::GRACE).map_err(|error| self.failed("locked", &error))?;
        self.catch_up(&mut state)?;
        if let Some(refusal) = operations.iter().find_map(|operation| state.replay.refusal(operation)) {
            return Ok(Err(refusal));
        }
        let lines = operations
            .into_iter()
            .map(|operation| Line { worker: self.worker.clone(), operation }.write())
            .collect::<String>();
        self.append(&lines, state.read).map_err(|error| self.failed("written", &error))?;
        drop(lock);
        let own = self.catch_up(&mut state)?;
        own.ok_or_else(|| self.malformed("a line that was written is not there".into()))
    }

    /// Appends lines after `length` bytes of whole ones. What stands there is what a dead writer left of a line: whoever
    /// appended to it would make the file unreadable.
    fn append(&self, lines: &str, length: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        // The new name is on disk once its folder is. Windows cannot open folders as files.
        #[cfg(unix)]
        if length == 0 {
            File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        }
        Ok(())
    }

    fn change(&self, operation: Operation) -> Result<Made, StorageError> {
        self.commit(vec![operation])?.map_err(|refusal| self.refused(refusal))
    }

    fn change_all(&self, operations: Vec<Operation>) -> Result<(), StorageError> {
        if operations.is_empty() {
            return Ok(());
        }
        self.commit(operations)?.map(drop).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> StorageError {
        match refusal {
            Refusal::StudyExists(name) => StorageError::StudyExists { storage: self.describe(), name },
            Refusal::NoStudy(_) => StorageError::NoStudy { storage: self.describe() },
            Refusal::Finished(trial) => StorageError::Finished(trial),
            Refusal::Incompatible(name) => StorageError::Incompatible { storage: self.describe(), name },
            Refusal::Taken => unreachable!("only claims are refused so, which do not come here"),
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> StorageError {
        unavailable(&self.path, &format!("it cannot be {what} ({error})"))
    }

    fn malformed(&self, reason: String) -> StorageError {
        StorageError::Malformed { storage: self.describe(), reason }
    }
}

impl Storage for Journal {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn create_study(&self, name: &str, direction: Direction) -> Result<StudyId, StorageError> {
        let directions = vec![Some(direction)];
        match self.change(Operation::CreateStudy { name: name.to_owned(), directions })? {
            Made::Study(study) => Ok(study),
            made => unreachable!("a line that creates a study made {made:?}"),
        }
    }

    fn studies(&self) -> Result<Vec<StudyRecord>, StorageError> {
        Ok(self.now()?.replay.studies().cloned().collect())
    }

    fn delete_study(&self, study: StudyId) -> Result<(), StorageError> {
        let trials: Vec<_> = self.now()?.replay.trials(study).into_iter().flatten().map(|t| t.id).collect();
        self.change(Operation::DeleteStudy { study })?;
        trials.into_iter().for_each(|trial| self.leases.end(trial));
        Ok(())
    }

    fn set_study_attribute(
        &self,
        study: StudyId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError> {
        let (key, value) = (key.to_owned(), value.clone());
        self.change(Operation::SetStudyAttribute { study, scope, key, value }).map(drop)
    }

    fn create_trial(&self, study: StudyId, trial: &NewTrial) -> Result<Trial, StorageError> {
        let now = Timestamp::now();
        let record = TrialRecord {
            state: trial.state,
            values: trial.value.map(|value| vec![value]),
            started: trial.started.or((trial.state != TrialState::Waiting).then_some(now)),
            completed: trial.completed.or(trial.state.is_finished().then_some(now)),
            parameters: trial.parameters.clone(),
            intermediate: trial.intermediate.clone(),
            user_attributes: trial.user_attributes.clone(),
            system_attributes: trial.system_attributes.clone(),
        };
        match self.change(Operation::CreateTrial { study, trial: Box::new(record) })? {
            Made::Trial(id) => Ok(self.state().replay.trial(id).expect("just made").clone()),
            made => unreachable!("a line that creates a trial made {made:?}"),
        }
    }

    fn trials(&self, study: StudyId) -> Result<Vec<Trial>, StorageError> {
        let state = self.now()?;
        let trials = state.replay.trials(study);
        Ok(trials.ok_or_else(|| StorageError::NoStudy { storage: self.describe() })?.cloned().collect())
    }

    fn set_parameters(
        &self,
        trial: TrialId,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<(), StorageError> {
        let set = |(name, parameter): (&String, &Parameter)| Operation::SetParameter {
            trial,
            name: name.clone(),
            parameter: parameter.clone(),
        };
        self.change_all(parameters.iter().map(set).collect())
    }

    fn set_state(&self, trial: TrialId, state: TrialState, value: Option<f64>) -> Result<bool, StorageError> {
        let values = value.map(|value| vec![value]);
        let time = (state != TrialState::Waiting).then(Timestamp::now);
        let operation = Operation::SetState { trial, state, values, time };
        if state == TrialState::Running {
            return Ok(self.commit(vec![operation])?.is_ok());
        }
        self.change(operation)?;
        self.leases.end(trial);
        Ok(true)
    }

    fn report(&self, trial: TrialId, step: u64, value: f64) -> Result<(), StorageError> {
        self.change(Operation::Report { trial, step, value }).map(drop)
    }

    fn set_trial_attribute(
        &self,
        trial: TrialId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError> {
        let (key, value) = (key.to_owned(), value.clone());
        self.change(Operation::SetTrialAttribute { trial, scope, key, value }).map(drop)
    }

    fn heartbeat(&self, trial: TrialId) -> Result<(), StorageError> {
        let state = self.now()?;
        let running = state.replay.trial(trial).filter(|trial| trial.state == TrialState::Running);
        let running = running.ok_or(StorageError::Finished(trial))?;
        self.leases.renew(running).map_err(|error| self.failed("kept alive in its folder of leases", &error))
    }

    fn stale_trials(&self, study: StudyId, grace: Duration) -> Result<Vec<TrialId>, StorageError> {
        let state = self.now()?;
        let running = state.replay.trials(study).into_iter().flatten();
        let running: Vec<_> = running.filter(|trial| trial.state == TrialState::Running).cloned().collect();
        drop(state);
        self.leases.stale(&running, grace).map_err(|error| self.failed("checked for dead workers", &error))
    }
}

fn unavailable(path: &Path, reason: &str) -> StorageError {
    StorageError::Unavailable { storage: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
