//! The one axis on which a cross-validated trial reports, and what its reports say about each fold.

use crate::study::{Direction, Trial};

/// Steps of a trial: fold after fold, each with room for all its epochs, so that a step means the same in every trial,
/// however early a fold was stopped.
///
/// What is reported at a step is the mean of the scores of the finished folds and of this fold's score at this epoch.
/// A finished fold's score is that of its best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepAxis {
    /// Most epochs of a fold, at least 1.
    pub epochs: u64,
}

impl StepAxis {
    /// The step of an epoch of a fold, both counted from 0.
    pub fn step(self, fold: u64, epoch: u64) -> u64 {
        fold * self.epochs + epoch
    }

    /// The fold of a step.
    pub fn fold(self, step: u64) -> u64 {
        step / self.epochs
    }

    /// What to report: the mean of the scores of finished folds and the score of the running one.
    pub fn report(finished: &[f64], current: f64) -> f64 {
        (finished.iter().sum::<f64>() + current) / (finished.len() + 1) as f64
    }

    /// The scores of a trial's finished folds, computed back from its reports. A fold is finished when the next one has
    /// reported, or the trial is complete. Ends before a fold without a finite report.
    pub fn fold_scores(self, trial: &Trial, direction: Direction) -> Vec<f64> {
        let mut scores: Vec<f64> = Vec::new();
        let Some((last, _)) = trial.last_report() else { return scores };
        let complete = trial.state == crate::study::TrialState::Complete;
        let finished = self.fold(last) + u64::from(complete);
        for fold in 0..finished {
            let sum: f64 = scores.iter().sum();
            let reports = trial.intermediate.range(self.step(fold, 0)..self.step(fold + 1, 0));
            let best = reports
                .map(|(_, mean)| mean * (fold + 1) as f64 - sum)
                .filter(|score| score.is_finite())
                .reduce(|best, score| if direction.is_better(score, best) { score } else { best });
            match best {
                Some(best) => scores.push(best),
                None => break,
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::trial;
    use crate::study::TrialState;

    #[test]
    fn fold_scores_come_back_from_the_reports() {
        let axis = StepAxis { epochs: 10 };
        let folds = [[0.2, 0.5, 0.4].as_slice(), &[0.1, 0.3], &[0.9]];
        let mut running = trial(0, TrialState::Running, None, []);
        let mut finished: Vec<f64> = Vec::new();
        for (fold, epochs) in folds.iter().enumerate() {
            for (epoch, &score) in epochs.iter().enumerate() {
                let step = axis.step(fold as u64, epoch as u64);
                assert_eq!(axis.fold(step), fold as u64);
                running.intermediate.insert(step, StepAxis::report(&finished, score));
            }
            finished.push(epochs.iter().copied().fold(f64::MIN, f64::max));
        }
        let close = |scores: Vec<f64>, expected: &[f64]| {
            assert_eq!(scores.len(), expected.len());
            assert!(scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{scores:?}");
        };
        close(axis.fold_scores(&running, Direction::Maximize), &[0.5, 0.3]);
        let complete = Trial { state: TrialState::Complete, ..running };
        close(axis.fold_scores(&complete, Direction::Maximize), &[0.5, 0.3, 0.9]);
    }
}
