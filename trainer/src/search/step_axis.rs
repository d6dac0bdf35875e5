//! The one axis on which a cross-validated trial reports, and what its reports say about each fold.

use crate::study::{Trial, TrialState};

/// Steps of a trial: fold after fold, each with room for all its epochs, so that a step means the same in every trial,
/// however early a fold was stopped.
///
/// What is reported at a step is the mean of the scores of the finished folds and of this one: the score that the fold
/// would have if it ended with this epoch.
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

    /// The scores of a trial's finished folds, computed back from the last report of each. A fold is finished when the
    /// next one has reported, or the trial is complete. Ends before a fold without a finite report.
    pub fn fold_scores(self, trial: &Trial) -> Vec<f64> {
        let Some((last, _)) = trial.last_report() else { return Vec::new() };
        let finished = self.fold(last) + u64::from(trial.state == TrialState::Complete);
        let mut sum = 0.0;
        let scores = (0..finished).map_while(|fold| {
            let mut reports = trial.intermediate.range(self.step(fold, 0)..self.step(fold + 1, 0));
            let (_, mean) = reports.next_back().filter(|(_, mean)| mean.is_finite())?;
            let score = mean * (fold + 1) as f64 - sum;
            sum += score;
            Some(score)
        });
        scores.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::trial;

    #[test]
    fn fold_scores_come_back_from_the_reports() {
        let axis = StepAxis { epochs: 10 };
        let folds = [[0.2, 0.4, 0.5].as_slice(), &[0.1, 0.3], &[0.9]];
        let mut running = trial(0, TrialState::Running, None, []);
        let mut finished: Vec<f64> = Vec::new();
        for (fold, epochs) in folds.iter().enumerate() {
            for (epoch, &score) in epochs.iter().enumerate() {
                let step = axis.step(fold as u64, epoch as u64);
                assert_eq!(axis.fold(step), fold as u64);
                running.intermediate.insert(step, StepAxis::report(&finished, score));
            }
            finished.push(*epochs.last().unwrap());
        }
        let close = |scores: Vec<f64>, expected: &[f64]| {
            assert_eq!(scores.len(), expected.len());
            assert!(scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{scores:?}");
        };
        close(axis.fold_scores(&running), &[0.5, 0.3]);
        let complete = Trial { state: TrialState::Complete, ..running };
        close(axis.fold_scores(&complete), &[0.5, 0.3, 0.9]);
    }
}
