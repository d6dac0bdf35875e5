//! Bitmask groups: the classes of the auxiliary bitmask loss.

use std::cmp::Reverse;

use super::bitmask::{bitmask_counts, rarity_weight};
use super::median;

/// The most frequent bitmasks of a training split, a class each, and one class `other` for all the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmaskGroups {
    top: Vec<u32>,
}

impl BitmaskGroups {
    /// Groups whose classes are these bitmasks, in this order.
    pub fn from_top_masks(top: Vec<u32>) -> Self {
        Self { top }
    }

    /// The at most `top_k` most frequent bitmasks of the training molecules, of equally frequent ones the
    /// lower bitmask first.
    pub fn from_training(ids: &[u32], top_k: usize) -> Self {
        let mut by_count: Vec<(u32, usize)> = bitmask_counts(ids).into_iter().collect();
        by_count.sort_by_key(|&(id, count)| (Reverse(count), id));
        Self { top: by_count.into_iter().take(top_k).map(|(id, _)| id).collect() }
    }

    /// The bitmasks with a class of their own, K of them, in the order of their classes.
    pub fn top_masks(&self) -> &[u32] {
        &self.top
    }

    /// Number of classes, K + 1.
    pub fn class_count(&self) -> usize {
        self.top.len() + 1
    }

    /// Class of a bitmask; the last class is `other`.
    pub fn class_of(&self, mask: u32) -> usize {
        self.top.iter().position(|&top| top == mask).unwrap_or(self.top.len())
    }

    /// Class of every bitmask of `tasks` tasks, length 2^tasks.
    pub fn class_table(&self, tasks: usize) -> Vec<usize> {
        (0..1u32 << tasks).map(|mask| self.class_of(mask)).collect()
    }

    /// Weight of each class in the cross entropy, `clip((median nonzero class count / max(count, 1))^alpha,
    /// 1, cap)`, from the counts in the training molecules, length K + 1.
    pub fn class_weights(&self, ids: &[u32], alpha: f64, cap: f64) -> Vec<f32> {
        let mut counts = vec![0; self.class_count()];
        for &id in ids {
            counts[self.class_of(id)] += 1;
        }
        let reference = median(counts.iter().copied().filter(|&count| count > 0).collect()).unwrap_or(1.0);
        counts.into_iter().map(|count| rarity_weight(reference, count, alpha, cap)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equally_frequent_bitmasks_rank_by_their_number() {
        let groups = BitmaskGroups::from_training(&[7, 2, 7, 2, 5, 0, 0, 0], 3);
        assert_eq!(groups.top_masks(), [0, 2, 7]);
    }

    #[test]
    fn fewer_bitmasks_than_asked_for_give_fewer_classes() {
        let groups = BitmaskGroups::from_training(&[1, 1, 0], 6);
        assert_eq!((groups.top_masks(), groups.class_count()), (&[1, 0][..], 3));
    }

    #[test]
    fn every_mask_without_a_class_of_its_own_is_other() {
        let groups = BitmaskGroups::from_top_masks(vec![0, 3]);
        assert_eq!(groups.class_table(2), [0, 2, 2, 1]);
    }

    #[test]
    fn an_empty_class_counts_as_one_molecule() {
        let groups = BitmaskGroups::from_top_masks(vec![0, 3]);
        assert_eq!(groups.class_weights(&[0, 0, 0, 0], 1.0, 10.0), [1.0, 4.0, 4.0]);
    }
}
