//! Batches balanced between positives and negatives: the specification, §4.3 steps 4 to 6.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::labels::LabelMatrix;

use super::SamplerConfig;
use super::pool::Pool;

/// What every batch of a balanced epoch holds.
#[derive(Debug, Clone)]
pub struct BalancedPlan {
    batch_size: usize,
    positives: Pool,
    negatives: Vec<usize>,
    positives_per_batch: usize,
    /// Reserved places and who fills them, in order of priority; at most `positives_per_batch` places in all.
    reserved: Vec<(usize, Pool)>,
}

impl BalancedPlan {
    /// The plan for the labels `[M, T]` with a weight for each molecule; `None` where there is nothing to
    /// balance: no positives, no negatives, or batches of one molecule, which cannot hold both.
    pub(super) fn new(labels: LabelMatrix, weights: &[f64], config: &SamplerConfig) -> Option<Self> {
        let tasks_hit: Vec<usize> =
            labels.rows().map(|row| row.filter(|&positive| positive).count()).collect();
        let rows = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..labels.molecules()).filter(|&row| wanted(row)).collect()
        };
        let negatives = rows(&|row| tasks_hit[row] == 0);
        let positives = Pool::new(rows(&|row| tasks_hit[row] > 0), weights)?;
        let batch_size = config.batch_size;
        if negatives.is_empty() || batch_size < 2 {
            return None;
        }
        let share = round(batch_size as f64 * config.batch_pos_fraction);
        let positives_per_batch = share.max(config.min_pos_per_batch).clamp(1, batch_size - 1);

        let single = config
            .quotas
            .iter()
            .map(|quota| (quota.per_256, rows(&|row| labels.is_positive(row, quota.task))));
        let multi = (config.quota_multi_per_256, rows(&|row| tasks_hit[row] >= 2));
        let mut reserved = Vec::new();
        let mut open = positives_per_batch;
        for (per_256, candidates) in single.chain([multi]).filter(|_| config.enforce_bitmask_quota) {
            let places = quota_places(per_256, batch_size).min(open);
            if let Some(pool) = Pool::new(candidates, weights).filter(|_| places > 0) {
                open -= places;
                reserved.push((places, pool));
            }
        }
        Some(Self { batch_size, positives, negatives, positives_per_batch, reserved })
    }

    /// Row numbers of the molecules that are a positive of at least one task.
    pub fn positives(&self) -> &[usize] {
        self.positives.rows()
    }

    /// Row numbers of the molecules that are a positive of no task.
    pub fn negatives(&self) -> &[usize] {
        &self.negatives
    }

    /// Probability of each of [`Self::positives`] at each draw outside the quotas.
    pub fn positive_probabilities(&self) -> Vec<f64> {
        self.positives.probabilities()
    }

    /// Number of positives in every batch, at least 1 and less than the batch size.
    pub fn positives_per_batch(&self) -> usize {
        self.positives_per_batch
    }

    /// One batch: the quotas, more positives by weight, negatives uniformly, shuffled.
    pub(super) fn batch(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut batch = Vec::with_capacity(self.batch_size);
        for (places, pool) in &self.reserved {
            batch.extend(pool.draw(*places, rng));
        }
        let open = self.positives_per_batch - batch.len();
        batch.extend(self.positives.draw(open, rng));
        while batch.len() < self.batch_size {
            batch.push(self.negatives[rng.random_range(..self.negatives.len())]);
        }
        batch.shuffle(rng);
        batch
    }
}

/// Places that a quota per 256 molecules reserves in a batch: at least 1 unless the quota is 0.
fn quota_places(per_256: f64, batch_size: usize) -> usize {
    if per_256 > 0.0 { round(batch_size as f64 * per_256 / 256.0).max(1) } else { 0 }
}

/// The nearest whole number to one of at least 0; halves go to the even one, as in the earlier system.
fn round(value: f64) -> usize {
    value.round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_quota_still_reserves_one_place() {
        let places = [(0.0, 512), (0.1, 16), (1.0, 256), (4.0, 128), (4.0, 512), (1.0, 384)];
        let places = places.map(|(per_256, batch_size)| quota_places(per_256, batch_size));
        assert_eq!(places, [0, 1, 1, 2, 8, 2]);
    }
}
