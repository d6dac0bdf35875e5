//! Trials for the tests of samplers and pruners.

use serde_json::Value;

use crate::study::{Distribution, Parameter, Trial, TrialId, TrialState};

/// A trial as it might stand in a storage.
pub(crate) fn trial<const N: usize>(
    number: u64,
    state: TrialState,
    value: Option<f64>,
    parameters: [(&str, f64, Distribution); N],
) -> Trial {
    let parameters = parameters
        .map(|(name, internal, distribution)| (name.to_owned(), Parameter { internal, distribution }));
    Trial {
        id: TrialId(number as i64),
        number,
        state,
        values: value.map(|value| vec![value]),
        started: None,
        completed: None,
        parameters: parameters.into(),
        intermediate: Default::default(),
        user_attributes: Default::default(),
        system_attributes: Default::default(),
    }
}

/// Numbers of the Python packages; the script beside them tells how they were made.
pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/search/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

/// A list of numbers; null stands for what is none.
pub(crate) fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The distributions of a fixture's space, by name.
pub(crate) fn space(space: &Value) -> std::collections::BTreeMap<String, Distribution> {
    let distribution = |text: &Value| Distribution::from_json(text.as_str().expect("a text")).expect("valid");
    space
        .as_object()
        .expect("a space")
        .iter()
        .map(|(name, text)| (name.clone(), distribution(text)))
        .collect()
}

/// The trials of a fixture's case.
pub(crate) fn trials(case: &Value) -> Vec<Trial> {
    let spaces: Vec<_> = case["spaces"].as_array().into_iter().flatten().map(space).collect();
    let read = |given: &Value| {
        let state =
            TrialState::ALL.into_iter().find(|state| state.name() == given["state"]).expect("a state");
        let number = given["number"].as_u64().expect("a number");
        let mut trial = trial(number, state, given["value"].as_f64(), []);
        for (name, internal) in given["parameters"].as_object().into_iter().flatten() {
            let distribution = spaces[given["space"].as_u64().unwrap_or(0) as usize][name].clone();
            let internal = internal.as_f64().expect("a number");
            trial.parameters.insert(name.clone(), Parameter { internal, distribution });
        }
        for (step, value) in given["intermediate"].as_object().into_iter().flatten() {
            trial.intermediate.insert(step.parse().expect("a step"), value.as_f64().unwrap_or(f64::NAN));
        }
        if let Some(attributes) = given["system"].as_object() {
            trial.system_attributes = attributes.clone();
        }
        trial
    };
    case["trials"].as_array().expect("trials").iter().map(read).collect()
}
