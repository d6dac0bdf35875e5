//! Worse than most at the same step.

use super::Pruner;
use crate::search::History;
use crate::study::{Direction, Trial, TrialState};

/// Gives up a trial whose best report so far is worse than a percentile of what the complete trials reported at the same
/// step. The rule of Optuna's `PercentilePruner`; with percentile 50 the median rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PercentilePruner {
    /// Percentage of trials that may go on, from 0 to 100.
    pub percentile: f64,
    /// Complete trials before any is given up.
    pub startup_trials: usize,
    /// Steps at the beginning of a trial without pruning: within the first fold, epochs.
    pub warmup_steps: u64,
    /// Distance of the steps at which it is asked, counted after the warm-up; at least 1.
    pub interval_steps: u64,
}

impl Pruner for PercentilePruner {
    fn prunes(&self, history: &History, trial: &Trial) -> bool {
        let complete = history.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        if complete.clone().count() < self.startup_trials.max(1) {
            return false;
        }
        let Some((step, _)) = trial.last_report() else { return false };
        if step < self.warmup_steps || !self.is_first_in_interval(trial, step) {
            return false;
        }
        let reports = trial.intermediate.values().copied().filter(|value| !value.is_nan());
        let best =
            reports.reduce(|best, value| if history.direction.is_better(value, best) { value } else { best });
        let Some(best) = best else { return true };
        let peers = complete.filter_map(|trial| trial.intermediate.get(&step).copied());
        let percentage = match history.direction {
            Direction::Minimize => self.percentile,
            Direction::Maximize => 100.0 - self.percentile,
        };
        let bound = percentile(peers.filter(|value| !value.is_nan()).collect(), percentage);
        bound.is_some_and(|bound| history.direction.is_better(bound, best))
    }
}

impl PercentilePruner {
    /// Whether no earlier report lies in the interval of this step.
    fn is_first_in_interval(&self, trial: &Trial, step: u64) -> bool {
        let interval = self.interval_steps.max(1);
        let begin = step - (step - self.warmup_steps) % interval;
        trial.intermediate.range(begin..step).next().is_none()
    }
}

/// A percentile with linear interpolation; none of nothing.
fn percentile(mut values: Vec<f64>, percentage: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = percentage / 100.0 * values.len().checked_sub(1)? as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    let part = place.fract();
    if below == above {
        return Some(below);
    }
    // From the nearer side, so that the ends are met exactly.
    Some(if part < 0.5 { below + (above - below) * part } else { above - (above - below) * (1.0 - part) })
}
