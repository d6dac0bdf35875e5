//! Deletion and insertion curves: what is left of a prediction when conformers go in the order of attention, or come.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::random_subsets::of_size;
use crate::ensemble::Estimate;

/// Largest number of points of a curve; larger bags have points at evenly spaced sizes.
const MOST_POINTS: usize = 33;

/// The probability of a task against the number of conformers that are left, K ≤ N of the bag.
///
/// The three curves meet in the whole bag. Deletion (Samek et al., IEEE TNNLS 28, 2017; Petsiuk, Das and Saenko, BMVC
/// 2018) is read from there backwards: the conformers with the most attention go first. Insertion is read forwards: they
/// come first. What lies between each and the random order is due to the order.
///
/// A curve cannot tell a good order from conformers that all say the same: then any order gives the same flat line. And
/// attention has no sign: where the conformers with the most attention speak against a task, deletion runs above random
/// order and insertion below it, and the attention tells the truth all the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// Numbers of conformers left, ascending, from 1 to N: `[K]`.
    pub kept: Vec<u32>,
    /// Probability with the `kept` conformers of the least attention `[K]`.
    pub deletion: Vec<Estimate>,
    /// Probability with the `kept` conformers of the most attention `[K]`.
    pub insertion: Vec<Estimate>,
    /// Mean probability over random sets of `kept` conformers `[K]`: what a random order is expected to give, deleting or
    /// inserting.
    pub random: Vec<Estimate>,
    /// Whether `random` is the mean over all sets; otherwise over some that were drawn.
    pub random_is_exact: bool,
    /// Areas under the three curves.
    pub areas: Areas,
}

/// Areas under the curves by the trapezoidal rule, over the number of conformers scaled to a length of 1: each is the
/// mean height of its curve, a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Areas {
    /// Under the deletion curve.
    pub deletion: Estimate,
    /// Under the insertion curve.
    pub insertion: Estimate,
    /// Under the curve of random order.
    pub random: Estimate,
}

/// The sets of conformers of random order, one list a size; the same for every task.
pub(super) struct RandomOrder {
    sizes: Vec<usize>,
    subsets: Vec<Vec<usize>>,
    is_exact: bool,
}

impl RandomOrder {
    /// Draws what there is to ask for a bag of more than one conformer.
    pub fn draw(conformers: usize, seed: u64, answers: &mut Answers) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sizes = sizes(conformers);
        let sampled: Vec<_> = sizes.iter().map(|&size| of_size(conformers, size, &mut random)).collect();
        let is_exact = sampled.iter().all(|sampled| sampled.all);
        let subsets = sampled
            .into_iter()
            .map(|sampled| sampled.subsets.into_iter().map(|subset| answers.number(subset)).collect())
            .collect();
        Self { sizes, subsets, is_exact }
    }
}

/// The sets of conformers of deletion and insertion for one task.
pub(super) struct AttentionOrder {
    deletion: Vec<usize>,
    insertion: Vec<usize>,
}

impl AttentionOrder {
    /// What there is to ask where attention puts the conformers into this order, the most attention first.
    pub fn new(order: &[usize], random: &RandomOrder, answers: &mut Answers) -> Self {
        let mut subset = |conformers: &[usize]| {
            let mut subset = conformers.to_vec();
            subset.sort_unstable();
            answers.number(subset)
        };
        Self {
            deletion: random.sizes.iter().map(|&size| subset(&order[order.len() - size..])).collect(),
            insertion: random.sizes.iter().map(|&size| subset(&order[..size])).collect(),
        }
    }

    /// The curves of the task, once everything is answered.
    pub fn curves(&self, task: usize, random: &RandomOrder, answers: &Answers) -> Curves {
        let single = |subsets: &[usize]| -> Vec<Vec<usize>> { subsets.iter().map(|&s| vec![s]).collect() };
        let curve = |subsets: &[Vec<usize>]| Curve::new(&random.sizes, subsets, task, answers);
        let (deletion, insertion) = (curve(&single(&self.deletion)), curve(&single(&self.insertion)));
        let any = curve(&random.subsets);
        Curves {
            kept: random.sizes.iter().map(|&size| size as u32).collect(),
            deletion: deletion.points,
            insertion: insertion.points,
            random: any.points,
            random_is_exact: random.is_exact,
            areas: Areas { deletion: deletion.area, insertion: insertion.area, random: any.area },
        }
    }
}

struct Curve {
    points: Vec<Estimate>,
    area: Estimate,
}

impl Curve {
    /// The mean probability over the subsets of each size.
    fn new(sizes: &[usize], subsets: &[Vec<usize>], task: usize, answers: &Answers) -> Self {
        let height = |member: usize, subsets: &[usize]| {
            let sum: f64 = subsets.iter().map(|&subset| answers.probability(member, subset, task)).sum();
            sum / subsets.len() as f64
        };
        let points = subsets.iter().map(|subsets| answers.estimate(|member| height(member, subsets)));
        let area = answers.estimate(|member| {
            area(sizes, &subsets.iter().map(|subsets| height(member, subsets)).collect::<Vec<_>>())
        });
        Self { points: points.collect(), area }
    }
}

/// Mean height of a line through points at these sizes.
fn area(sizes: &[usize], heights: &[f64]) -> f64 {
    let under: f64 = sizes
        .windows(2)
        .zip(heights.windows(2))
        .map(|(x, y)| (x[1] - x[0]) as f64 * (y[0] + y[1]) / 2.0)
        .sum();
    under / (sizes[sizes.len() - 1] - sizes[0]) as f64
}

/// The sizes at which a curve of a bag has its points.
fn sizes(conformers: usize) -> Vec<usize> {
    let steps = conformers.min(MOST_POINTS) - 1;
    (0..=steps).map(|step| 1 + (step * (conformers - 1) + steps / 2) / steps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_a_point_at_every_size_or_evenly_spaced_ones() {
        assert_eq!(sizes(2), [1, 2]);
        assert_eq!(sizes(33), (1..=33).collect::<Vec<_>>());
        for conformers in [34, 64, 100, 1000] {
            let sizes = sizes(conformers);
            assert_eq!((sizes.len(), sizes[0], sizes[MOST_POINTS - 1]), (MOST_POINTS, 1, conformers));
            let steps: Vec<usize> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                steps.iter().max().expect("steps") - steps.iter().min().expect("steps") <= 1,
                "{steps:?}"
            );
        }
    }

    #[test]
    fn an_area_is_the_mean_height() {
        assert_eq!(area(&[1, 2, 3], &[0.5, 0.5, 0.5]), 0.5);
        assert_eq!(area(&[1, 3, 4], &[0.0, 1.0, 1.0]), 2.0 / 3.0);
    }
}
