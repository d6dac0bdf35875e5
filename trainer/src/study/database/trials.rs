//! Trials as they are put together from their tables, and what is kept of them in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::{Cell, Connection, Failure, Row};
use crate::study::python_json;
use crate::study::{Distribution, Parameter, StorageError, StudyId, Trial, TrialId};

/// Trials of a study that were read. The finished ones do not change any more.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    trials: BTreeMap<i64, Trial>,
}

impl Known {
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.trials.values()
    }

    /// Which trials may have changed or come since, as a condition on `t`.
    fn news(&self) -> String {
        let open: BTreeSet<_> = self
            .trials
            .iter()
            .filter(|(_, trial)| !trial.state.is_finished())
            .map(|(id, _)| id.to_string())
            .collect();
        let open: Vec<_> = open.into_iter().collect();
        let last = self.trials.keys().next_back().copied().unwrap_or(-1);
        match open.is_empty() {
            true => format!("t.trial_id > {last}"),
            false => format!("(t.trial_id > {last} OR t.trial_id IN ({}))", open.join(", ")),
        }
    }

    /// Reads what changed, within a transaction.
    pub fn refresh(
        &mut self,
        connection: &mut dyn Connection,
        study: StudyId,
        storage: &str,
    ) -> Result<(), Failure> {
        let news = self.news();
        let mut select = |columns: &str, table: &str| {
            let join = if table.is_empty() { "" } else { " JOIN trials t ON t.trial_id = c.trial_id" };
            let from = if table.is_empty() { "trials t".to_owned() } else { format!("{table} c") };
            let sql =
                format!("SELECT t.trial_id, {columns} FROM {from}{join} WHERE t.study_id = $1 AND {news}");
            connection.run(&sql, &[study.0.into()])
        };
        let malformed = |row: &Row| -> Failure {
            StorageError::Malformed {
                storage: storage.to_owned(),
                reason: format!("a row of a trial reads {row:?}"),
            }
            .into()
        };
        let mut read = BTreeMap::new();
        for row in select("t.number, t.state, t.datetime_start, t.datetime_complete", "")? {
            let trial = || {
                let id = row[0].int()?;
                Some(Trial {
                    id: TrialId(id),
                    number: row[1].int()?.try_into().ok()?,
                    state: row[2].state()?,
                    values: None,
                    started: row[3].time(),
                    completed: row[4].time(),
                    parameters: BTreeMap::new(),
                    intermediate: BTreeMap::new(),
                    user_attributes: Default::default(),
                    system_attributes: Default::default(),
                })
            };
            let trial = trial().ok_or_else(|| malformed(&row))?;
            read.insert(trial.id.0, trial);
        }
        let mut each = |columns: &str, table: &str, add: &dyn Fn(&mut Trial, &[Cell]) -> Option<()>| {
            for row in select(columns, table)? {
                // A trial that came between two statements, where the database shows that.
                let Some(trial) = row[0].int().and_then(|id| read.get_mut(&id)) else { continue };
                add(trial, &row[1..]).ok_or_else(|| malformed(&row))?;
            }
            Ok::<_, Failure>(())
        };
        each("c.param_name, c.param_value, c.distribution_json", "trial_params", &|trial, cells| {
            let distribution = Distribution::from_json(cells[2].text()?).ok()?;
            let parameter = Parameter { internal: cells[1].real()?, distribution };
            trial.parameters.insert(cells[0].text()?.to_owned(), parameter);
            Some(())
        })?;
        each("c.objective, c.value, c.value_type", "trial_values", &|trial, cells| {
            let objective = usize::try_from(cells[0].int()?).ok().filter(|&objective| objective < 1000)?;
            let values = trial.values.get_or_insert_default();
            values.resize(values.len().max(objective + 1), f64::NAN);
            values[objective] = Cell::number(&cells[1], &cells[2])?;
            Some(())
        })?;
        let columns = "c.step, c.intermediate_value, c.intermediate_value_type";
        each(columns, "trial_intermediate_values", &|trial, cells| {
            let step = cells[0].int()?.try_into().ok()?;
            trial.intermediate.insert(step, Cell::number(&cells[1], &cells[2])?);
            Some(())
        })?;
        each("c.\"key\", c.value_json", "trial_user_attributes", &|trial, cells| {
            let value = python_json::parse(cells[1].text()?).ok()?;
            trial.user_attributes.insert(cells[0].text()?.to_owned(), value);
            Some(())
        })?;
        each("c.\"key\", c.value_json", "trial_system_attributes", &|trial, cells| {
            let value = python_json::parse(cells[1].text()?).ok()?;
            trial.system_attributes.insert(cells[0].text()?.to_owned(), value);
            Some(())
        })?;
        self.trials.extend(read);
        Ok(())
    }
}
