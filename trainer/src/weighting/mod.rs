//! What rare labels weigh in the losses: per task, per label bitmask, and per bitmask group.
//!
//! All of it is computed from training rows only.

mod bitmask;
mod groups;
mod tasks;

pub use bitmask::{bitmask_ids, bitmask_sample_weights};
pub use groups::BitmaskGroups;
pub use tasks::{
    LossWeighting, TaskLossWeights, TaskMultipliers, WeightingError, lam_from_multipliers,
    lam_from_prevalence, pos_weight, task_loss_weights,
};

/// Median of the counts, the mean of the middle two where their number is even; `None` without a count.
fn median(mut counts: Vec<usize>) -> Option<f64> {
    counts.sort_unstable();
    let upper = *counts.get(counts.len() / 2)?;
    let lower = counts[(counts.len() - 1) / 2];
    Some((lower as f64 + upper as f64) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_of_counts_is_the_mean_of_the_middle_two() {
        assert_eq!(median(vec![9, 1, 4]), Some(4.0));
        assert_eq!(median(vec![9, 1, 4, 2]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }
}
