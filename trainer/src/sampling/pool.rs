//! Molecules to draw from by weight.

use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;

/// Molecules drawn with replacement, each with probability in proportion to its weight.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    rows: Vec<usize>,
    weights: WeightedIndex<f64>,
}

impl Pool {
    /// The molecules `rows` with their weights among `weights`, which has one above 0 for every molecule of
    /// the split; `None` if there are no such molecules.
    pub(super) fn new(rows: Vec<usize>, weights: &[f64]) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let weights = WeightedIndex::new(rows.iter().map(|&row| weights[row]));
        Some(Self { rows, weights: weights.expect("sample weights are finite and at least 1") })
    }

    /// Row numbers of the molecules.
    pub(super) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Probability of each molecule at each draw.
    pub(super) fn probabilities(&self) -> Vec<f64> {
        let total = self.weights.total_weight();
        self.weights.weights().map(|weight| weight / total).collect()
    }

    /// Draws `count` row numbers.
    pub(super) fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> impl Iterator<Item = usize> {
        (0..count).map(|_| self.rows[self.weights.sample(rng)])
    }
}
