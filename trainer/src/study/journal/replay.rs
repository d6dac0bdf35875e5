//! What the lines of a journal add up to.

use std::collections::BTreeMap;

use super::operation::{Line, Operation, TrialRecord};
use crate::study::{Distribution, Scope, StudyId, StudyRecord, Trial, TrialId, TrialState};

/// Studies and trials after the lines read so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    studies: BTreeMap<StudyId, StudyRecord>,
    accepted_studies: i64,
    /// By identity; those of deleted studies too, since their lines count.
    trials: Vec<Trial>,
    study_of: Vec<StudyId>,
    members: BTreeMap<StudyId, Members>,
}

#[derive(Debug, Default)]
struct Members {
    trials: Vec<usize>,
    /// Of each parameter, one that all others have to be compatible with.
    distributions: BTreeMap<String, Distribution>,
}

/// What a line made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Study(StudyId),
    Trial(TrialId),
    Change,
}

/// Why a line changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    StudyExists(String),
    NoStudy(StudyId),
    Finished(TrialId),
    /// Somebody else runs it.
    Taken,
    /// A parameter was drawn from another kind of distribution before.
    Incompatible(String),
}

impl Replay {
    pub fn studies(&self) -> impl Iterator<Item = &StudyRecord> {
        self.studies.values()
    }

    /// The trials of a study, by number.
    pub fn trials(&self, study: StudyId) -> Option<impl Iterator<Item = &Trial>> {
        self.studies.get(&study)?;
        Some(self.members.get(&study)?.trials.iter().map(|&index| &self.trials[index]))
    }

    pub fn trial(&self, trial: TrialId) -> Option<&Trial> {
        usize::try_from(trial.0).ok().and_then(|index| self.trials.get(index))
    }

    /// Why an operation would change nothing now.
    pub fn refusal(&self, operation: &Operation) -> Option<Refusal> {
        match operation {
            Operation::CreateStudy { name, .. } => {
                let exists = self.studies.values().any(|study| study.name == *name);
                exists.then(|| Refusal::StudyExists(name.clone()))
            }
            Operation::DeleteStudy { study }
            | Operation::SetStudyAttribute { study, .. }
            | Operation::CreateTrial { study, .. } => {
                (!self.studies.contains_key(study)).then_some(Refusal::NoStudy(*study))
            }
            Operation::SetState { trial, state: TrialState::Running, .. } => match self.trial(*trial) {
                Some(Trial { state: TrialState::Waiting, .. }) => None,
                Some(_) => Some(Refusal::Taken),
                None => Some(Refusal::Finished(*trial)),
            },
            Operation::SetState { trial, .. }
            | Operation::Report { trial, .. }
            | Operation::SetTrialAttribute { trial, .. } => self.closed(*trial),
            Operation::SetParameter { trial, name, parameter } => self.closed(*trial).or_else(|| {
                let members = self.members.get(&self.study_of[trial.0 as usize]);
                let earlier = members.and_then(|members| members.distributions.get(name));
                let differs = earlier.is_some_and(|earlier| !earlier.is_compatible(&parameter.distribution));
                differs.then(|| Refusal::Incompatible(name.clone()))
            }),
            Operation::Discard => None,
        }
    }

    fn closed(&self, trial: TrialId) -> Option<Refusal> {
        let open = self.trial(trial).is_some_and(|trial| !trial.state.is_finished());
        (!open).then_some(Refusal::Finished(trial))
    }

    /// Applies a line.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn apply(&mut self, line: Line) -> Result<Made, Refusal> {
        if let Some(refusal) = self.refusal(&line.operation) {
            return Err(refusal);
        }
        match line.operation {
            Operation::CreateStudy { name, directions } => {
                let id = StudyId(self.accepted_studies);
                self.accepted_studies += 1;
                let (user_attributes, system_attributes) = Default::default();
                let study = StudyRecord { id, name, directions, user_attributes, system_attributes };
                self.studies.insert(id, study);
                self.members.insert(id, Members::default());
                return Ok(Made::Study(id));
            }
            Operation::DeleteStudy { study } => {
                self.studies.remove(&study);
            }
            Operation::SetStudyAttribute { study, scope, key, value } => {
                let study = self.studies.get_mut(&study).expect("looked for above");
                let attributes = match scope {
                    Scope::User => &mut study.user_attributes,
                    Scope::System => &mut study.system_attributes,
                };
                attributes.insert(key, value);
            }
            Operation::CreateTrial { study, trial } => return Ok(Made::Trial(self.create(study, *trial))),
            Operation::SetParameter { trial, name, parameter } => {
                let study = self.study_of[trial.0 as usize];
                if let Some(members) = self.members.get_mut(&study) {
                    let entry = members.distributions.entry(name.clone());
                    entry.or_insert_with(|| parameter.distribution.clone());
                }
                self.open(trial).parameters.insert(name, parameter);
            }
            Operation::SetState { trial, state, values, time } => {
                let trial = self.open(trial);
                trial.state = state;
                match state {
                    TrialState::Waiting => {}
                    TrialState::Running => trial.started = time,
                    _ => trial.completed = time,
                }
                if values.is_some() {
                    trial.values = values;
                }
            }
            Operation::Report { trial, step, value } => {
                self.open(trial).intermediate.insert(step, value);
            }
            Operation::SetTrialAttribute { trial, scope, key, value } => {
                let trial = self.open(trial);
                let attributes = match scope {
                    Scope::User => &mut trial.user_attributes,
                    Scope::System => &mut trial.system_attributes,
                };
                attributes.insert(key, value);
            }
            Operation::Discard => {}
        }
        Ok(Made::Change)
    }

    fn open(&mut self, trial: TrialId) -> &mut Trial {
        &mut self.trials[trial.0 as usize]
    }

    fn create(&mut self, study: StudyId, record: TrialRecord) -> TrialId {
        let index = self.trials.len();
        let id = TrialId(index as i64);
        let members = self.members.entry(study).or_default();
        for (name, parameter) in &record.parameters {
            if !members.distributions.contains_key(name) {
                members.distributions.insert(name.clone(), parameter.distribution.clone());
            }
        }
        let number = members.trials.len() as u64;
        members.trials.push(index);
        self.study_of.push(study);
        let TrialRecord { state, values, started, completed, .. } = record;
        let TrialRecord { parameters, intermediate, user_attributes, system_attributes, .. } = record;
        self.trials.push(Trial {
            id,
            number,
            state,
            values,
            started,
            completed,
            parameters,
            intermediate,
            user_attributes,
            system_attributes,
        });
        id
    }
}
