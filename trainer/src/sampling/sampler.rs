//! The batches of an epoch: the specification, §4.3 step 7, and the legacy scheme.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::labels::LabelMatrix;

use super::pool::Pool;
use super::{BalancedPlan, SamplerConfig, SamplingError, sample_weights};

/// Draws the batches of an epoch for one training split.
#[derive(Debug, Clone)]
pub struct BatchSampler {
    batch_size: usize,
    molecules: usize,
    scheme: Scheme,
}

#[derive(Debug, Clone)]
enum Scheme {
    /// Each batch has its share of positives.
    Balanced(BalancedPlan),
    /// Legacy: as many weighted draws as there are molecules, cut into batches.
    Weighted(Pool),
    /// There is nothing to balance.
    Uniform,
}

impl BatchSampler {
    /// A sampler for the training labels `[M, T]`; batches hold row numbers of these labels.
    ///
    /// # Errors
    /// [`SamplingError`] without a molecule, and for a setting out of its range.
    pub fn new(labels: LabelMatrix, config: &SamplerConfig) -> Result<Self, SamplingError> {
        config.validate(labels.tasks())?;
        let molecules = labels.molecules();
        let weights = sample_weights(labels, config);
        let everyone = Pool::new((0..molecules).collect(), &weights).ok_or(SamplingError::NoMolecules)?;
        let scheme = if config.use_balanced_batch_sampler {
            BalancedPlan::new(labels, &weights, config).map_or(Scheme::Uniform, Scheme::Balanced)
        } else {
            Scheme::Weighted(everyone)
        };
        Ok(Self { batch_size: config.batch_size, molecules, scheme })
    }

    /// Number of batches in an epoch, `ceil(M / batch_size)`.
    pub fn batches_per_epoch(&self) -> usize {
        self.molecules.div_ceil(self.batch_size)
    }

    /// What every batch holds, where batches are balanced.
    pub fn plan(&self) -> Option<&BalancedPlan> {
        match &self.scheme {
            Scheme::Balanced(plan) => Some(plan),
            Scheme::Weighted(_) | Scheme::Uniform => None,
        }
    }

    /// The batches of one epoch, as row numbers.
    ///
    /// Draws are with replacement, so every batch holds `batch_size` rows, the last one too. Only the legacy
    /// weighted scheme draws exactly M rows, which may leave its last batch shorter.
    pub fn epoch(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let batches = 0..self.batches_per_epoch();
        match &self.scheme {
            Scheme::Balanced(plan) => batches.map(|_| plan.batch(rng)).collect(),
            Scheme::Weighted(pool) => {
                let rows: Vec<usize> = pool.draw(self.molecules, rng).collect();
                rows.chunks(self.batch_size).map(<[usize]>::to_vec).collect()
            }
            Scheme::Uniform => batches
                .map(|_| (0..self.batch_size).map(|_| rng.random_range(..self.molecules)).collect())
                .collect(),
        }
    }
}
