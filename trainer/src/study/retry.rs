//! Trying a failed trial again, with the attributes by which Optuna follows it.

use serde_json::{Map, Value};

use super::{NewTrial, Trial};

/// System attribute: number of the trial that failed first.
const FAILED_TRIAL: &str = "failed_trial";
/// System attribute: numbers of all attempts before this one.
const RETRY_HISTORY: &str = "retry_history";

/// Numbers of the attempts before a trial, from the first.
pub fn retry_history(trial: &Trial) -> Vec<u64> {
    let history = trial.system_attributes.get(RETRY_HISTORY).and_then(Value::as_array);
    history.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// A waiting trial with the parameters of a failed one.
pub fn retry_of(trial: &Trial) -> NewTrial {
    let mut history = retry_history(trial);
    history.push(trial.number);
    let mut new = NewTrial::waiting(Map::new());
    new.system_attributes = trial.system_attributes.clone();
    new.system_attributes.insert(FAILED_TRIAL.into(), history[0].into());
    new.system_attributes.insert(RETRY_HISTORY.into(), history.into());
    new.user_attributes = trial.user_attributes.clone();
    new.parameters = trial.parameters.clone();
    new
}
