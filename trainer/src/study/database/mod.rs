//! Studies in a relational database with Optuna's tables: SQLite and PostgreSQL, which differ in a [`Dialect`] only.

mod commits;
mod connection;
mod rows;
mod schema;
mod transaction;
mod trials;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(super) use self::connection::{Cell, Connection, Dialect, Engine, Failure, Row};
use self::rows::{insert_attributes, insert_parameters, insert_reports, insert_value};
use self::transaction::Session;
use self::trials::Known;
use super::python_json;
use super::storage::{NewTrial, Scope, Storage, StorageError, StudyId, StudyRecord, TrialId};
use super::{Access, Direction, Distribution, Parameter, Trial, TrialState};

/// A database. Threads share one; each process opens its own.
pub(super) struct Database<E> {
    session: Session<E>,
    known: Mutex<BTreeMap<StudyId, Known>>,
    /// What a parameter was drawn from first, by study and name: all later ones have to be compatible.
    distributions: Mutex<BTreeMap<(StudyId, String), Distribution>>,
}

impl<E: Engine> Database<E> {
    /// Opens a database, and makes the tables if they are missing and `access` allows it.
    ///
    /// # Errors
    /// That it cannot be reached, or has other tables.
    pub fn open(engine: E, access: Access) -> Result<Self, StorageError> {
        let session = Session::open(engine)?;
        let (dialect, storage) = (session.dialect(), session.describe());
        if !session.read(|connection| schema::exists(connection, dialect))? {
            if access == Access::Existing {
                let reason = "it has no tables of Optuna: there is no study in it".to_owned();
                return Err(StorageError::Unavailable { storage, reason });
            }
            session.write(|connection| schema::create(connection, dialect))?;
        }
        session.read(|connection| schema::check(connection, dialect, &storage))?;
        Ok(Self { session, known: Mutex::default(), distributions: Mutex::default() })
    }

    /// Changes an unfinished trial, whose row nobody else changes meanwhile.
    fn change<T>(
        &self,
        trial: TrialId,
        work: impl Fn(&mut dyn Connection, StudyId, TrialState) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        let lock = self.session.dialect().lock_row;
        self.session.write(|connection| {
            let sql = format!("SELECT study_id, state FROM trials WHERE trial_id = $1{lock}");
            let rows = connection.run(&sql, &[trial.0.into()])?;
            let row = rows.first().and_then(|row| row[0].int().zip(row[1].state()));
            let (study, state) = row.ok_or(StorageError::Finished(trial))?;
            work(connection, StudyId(study), state)
        })
    }

    fn change_unfinished(
        &self,
        trial: TrialId,
        work: impl Fn(&mut dyn Connection, StudyId) -> Result<(), Failure>,
    ) -> Result<(), StorageError> {
        self.change(trial, |connection, study, state| match state.is_finished() {
            true => Err(StorageError::Finished(trial).into()),
            false => work(connection, study),
        })
    }

    /// The first distribution of every parameter of a study.
    fn first_distributions(
        &self,
        connection: &mut dyn Connection,
        study: StudyId,
    ) -> Result<BTreeMap<String, Distribution>, Failure> {
        let sql = "SELECT c.param_name, c.distribution_json FROM trial_params c WHERE c.param_id IN \
                   (SELECT MIN(p.param_id) FROM trial_params p JOIN trials t ON t.trial_id = p.trial_id \
                   WHERE t.study_id = $1 GROUP BY p.param_name)";
        let mut distributions = BTreeMap::new();
        for row in connection.run(sql, &[study.0.into()])? {
            let distribution = row[1].text().and_then(|text| Distribution::from_json(text).ok());
            if let (Some(name), Some(distribution)) = (row[0].text(), distribution) {
                distributions.insert(name.to_owned(), distribution);
            }
        }
        Ok(distributions)
    }

    fn check_compatible(
        &self,
        connection: &mut dyn Connection,
        study: StudyId,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<(), Failure> {
        let mut first = self.distributions.lock().expect("no thread panics while it looks here");
        let key = |name: &String| (study, name.clone());
        if parameters.keys().any(|name| !first.contains_key(&key(name))) {
            let read = self.first_distributions(connection, study)?;
            first.extend(read.into_iter().map(|(name, distribution)| ((study, name), distribution)));
        }
        for (name, parameter) in parameters {
            let earlier = first.get(&key(name));
            if earlier.is_some_and(|earlier| !earlier.is_compatible(&parameter.distribution)) {
                let (storage, name) = (self.session.describe(), name.clone());
                return Err(StorageError::Incompatible { storage, name }.into());
            }
        }
        Ok(())
    }

    /// The attributes of all studies, by study.
    fn study_attributes(
        connection: &mut dyn Connection,
        table: &str,
    ) -> Result<BTreeMap<i64, Map<String, Value>>, Failure> {
        let mut all: BTreeMap<i64, Map<_, _>> = BTreeMap::new();
        for row in connection.run(&format!("SELECT study_id, \"key\", value_json FROM {table}"), &[])? {
            let value = row[2].text().and_then(|text| python_json::parse(text).ok());
            if let (Some(study), Some(key), Some(value)) = (row[0].int(), row[1].text(), value) {
                all.entry(study).or_default().insert(key.to_owned(), value);
            }
        }
        Ok(all)
    }
}

impl<E: Engine> Storage for Database<E> {
    fn describe(&self) -> String {
        self.session.describe()
    }

    fn warning(&self) -> Option<String> {
        self.session.warning()
    }

    fn create_study(&self, name: &str, direction: Direction) -> Result<StudyId, StorageError> {
        self.session.write(|connection| {
            let sql =
                "INSERT INTO studies (study_name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING study_id";
            let rows = connection.run(sql, &[name.into()])?;
            let exists =
                || StorageError::StudyExists { storage: self.session.describe(), name: name.to_owned() };
            let id = rows.first().and_then(|row| row[0].int()).ok_or_else(exists)?;
            let sql = "INSERT INTO study_directions (direction, study_id, objective) VALUES ($1, $2, 0)";
            connection.run(sql, &[direction.name().into(), id.into()])?;
            Ok(StudyId(id))
        })
    }

    fn studies(&self) -> Result<Vec<StudyRecord>, StorageError> {
        self.session.read(|connection| {
            let studies =
                connection.run("SELECT study_id, study_name FROM studies ORDER BY study_id", &[])?;
            let sql = "SELECT study_id, direction FROM study_directions ORDER BY study_id, objective";
            let directions = connection.run(sql, &[])?;
            let mut user = Self::study_attributes(connection, "study_user_attributes")?;
            let mut system = Self::study_attributes(connection, "study_system_attributes")?;
            let record = |row: &Row| {
                let id = row[0].int().unwrap_or_default();
                let own = directions.iter().filter(|row| row[0].int() == Some(id));
                let direction = |row: &Row| {
                    let known = [Direction::Minimize, Direction::Maximize];
                    known.into_iter().find(|direction| row[1].text() == Some(direction.name()))
                };
                StudyRecord {
                    id: StudyId(id),
                    name: row[1].text().unwrap_or_default().to_owned(),
                    directions: own.map(direction).collect(),
                    user_attributes: user.remove(&id).unwrap_or_default(),
                    system_attributes: system.remove(&id).unwrap_or_default(),
                }
            };
            Ok(studies.iter().map(record).collect())
        })
    }

    fn delete_study(&self, study: StudyId) -> Result<(), StorageError> {
        let lock = self.session.dialect().lock_row;
        self.session.write(|connection| {
            let mut run = |sql: &str| connection.run(sql, &[study.0.into()]);
            if run(&format!("SELECT study_id FROM studies WHERE study_id = $1{lock}"))?.is_empty() {
                return Err(StorageError::NoStudy { storage: self.session.describe() }.into());
            }
            for table in [
                "trial_params",
                "trial_values",
                "trial_intermediate_values",
                "trial_user_attributes",
                "trial_system_attributes",
                "trial_heartbeats",
            ] {
                run(&format!(
                    "DELETE FROM {table} WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = $1)"
                ))?;
            }
            for table in
                ["trials", "study_directions", "study_user_attributes", "study_system_attributes", "studies"]
            {
                run(&format!("DELETE FROM {table} WHERE study_id = $1"))?;
            }
            Ok(())
        })?;
        // The next study may get the same number.
        self.known.lock().expect("no thread panics while it reads").remove(&study);
        let mut first = self.distributions.lock().expect("no thread panics while it looks here");
        first.retain(|(other, _), _| *other != study);
        Ok(())
    }

    fn set_study_attribute(
        &self,
        study: StudyId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError> {
        let key = key.to_owned();
        self.session.write(|connection| {
            let sql = "SELECT study_id FROM studies WHERE study_id = $1";
            if connection.run(sql, &[study.0.into()])?.is_empty() {
                return Err(StorageError::NoStudy { storage: self.session.describe() }.into());
            }
            insert_attributes(connection, ("study", study.0), scope, [(&key, value)])
        })
    }

    fn create_trial(&self, study: StudyId, new: &NewTrial) -> Result<Trial, StorageError> {
        let now = Timestamp::now();
        let started = new.started.or((new.state != TrialState::Waiting).then_some(now));
        let completed = new.completed.or(new.state.is_finished().then_some(now));
        let lock = self.session.dialect().lock_row;
        let (id, number) = self.session.write(|connection| {
            let sql = format!("SELECT study_id FROM studies WHERE study_id = $1{lock}");
            if connection.run(&sql, &[study.0.into()])?.is_empty() {
                return Err(StorageError::NoStudy { storage: self.session.describe() }.into());
            }
            let sql = "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) \
                       VALUES ((SELECT COUNT(*) FROM trials WHERE study_id = $1), $1, $2, $3, $4) \
                       RETURNING trial_id, number";
            let state = new.state.name().into();
            let times = [Cell::of_time(started), Cell::of_time(completed)];
            let [started, completed] = times;
            let rows = connection.run(sql, &[study.0.into(), state, started, completed])?;
            let made = rows.first().and_then(|row| row[0].int().zip(row[1].int()));
            let (id, number) = made.ok_or_else(|| Failure::Refused("it made no trial".into()))?;
            let id = TrialId(id);
            insert_value(connection, id, new.value)?;
            insert_parameters(connection, id, &new.parameters)?;
            insert_reports(connection, id, &new.intermediate)?;
            insert_attributes(connection, ("trial", id.0), Scope::User, &new.user_attributes)?;
            insert_attributes(connection, ("trial", id.0), Scope::System, &new.system_attributes)?;
            Ok((id, number as u64))
        })?;
        Ok(Trial {
            id,
            number,
            state: new.state,
            values: new.value.map(|value| vec![value]),
            started,
            completed,
            parameters: new.parameters.clone(),
            intermediate: new.intermediate.clone(),
            user_attributes: new.user_attributes.clone(),
            system_attributes: new.system_attributes.clone(),
        })
    }

    fn trials(&self, study: StudyId) -> Result<Vec<Trial>, StorageError> {
        let mut all = self.known.lock().expect("no thread panics while it reads");
        let mut known = all.remove(&study).unwrap_or_default();
        let storage = self.session.describe();
        let known = self.session.read(|connection| {
            let sql = "SELECT study_id FROM studies WHERE study_id = $1";
            if connection.run(sql, &[study.0.into()])?.is_empty() {
                return Err(StorageError::NoStudy { storage: storage.clone() }.into());
            }
            known.refresh(connection, study, &storage)?;
            Ok(std::mem::take(&mut known))
        })?;
        Ok(all.entry(study).insert_entry(known).get().trials().cloned().collect())
    }

    fn set_parameters(
        &self,
        trial: TrialId,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<(), StorageError> {
        self.change_unfinished(trial, |connection, study| {
            self.check_compatible(connection, study, parameters)?;
            insert_parameters(connection, trial, parameters)
        })
    }

    fn set_state(&self, trial: TrialId, state: TrialState, value: Option<f64>) -> Result<bool, StorageError> {
        let now = Cell::of_time(Some(Timestamp::now()));
        let dialect = self.session.dialect();
        self.change(trial, |connection, _, before| {
            if state == TrialState::Running && before != TrialState::Waiting {
                return Ok(false);
            }
            if before.is_finished() {
                return Err(StorageError::Finished(trial).into());
            }
            if state == TrialState::Running {
                schema::guard_claims(connection, dialect)?;
            }
            let time = match state {
                TrialState::Waiting => "",
                TrialState::Running => ", datetime_start = $3",
                _ => ", datetime_complete = $3",
            };
            let mut parameters = vec![trial.0.into(), state.name().into()];
            parameters.extend((!time.is_empty()).then(|| now.clone()));
            let sql = format!("UPDATE trials SET state = $2{time} WHERE trial_id = $1");
            connection.run(&sql, &parameters)?;
            if !state.is_finished() {
                // Of the worker before.
                connection.run("DELETE FROM trial_heartbeats WHERE trial_id = $1", &[trial.0.into()])?;
            }
            insert_value(connection, trial, value)?;
            Ok(true)
        })
    }

    fn report(&self, trial: TrialId, step: u64, value: f64) -> Result<(), StorageError> {
        self.change_unfinished(trial, |connection, _| insert_reports(connection, trial, [(&step, &value)]))
    }

    fn set_trial_attribute(
        &self,
        trial: TrialId,
        scope: Scope,
        key: &str,
        value: &Value,
    ) -> Result<(), StorageError> {
        let key = key.to_owned();
        self.change_unfinished(trial, |connection, _| {
            insert_attributes(connection, ("trial", trial.0), scope, [(&key, value)])
        })
    }

    fn heartbeat(&self, trial: TrialId) -> Result<(), StorageError> {
        let now = self.session.dialect().now;
        self.change(trial, |connection, _, state| {
            if state != TrialState::Running {
                return Err(StorageError::Finished(trial).into());
            }
            let sql = format!(
                "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES ($1, {now}) \
                 ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat"
            );
            connection.run(&sql, &[trial.0.into()]).map(drop)
        })
    }

    fn stale_trials(&self, study: StudyId, grace: Duration) -> Result<Vec<TrialId>, StorageError> {
        let age = self.session.dialect().age;
        self.session.read(|connection| {
            let sql = format!(
                "SELECT t.trial_id FROM trials t JOIN trial_heartbeats h ON h.trial_id = t.trial_id \
                 WHERE t.study_id = $1 AND t.state = 'RUNNING' AND {age} > $2 ORDER BY t.trial_id"
            );
            let rows = connection.run(&sql, &[study.0.into(), Cell::Real(grace.as_secs_f64())])?;
            Ok(rows.iter().filter_map(|row| row[0].int().map(TrialId)).collect())
        })
    }
}
