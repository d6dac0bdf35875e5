//! Predictions of one task, once or repeatedly, for the same molecules.

use super::resampling::Resampler;
use super::{Ranking, Scored};

/// Labels and weights of M molecules for one task, and R predictions of each: repeats of a cross-validation.
///
/// A metric is computed for each repeat and averaged. Molecules are what is resampled, all repeats of one together,
/// since repeats of a molecule are not independent.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPredictions {
    positive: Vec<bool>,
    weights: Vec<f64>,
    scores: Vec<Vec<f64>>,
    /// The molecules of each repeat, highest score first: in order already, a resample costs no sorting.
    order: Vec<Vec<usize>>,
}

impl TaskPredictions {
    /// Whether each molecule is a positive, what it weighs `[M]`, and the scores of each repeat `[R][M]`.
    ///
    /// # Panics
    /// If there is no repeat, or weights or scores are not one a molecule.
    pub fn new(positive: Vec<bool>, weights: Vec<f64>, scores: Vec<Vec<f64>>) -> Self {
        let molecules = positive.len();
        assert!(!scores.is_empty(), "at least one repeat");
        assert_eq!(weights.len(), molecules, "one weight per label");
        assert!(scores.iter().all(|scores| scores.len() == molecules), "one prediction per label");
        let order = |scores: &Vec<f64>| {
            let mut order: Vec<usize> = (0..molecules).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order
        };
        Self { positive, weights, order: scores.iter().map(order).collect(), scores }
    }

    /// Number of molecules, M.
    pub fn molecules(&self) -> usize {
        self.positive.len()
    }

    /// Number of positive molecules, whatever they weigh.
    pub fn positives(&self) -> usize {
        self.positive.iter().filter(|&&positive| positive).count()
    }

    /// Number of repeats, R.
    pub fn repeats(&self) -> usize {
        self.scores.len()
    }

    /// The molecules of one repeat, highest score first, each drawn so many times; `None`: once each.
    pub fn scored<'a>(
        &'a self,
        repeat: usize,
        draws: Option<&'a [u32]>,
    ) -> impl Iterator<Item = Scored> + 'a {
        self.order[repeat].iter().map(move |&row| Scored {
            positive: self.positive[row],
            score: self.scores[repeat][row],
            weight: self.weights[row] * draws.map_or(1.0, |draws| f64::from(draws[row])),
        })
    }

    /// The ranking of each repeat.
    pub fn rankings(&self, draws: Option<&[u32]>) -> Vec<Ranking> {
        (0..self.repeats()).map(|repeat| Ranking::new(self.scored(repeat, draws))).collect()
    }

    /// Draws molecules class by class.
    pub fn resampler(&self) -> Resampler {
        Resampler::of_classes(&self.positive, &self.order[0])
    }

    /// Share of the molecules whose class is told by whether their score is at least 0.5; the mean over repeats.
    pub fn accuracy(&self) -> f64 {
        let right = |repeat: usize| {
            let (right, all) = self.scored(repeat, None).fold((0.0, 0.0), |(right, all), molecule| {
                let hit = (molecule.score >= 0.5) == molecule.positive;
                (right + if hit { molecule.weight } else { 0.0 }, all + molecule.weight)
            });
            right / all
        };
        mean_of((0..self.repeats()).map(right))
    }
}

/// Mean of at least one number.
pub fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
