//! Trying a failed trial again, with the attributes by which Optuna follows it.

use serde_json::{Map, Value};

use super::{NewTrial, Trial};

/// System attribute: number of the trial that failed first.
const FAILED_TRIAL: &str = "failed_trial";
/// System attribute: numbers of all attempts before this one.
const RETRY_HISTORY: &str = "retry_history";
/// System attribute: a worker made this retry, nobody asked for it.
const AUTOMATIC: &str = "optimil:automatic_retry";

/// Numbers of the attempts before a trial, from the first.
pub fn retry_history(trial: &Trial) -> Vec<u64> {
    let history = trial.system_attributes.get(RETRY_HISTORY).and_then(Value::as_array);
    history.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// The number of the trial that this one repeats, or its own.
pub fn first_attempt(trial: &Trial) -> u64 {
    trial.system_attributes.get(FAILED_TRIAL).and_then(Value::as_u64).unwrap_or(trial.number)
}

/// The attributes of another attempt.
fn retry_attributes(first: u64, history: &[u64]) -> [(String, Value); 2] {
    [(FAILED_TRIAL.into(), first.into()), (RETRY_HISTORY.into(), history.into())]
}

/// The attributes of another attempt that a worker makes by itself.
pub fn automatic_retry_attributes(first: u64, history: &[u64]) -> impl Iterator<Item = (String, Value)> {
    retry_attributes(first, history).into_iter().chain([(AUTOMATIC.into(), true.into())])
}

/// Whether a worker made this retry by itself.
pub fn is_automatic_retry(trial: &Trial) -> bool {
    trial.system_attributes.contains_key(AUTOMATIC)
}

/// A waiting trial with the parameters of a failed one, which somebody asks for.
pub fn retry_of(trial: &Trial) -> NewTrial {
    let mut history = retry_history(trial);
    history.push(trial.number);
    let mut new = NewTrial::waiting(Map::new());
    new.system_attributes = trial.system_attributes.clone();
    new.system_attributes.remove(AUTOMATIC);
    new.system_attributes.extend(retry_attributes(history[0], &history));
    new.user_attributes = trial.user_attributes.clone();
    new.parameters = trial.parameters.clone();
    new
}
