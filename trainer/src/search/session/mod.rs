//! One study as a worker sees it: which trial comes next, and what became of it.

mod ending;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use self::ending::Retry;
use super::History;
use super::objective::Objective;
use super::owner::{Owner, worker_name};
use super::sampler::{Draw, Proposal, Sampler, relative_attributes};
use super::space::{Configuration, Space};
use super::tally::Tally;
use crate::cross_validation::fold_seed;
use crate::prediction_table::FoldKey;
use crate::study::{
    Direction, NewTrial, Scope, Storage, StorageError, StudyId, Trial, TrialId, TrialState, first_attempt,
    is_automatic_retry,
};

/// How a study is worked on.
#[derive(Debug, Clone)]
pub struct SearchSettings {
    /// Seed of the draws and the trainings.
    pub seed: u64,
    /// Trials of the whole study that have a value or were pruned; none: no end.
    pub budget: Option<u64>,
    /// How often a trial is tried again, if its worker died or it failed for a reason that may pass.
    pub retries: usize,
    /// Time between two signs of life; without any for twice as long a trial is taken for dead.
    pub heartbeat: Duration,
}

/// Why a search cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A study of another kind.
    #[error("the study \"{name}\" in {storage} {reason}")]
    OtherStudy {
        /// Its name.
        name: String,
        /// Where it is.
        storage: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No possible configuration.
    #[error(
        "{0} configurations in a row were impossible (the last one: {1}): narrow the search space, so that its parameters fit together"
    )]
    Impossible(u32, String),
    /// Nothing succeeds.
    #[error("{0} trials in a row failed (the last one: {1}): look at the data and the search space")]
    KeepsFailing(u32, String),
}

/// A study, and how to go on with it.
pub struct Session<'a> {
    storage: &'a dyn Storage,
    study: StudyId,
    space: &'a Space,
    /// Parameters under those of the space.
    under: &'a Map<String, Value>,
    sampler: &'a dyn Sampler,
    /// How the study is worked on.
    pub settings: SearchSettings,
    device: String,
    owner: Owner,
    /// One at a time within this process: two that ask at once would draw alike.
    asking: Mutex<()>,
}

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// A trial that now is this worker's.
    Trial(Box<Assignment>),
    /// The trials that are running suffice for the budget, if none of them fails; whether others than this process run
    /// some.
    Enough {
        /// Whether other processes run some of them.
        elsewhere: bool,
    },
    /// The budget is used up.
    Done,
}

/// A trial to be evaluated.
#[derive(Debug)]
pub struct Assignment {
    /// Its identity.
    pub id: TrialId,
    /// Its number in the study.
    pub number: u64,
    /// Seed of everything random in it.
    pub seed: u64,
    /// Its parameters.
    pub configuration: Configuration,
}

/// Draws of one trial before it is given up that none is possible.
const MOST_DRAWS: u32 = 200;

impl<'a> Session<'a> {
    /// The direction of every study here.
    pub const DIRECTION: Direction = Direction::Maximize;
    /// System attribute of a study: what its values are of.
    const IDENTITY: &'static str = "optimil:search";

    /// Goes on with the study of this name, or begins it. `identity` says what its values are of: data, folds, limits.
    ///
    /// # Errors
    /// [`SearchError`] if the storage cannot be used, or the study is of something else.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the search, named where it is called")]
    pub fn open(
        storage: &'a dyn Storage,
        name: &str,
        identity: &Value,
        space: &'a Space,
        under: &'a Map<String, Value>,
        sampler: &'a dyn Sampler,
        settings: SearchSettings,
        device: &str,
    ) -> Result<Self, SearchError> {
        let other = |reason: String| SearchError::OtherStudy {
            name: name.into(),
            storage: storage.describe(),
            reason,
        };
        let known = || -> Result<_, StorageError> {
            Ok(storage.studies()?.into_iter().find(|study| study.name == name))
        };
        if known()?.is_none() {
            match storage.create_study(name, Self::DIRECTION) {
                Ok(_) | Err(StorageError::StudyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let study = known()?.ok_or_else(|| other("was deleted just now".into()))?;
        if study.directions != [Some(Self::DIRECTION)] {
            return Err(other("does not maximise one value: give another --study".into()));
        }
        match study.system_attributes.get(Self::IDENTITY) {
            Some(begun) => {
                let differing = crate::cross_validation::differing_names(begun, identity);
                if !differing.is_empty() {
                    return Err(other(format!(
                        "began with another value of {}: its trials could not be compared; go on with what it began \
                         with, or give another --study",
                        differing.join(", ")
                    )));
                }
            }
            None => {
                storage.set_study_attribute(study.id, Scope::System, Self::IDENTITY, identity)?;
                let names = json!(["score"]);
                storage.set_study_attribute(study.id, Scope::System, "study:metric_names", &names)?;
            }
        }
        Ok(Self {
            storage,
            study: study.id,
            space,
            under,
            sampler,
            settings,
            device: device.into(),
            owner: Owner::current(),
            asking: Mutex::new(()),
        })
    }

    /// The trials of the study.
    ///
    /// # Errors
    /// That the storage cannot be read.
    pub fn trials(&self) -> Result<Vec<Trial>, StorageError> {
        self.storage.trials(self.study)
    }

    /// The storage.
    pub fn storage(&self) -> &'a dyn Storage {
        self.storage
    }

    /// Puts a configuration (external values of searched parameters) in front of what is drawn, if it was not yet.
    ///
    /// # Errors
    /// That the storage cannot be written.
    pub fn enqueue(&self, fixed: Map<String, Value>) -> Result<bool, StorageError> {
        if self.trials()?.iter().any(|trial| trial.fixed_parameters() == Some(&fixed)) {
            return Ok(false);
        }
        self.storage.create_trial(self.study, &NewTrial::waiting(fixed))?;
        Ok(true)
    }

    /// The next trial: one that waits, or a new one; its parameters are drawn and stored.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn ask(&self, objective: &dyn Objective) -> Result<Next, SearchError> {
        let _one = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.reclaim()?;
            let trials = self.trials()?;
            let tally = Tally::of(&trials);
            if let Some(budget) = self.settings.budget {
                if tally.valued() >= budget {
                    self.end_surplus(&trials)?;
                    return Ok(Next::Done);
                }
                if tally.valued() + tally.running >= budget {
                    let owner = self.owner.to_json();
                    let elsewhere = trials.iter().any(|trial| {
                        trial.state == TrialState::Running
                            && trial.system_attributes.get(Owner::ATTRIBUTE) != Some(&owner)
                    });
                    return Ok(Next::Enough { elsewhere });
                }
            }
            let trial = match self.claim(&trials)? {
                Some(trial) => trial,
                None => {
                    let attributes = Map::from_iter([(Owner::ATTRIBUTE.to_owned(), self.owner.to_json())]);
                    let new = NewTrial {
                        system_attributes: attributes,
                        user_attributes: self.about_worker(),
                        ..NewTrial::running()
                    };
                    self.storage.create_trial(self.study, &new)?
                }
            };
            self.storage.heartbeat(trial.id)?;
            // Another process may have taken the last place in the same moment.
            let trials = self.trials()?;
            let tally = Tally::of(&trials);
            if self.settings.budget.is_some_and(|budget| tally.valued() + tally.running > budget) {
                self.give_up(&trial, "one more than the budget, withdrawn", Retry::Unblamed)?;
                // Both may have withdrawn; not to meet again, each waits for a time of its own.
                let spread = Timestamp::now().subsec_nanosecond().unsigned_abs() % 200;
                std::thread::sleep(Duration::from_millis(20 + u64::from(spread)));
                continue;
            }
            return self.assign(&trial, &trials, objective).map(|trial| Next::Trial(Box::new(trial)));
        }
    }

    /// Ends the retries that the budget has no place for: where two took the last place in the same moment and gave it up,
    /// or one of them died, more of them wait than there are places. What people asked for waits on.
    fn end_surplus(&self, trials: &[Trial]) -> Result<(), StorageError> {
        let surplus = |trial: &&Trial| is_automatic_retry(trial) && trial.fixed_parameters().is_none();
        let surplus: Vec<Trial> = trials.iter().filter(surplus).cloned().collect();
        // Taken up first: nobody else begins it then, and Optuna wants a start of whatever has ended.
        while let Some(trial) = self.claim(&surplus)? {
            self.give_up(&trial, "the budget is met without it", Retry::Never)?;
        }
        Ok(())
    }

    fn about_worker(&self) -> Map<String, Value> {
        let version = env!("CARGO_PKG_VERSION");
        let about = [("device", self.device.clone()), ("worker", worker_name()), ("version", version.into())];
        about.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }

    /// Takes up the first waiting trial that nobody else takes.
    fn claim(&self, trials: &[Trial]) -> Result<Option<Trial>, StorageError> {
        for trial in trials.iter().filter(|trial| trial.state == TrialState::Waiting) {
            let claimed = || -> Result<bool, StorageError> {
                // Before and after: whoever comes to harm in between is known, and so is who won.
                let owner = self.owner.to_json();
                let set = |scope, name: &str, value: &Value| {
                    self.storage.set_trial_attribute(trial.id, scope, name, value)
                };
                set(Scope::System, Owner::ATTRIBUTE, &owner)?;
                if !self.storage.set_state(trial.id, TrialState::Running, None)? {
                    return Ok(false);
                }
                set(Scope::System, Owner::ATTRIBUTE, &owner)?;
                for (name, value) in self.about_worker() {
                    set(Scope::User, &name, &value)?;
                }
                Ok(true)
            };
            match claimed() {
                Ok(true) => return Ok(Some(trial.clone())),
                Ok(false) | Err(StorageError::Finished(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Draws and stores the parameters.
    fn assign(
        &self,
        trial: &Trial,
        trials: &[Trial],
        objective: &dyn Objective,
    ) -> Result<Assignment, SearchError> {
        let known: Vec<Trial> = trials.iter().filter(|other| other.id != trial.id).cloned().collect();
        let history = History { direction: Self::DIRECTION, trials: &known };
        let place = place_in_search(trial, trials);
        let mut fixed = trial.fixed_parameters().cloned().unwrap_or_default();
        // What was drawn before a retry stays, if all of it was stored.
        let before = trial.external_parameters();
        let mut complete = !before.is_empty();
        self.space.draw(self.under, |name, distribution| {
            let known = before.get(name).and_then(|value| distribution.internal(value));
            complete &= known.is_some();
            known.unwrap_or_default()
        });
        if complete {
            fixed.extend(before);
        }
        let mut impossible = String::new();
        for attempt in 0..MOST_DRAWS {
            let draw = Draw { trial: place, attempt };
            let proposal = Proposal::new(self.sampler, history, draw, Some(&fixed));
            let configuration =
                self.space.draw(self.under, |name, distribution| proposal.suggest(name, distribution));
            if let Err(reason) = objective.check(&configuration.parameters) {
                impossible = reason;
                continue;
            }
            for (name, value) in relative_attributes(proposal.relative()) {
                self.storage.set_trial_attribute(trial.id, Scope::System, &name, &value)?;
            }
            let missing = configuration.searched.iter();
            let missing = missing.filter(|(name, parameter)| trial.parameters.get(*name) != Some(*parameter));
            let missing = missing.map(|(name, parameter)| (name.clone(), parameter.clone())).collect();
            self.storage.set_parameters(trial.id, &missing)?;
            let key = FoldKey { repeat: (place >> 32) as u32, fold: place as u32 };
            let seed = fold_seed(self.settings.seed, key);
            return Ok(Assignment { id: trial.id, number: trial.number, seed, configuration });
        }
        self.give_up(trial, &format!("impossible: {impossible}"), Retry::Never)?;
        Err(SearchError::Impossible(MOST_DRAWS, impossible))
    }

    /// Fails the trials whose workers are no more, and has them tried again.
    fn reclaim(&self) -> Result<(), StorageError> {
        let grace = 2 * self.settings.heartbeat;
        let silent = self.storage.stale_trials(self.study, grace)?;
        let trials = self.trials()?;
        for trial in trials.iter().filter(|trial| trial.state == TrialState::Running) {
            let Some(owner) = trial.system_attributes.get(Owner::ATTRIBUTE) else {
                if silent.contains(&trial.id) {
                    self.give_up(trial, "its worker gave no sign of life", Retry::Blamed)?;
                }
                continue;
            };
            // A worker may end between taking a trial up and its first sign of life.
            let age = trial.started.map_or(0, |started| Timestamp::now().as_second() - started.as_second());
            let unborn = trial.parameters.is_empty() && age > 10 * grace.as_secs() as i64;
            if silent.contains(&trial.id) || self.owner.has_outlived(owner) || unborn {
                self.give_up(trial, "its worker gave no sign of life", Retry::Blamed)?;
            }
        }
        Ok(())
    }
}

/// The place of a trial in a search that nothing had disturbed: retries count as what they repeat. What is random in a
/// trial follows from it, so that an interrupted search comes to the trials of one that was not.
fn place_in_search(trial: &Trial, trials: &[Trial]) -> u64 {
    let first = first_attempt(trial);
    let repeats = |other: &&Trial| other.number < first && first_attempt(other) != other.number;
    first - trials.iter().filter(repeats).count() as u64
}
