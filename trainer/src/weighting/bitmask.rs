//! The label bitmask of a molecule, and the weight of rare ones in the classification loss.

use std::collections::BTreeMap;

use shared_model::schema::TaskSchema;

use crate::labels::LabelMatrix;

use super::median;

/// The bitmask of each molecule, length M: bit t is set where it is a positive of task t.
///
/// # Panics
/// If there are more than [`TaskSchema::MAX_TASKS`] tasks.
pub fn bitmask_ids(labels: LabelMatrix) -> Vec<u32> {
    assert!(labels.tasks() <= TaskSchema::MAX_TASKS, "{} tasks do not fit a bitmask", labels.tasks());
    labels
        .rows()
        .map(|row| row.enumerate().fold(0, |mask, (task, positive)| mask | u32::from(positive) << task))
        .collect()
}

/// Number of molecules of each bitmask that occurs.
pub(super) fn bitmask_counts(ids: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for &id in ids {
        *counts.entry(id).or_insert(0) += 1;
    }
    counts
}

/// Multiplier of each molecule's classification weights,
/// `clip((median count of the bitmasks / count of its own)^alpha, 1, cap)`, length M.
pub fn bitmask_sample_weights(ids: &[u32], alpha: f64, cap: f64) -> Vec<f32> {
    let counts = bitmask_counts(ids);
    let Some(reference) = median(counts.values().copied().collect()) else {
        return Vec::new();
    };
    ids.iter().map(|id| rarity_weight(reference, counts[id], alpha, cap)).collect()
}

/// `clip((reference / max(count, 1))^alpha, 1, cap)`.
pub(super) fn rarity_weight(reference: f64, count: usize, alpha: f64, cap: f64) -> f32 {
    (reference / count.max(1) as f64).powf(alpha).max(1.0).min(cap) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_tasks_fill_sixteen_bits() {
        let mut labels = vec![true; 32];
        labels[16..31].fill(false);
        assert_eq!(bitmask_ids(LabelMatrix::new(&labels, 16)), [0xffff, 0x8000]);
    }

    #[test]
    fn alpha_zero_weighs_every_bitmask_alike() {
        assert_eq!(bitmask_sample_weights(&[0, 0, 0, 5], 0.0, 3.0), [1.0; 4]);
    }

    #[test]
    fn the_cap_bounds_the_weight_of_a_rare_bitmask() {
        let ids = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(bitmask_sample_weights(&ids, 1.0, 3.0)[9], 3.0);
        assert_eq!(bitmask_sample_weights(&ids, 1.0, 100.0)[9], 5.0);
    }
}
