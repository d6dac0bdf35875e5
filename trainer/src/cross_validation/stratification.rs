//! Folds with their share of the positives of every task.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::labels::LabelMatrix;

/// Fold of each molecule by iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011).
///
/// The rarest label is dealt out first: each of its molecules goes to the fold that lacks most positives of it, then
/// to the one that lacks most molecules, then by lot. The molecules without any positive come last and even out the
/// sizes.
///
/// # Panics
/// Without a fold.
pub fn stratified_folds(labels: LabelMatrix, folds: usize, random: &mut ChaCha8Rng) -> Vec<u32> {
    assert!(folds > 0, "at least one fold");
    let (molecules, tasks) = (labels.molecules(), labels.tasks());
    let mut order: Vec<usize> = (0..molecules).collect();
    order.shuffle(random);
    let mut lacking_molecules = vec![molecules as f64 / folds as f64; folds];
    let mut lacking_positives: Vec<Vec<f64>> =
        labels.positives().iter().map(|&count| vec![count as f64 / folds as f64; folds]).collect();
    let mut fold_of: Vec<Option<u32>> = vec![None; molecules];
    let mut left = labels.positives();
    loop {
        let rarest = (0..tasks).filter(|&task| left[task] > 0).min_by_key(|&task| left[task]);
        for &row in &order {
            let is_next = rarest.is_none_or(|task| labels.is_positive(row, task));
            if fold_of[row].is_some() || !is_next {
                continue;
            }
            let lacks = |fold: usize| {
                (rarest.map_or(0.0, |task| lacking_positives[task][fold]), lacking_molecules[fold])
            };
            let most = (0..folds).map(lacks).fold((f64::MIN, f64::MIN), |most, lack| {
                if lack.partial_cmp(&most).is_some_and(std::cmp::Ordering::is_gt) { lack } else { most }
            });
            let candidates: Vec<usize> = (0..folds).filter(|&fold| lacks(fold) == most).collect();
            let fold = candidates[random.random_range(..candidates.len())];
            fold_of[row] = Some(fold as u32);
            lacking_molecules[fold] -= 1.0;
            for task in (0..tasks).filter(|&task| labels.is_positive(row, task)) {
                lacking_positives[task][fold] -= 1.0;
                left[task] -= 1;
            }
        }
        if rarest.is_none() {
            return fold_of.into_iter().map(|fold| fold.expect("every molecule was dealt out")).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn folds(labels: &[bool], tasks: usize, count: usize, seed: u64) -> Vec<u32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        stratified_folds(LabelMatrix::new(labels, tasks), count, &mut random)
    }

    /// Largest and smallest of the counts of the folds.
    fn extremes(folds: &[u32], count: usize, wanted: impl Fn(usize) -> bool) -> (usize, usize) {
        let mut counts = vec![0; count];
        folds.iter().enumerate().filter(|&(row, _)| wanted(row)).for_each(|(_, &f)| counts[f as usize] += 1);
        (*counts.iter().min().expect("folds"), *counts.iter().max().expect("folds"))
    }

    proptest! {
        #[test]
        fn one_task_is_dealt_out_evenly(labels in prop::collection::vec(any::<bool>(), 1..200), count in 1usize..11, seed: u64) {
            let folds = folds(&labels, 1, count, seed);
            let (fewest, most) = extremes(&folds, count, |row| labels[row]);
            prop_assert!(most - fewest <= 1);
            let (fewest, most) = extremes(&folds, count, |_| true);
            prop_assert!(most - fewest <= 1, "{fewest} to {most} molecules");
        }

        #[test]
        fn sizes_are_even_where_most_molecules_are_negative(positives in prop::collection::vec(0usize..600, 0..60), seed: u64) {
            let mut labels = vec![false; 600];
            positives.iter().for_each(|&cell| labels[cell] = true);
            let (fewest, most) = extremes(&folds(&labels, 3, 5, seed), 5, |_| true);
            prop_assert_eq!((fewest, most), (40, 40));
        }
    }

    #[test]
    fn rare_positives_of_several_tasks_reach_every_fold() {
        // 10 positives of a rare task, half of them positives of a common one as well.
        let labels: Vec<bool> =
            (0..300).flat_map(|row| [row % 30 == 0, row % 60 == 0 || row % 4 == 1]).collect();
        for seed in 0..20 {
            let folds = folds(&labels, 2, 5, seed);
            assert_eq!(extremes(&folds, 5, |row| labels[2 * row]), (2, 2));
            let (fewest, most) = extremes(&folds, 5, |row| labels[2 * row + 1]);
            assert!(most - fewest <= 2, "{fewest} to {most}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let labels: Vec<bool> = (0..100).map(|row| row % 9 == 0).collect();
        assert_eq!(folds(&labels, 1, 5, 1), folds(&labels, 1, 5, 1));
        assert_ne!(folds(&labels, 1, 5, 1), folds(&labels, 1, 5, 2));
    }
}
