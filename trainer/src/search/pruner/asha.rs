//! Asynchronous successive halving.

use super::Pruner;
use crate::search::History;
use crate::study::{Direction, Trial, TrialState};

/// Lets a trial pass a rung (a step, each a multiple of the one before) if it is among the best of all trials that came
/// there.
///
/// Li et al., *A system for massively parallel hyperparameter tuning*, MLSys 2020; the rule of Optuna's
/// `SuccessiveHalvingPruner`. What a trial scored at a rung is its first report there or later; unlike there, trials that
/// ran before the first rung was known count as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AshaPruner {
    /// Step of the first rung, at least 1; none: a hundredth of the longest complete trial.
    pub min_resource: Option<u64>,
    /// A rung's step is this many times that of the rung before, and one of this many trials passes it; at least 2.
    pub reduction_factor: u64,
}

impl Pruner for AshaPruner {
    fn prunes(&self, history: &History, trial: &Trial) -> bool {
        let Some((step, value)) = trial.last_report() else { return false };
        let Some(first) = self.min_resource.or_else(|| first_rung(history)) else { return false };
        let before = trial.intermediate.range(..step).next_back().map(|(&step, _)| step);
        let (first, factor) = (first.max(1), self.reduction_factor.max(2));
        let rungs = std::iter::successors(Some(first), |rung| rung.checked_mul(factor));
        let reached = rungs.take_while(|&rung| rung <= step);
        for rung in reached.filter(|&rung| before.is_none_or(|before| before < rung)) {
            if value.is_nan() {
                return true;
            }
            let others = history.trials.iter().filter(|other| other.number != trial.number);
            let mut competing: Vec<f64> = others
                .filter_map(|other| score_at(other, rung, (rung > first).then(|| rung / factor)))
                .collect();
            competing.push(value);
            match history.direction {
                Direction::Minimize => competing.sort_by(f64::total_cmp),
                Direction::Maximize => competing.sort_by(|a, b| b.total_cmp(a)),
            }
            // While there are too few to choose from, only the best passes.
            let passing = (competing.len() as u64 / factor).max(1);
            if history.direction.is_better(competing[passing as usize - 1], value) {
                return true;
            }
        }
        false
    }
}

fn first_rung(history: &History) -> Option<u64> {
    let complete = history.trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let longest = complete.filter_map(|trial| trial.last_report()).map(|(step, _)| step).max()?;
    Some((longest / 100).max(1))
}

/// What a trial scored at a rung, if it came there: a trial that was pruned by the report with which it reached several
/// rungs at once was stopped at the first of these.
fn score_at(trial: &Trial, rung: u64, rung_before: Option<u64>) -> Option<f64> {
    let (&step, &value) = trial.intermediate.range(rung..).next()?;
    let reached_with = |rung: u64| trial.intermediate.range(rung..).next().map(|(&step, _)| step);
    let stopped_before = trial.state == TrialState::Pruned
        && trial.last_report().is_some_and(|(last, _)| last == step)
        && rung_before.and_then(reached_with) == Some(step);
    (!stopped_before && !value.is_nan()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::trial;

    #[test]
    fn the_first_rung_is_a_hundredth_of_the_longest_trial() {
        let pruner = AshaPruner { min_resource: None, reduction_factor: 4 };
        let mut complete = trial(0, TrialState::Complete, Some(1.0), []);
        complete.intermediate = (0..350).map(|step| (step, 1.0)).collect();
        let mut running = trial(1, TrialState::Running, None, []);
        let mut trials = vec![complete];
        let mut prunes = |step, trials: &[Trial]| {
            running.intermediate.insert(step, 2.0);
            pruner.prunes(&History { direction: Direction::Minimize, trials }, &running)
        };
        assert!(!prunes(2, &trials));
        assert!(prunes(3, &trials));
        trials[0].state = TrialState::Running;
        assert!(!prunes(3, &trials), "no trial is complete: the rung is not known");
    }
}
