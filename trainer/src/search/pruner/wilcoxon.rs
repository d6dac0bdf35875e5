//! Fold by fold worse than the best trial.

use super::Pruner;
use crate::search::{History, StepAxis};
use crate::study::{Direction, Trial, best};

/// Gives up a trial whose finished folds are worse than the same folds of the best trial, by Wilcoxon's signed-rank test
/// (Wilcoxon, *Individual comparisons by ranking methods*, 1945), unless its mean is as good. The rule of Optuna's
/// `WilcoxonPruner`, which takes each step for an instance: here the instances are folds.
///
/// The test is exact. The smallest p of n folds is 2⁻ⁿ: at a threshold of 0.1 a trial is given up after four folds at
/// the earliest, so that this pruner needs at least five.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WilcoxonPruner {
    /// Largest p-value at which a trial counts as worse, one-sided.
    pub threshold: f64,
    /// Finished folds before a trial is given up; two at least.
    pub startup_folds: usize,
    /// Which steps belong to which fold.
    pub axis: StepAxis,
}

impl Pruner for WilcoxonPruner {
    fn prunes(&self, history: &History, trial: &Trial) -> bool {
        let Some(best) = best(history.trials, history.direction) else { return false };
        self.is_worse(history.direction, &self.axis.fold_scores(trial), &self.axis.fold_scores(best))
    }
}

impl WilcoxonPruner {
    fn is_worse(&self, direction: Direction, scores: &[f64], best: &[f64]) -> bool {
        let sign = if direction == Direction::Minimize { 1.0 } else { -1.0 };
        let worse_by: Vec<f64> = scores.iter().zip(best).map(|(score, best)| sign * (score - best)).collect();
        if worse_by.len() < self.startup_folds.max(2) {
            return false;
        }
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        direction.is_better(mean(best), mean(scores)) && signed_rank_p(&worse_by) < self.threshold
    }
}

/// The probability, if each difference were as likely of either sign, of ranks of positive differences as large as these
/// or larger. Equal differences share their ranks, zeros count half ("zsplit").
fn signed_rank_p(differences: &[f64]) -> f64 {
    let mut order: Vec<f64> = differences.to_vec();
    order.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Twice the mean ranks are whole numbers. A zero adds half its rank to either sum, always.
    let mut ways = vec![1.0];
    let mut positive = 0;
    let mut begin = 0;
    for tied in order.chunk_by(|a, b| a.abs() == b.abs()) {
        let twice_rank = 2 * begin + tied.len() + 1;
        begin += tied.len();
        for &difference in tied.iter().filter(|&&difference| difference != 0.0) {
            positive += if difference > 0.0 { twice_rank } else { 0 };
            let mut next = vec![0.0; ways.len() + twice_rank];
            for (sum, probability) in ways.iter().enumerate() {
                next[sum] += 0.5 * probability;
                next[sum + twice_rank] += 0.5 * probability;
            }
            ways = next;
        }
    }
    ways[positive..].iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::{fixture, numbers};

    #[test]
    fn p_values_are_those_of_scipy() {
        for case in fixture("pruners")["signed_rank"].as_array().unwrap() {
            let (p, expected) = (signed_rank_p(&numbers(&case["differences"])), case["p"].as_f64().unwrap());
            assert!((p - expected).abs() < 1e-9, "{case}: {p}");
        }
    }

    #[test]
    fn verdicts_are_those_of_optuna() {
        let axis = StepAxis { epochs: 1 };
        for case in fixture("pruners")["wilcoxon"].as_array().unwrap() {
            let pruner = WilcoxonPruner {
                threshold: case["threshold"].as_f64().unwrap(),
                startup_folds: case["startup"].as_u64().unwrap() as usize,
                axis,
            };
            let direction = if case["maximize"] == true { Direction::Maximize } else { Direction::Minimize };
            let verdict = pruner.is_worse(direction, &numbers(&case["scores"]), &numbers(&case["best"]));
            assert_eq!(verdict, case["prunes"] == true, "{case}");
        }
    }
}
