//! Good trials and the others.

use std::cmp::Ordering;

use crate::search::History;
use crate::study::{Direction, Trial, TrialState};

/// Trials in two parts, each by number.
pub(super) struct Split<'a> {
    /// The good ones.
    pub below: Vec<&'a Trial>,
    /// The others, with those that run: until their values are known they are taken for bad, so that nobody tries the
    /// same at the same time ("constant liar").
    pub above: Vec<&'a Trial>,
}

/// The part of the trials that counts as good.
const GOOD: f64 = 0.1;

/// Most trials that do.
const MOST_GOOD: usize = 25;

/// The best tenth of the finished trials, and the rest. Complete trials come first, by value; then pruned ones, by how
/// far they came and their value there; then those that violate constraints, by how much.
///
/// Bergstra et al., *Algorithms for hyper-parameter optimization*, NeurIPS 2011; constraints and pruned trials as in
/// Optuna.
pub(super) fn split<'a>(history: &History<'a>) -> Split<'a> {
    let (mut complete, mut pruned, mut infeasible, mut running) = (vec![], vec![], vec![], vec![]);
    for trial in history.trials {
        match trial.state {
            TrialState::Running => running.push(trial),
            TrialState::Complete | TrialState::Pruned if violation(trial) > 0.0 => infeasible.push(trial),
            TrialState::Complete => complete.push(trial),
            TrialState::Pruned => pruned.push(trial),
            TrialState::Fail | TrialState::Waiting => {}
        }
    }
    let direction = history.direction;
    complete.sort_by(|a, b| better_first(direction, a.value(), b.value()));
    pruned.sort_by(|a, b| {
        let step = |trial: &Trial| trial.last_report().map(|(step, _)| step);
        let value = |trial: &Trial| trial.last_report().map(|(_, value)| value);
        // None, of a trial without a report, is less than every step.
        step(b).cmp(&step(a)).then_with(|| better_first(direction, value(a), value(b)))
    });
    infeasible.sort_by(|a, b| violation(a).total_cmp(&violation(b)));

    let mut below = complete;
    below.append(&mut pruned);
    below.append(&mut infeasible);
    let good = ((GOOD * below.len() as f64).ceil() as usize).min(MOST_GOOD);
    let mut above = below.split_off(good);
    above.append(&mut running);
    below.sort_by_key(|trial| trial.number);
    above.sort_by_key(|trial| trial.number);
    Split { below, above }
}

/// Numbers that are none come last.
fn better_first(direction: Direction, a: Option<f64>, b: Option<f64>) -> Ordering {
    let loss = |value: Option<f64>| match (value.unwrap_or(f64::NAN), direction) {
        (value, _) if value.is_nan() => f64::INFINITY,
        (value, Direction::Minimize) => value,
        (value, Direction::Maximize) => -value,
    };
    loss(a).partial_cmp(&loss(b)).unwrap_or(Ordering::Equal)
}

/// How far a trial is from satisfying its constraints: the sum of what lies above 0.
fn violation(trial: &Trial) -> f64 {
    let named = trial
        .system_attributes
        .iter()
        .filter_map(|(key, value)| key.strip_prefix("constraints:").and_then(|_| value.as_f64()));
    let listed = trial.system_attributes.get("constraints").and_then(|list| list.as_array());
    let listed = listed.into_iter().flatten().filter_map(|value| value.as_f64());
    named.chain(listed).filter(|&value| value > 0.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::{fixture, trials};

    #[test]
    fn good_trials_are_those_of_optuna() {
        for case in fixture("tpe")["histories"].as_array().unwrap() {
            let direction = if case["maximize"] == true { Direction::Maximize } else { Direction::Minimize };
            let mut trials = trials(case);
            trials.retain(|trial| case["current"] != trial.number);
            let split = split(&History { direction, trials: &trials });
            let numbers = |trials: &[&Trial]| {
                trials.iter().map(|trial| trial.number.into()).collect::<Vec<serde_json::Value>>()
            };
            assert_eq!(numbers(&split.below), *case["below"].as_array().unwrap());
            assert_eq!(numbers(&split.above), *case["above"].as_array().unwrap());
        }
    }
}
