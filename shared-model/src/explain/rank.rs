//! Order and rank correlation of numbers that a device has computed: what differs by rounding only is a tie.

/// Groups of equal numbers, largest first, by their positions; within a group in their order.
///
/// Numbers are equal that lie within `resolution` of the largest of their group. Devices round differently, and
/// equal conformers must not be told apart by that.
fn groups(values: &[f64], resolution: f64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for position in order {
        match groups.last_mut() {
            Some(group) if values[group[0]] - values[position] <= resolution => group.push(position),
            _ => groups.push(vec![position]),
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups
}

/// Positions of the numbers, largest first, equal ones in their order; `None` where all are equal.
pub(super) fn descending(values: &[f64], resolution: f64) -> Option<Vec<usize>> {
    let groups = groups(values, resolution);
    (groups.len() > 1).then(|| groups.concat())
}

/// Ranks from 1 for the largest; equal numbers share the mean of their ranks.
fn ranks(values: &[f64], resolution: f64) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in groups(values, resolution) {
        let mean = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        before += group.len();
        for position in group {
            ranks[position] = mean;
        }
    }
    ranks
}

/// Spearman's rank correlation with ties: Pearson's correlation of the mean ranks (Kendall, Biometrika 33, 1945).
/// `None` where one side has no order, its numbers being all equal.
pub fn spearman((a, resolution_a): (&[f64], f64), (b, resolution_b): (&[f64], f64)) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "pairs");
    let (a, b) = (ranks(a, resolution_a), ranks(b, resolution_b));
    // Mean ranks keep the sum of the ranks.
    let centre = (a.len() as f64 + 1.0) / 2.0;
    let sum =
        |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - centre) * (y - centre)).sum() };
    let (var_a, var_b) = (sum(&a, &a), sum(&b, &b));
    (var_a > 0.0 && var_b > 0.0).then(|| sum(&a, &b) / (var_a * var_b).sqrt())
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn exact(a: &[f64], b: &[f64]) -> Option<f64> {
        spearman((a, 0.0), (b, 0.0))
    }

    #[test]
    fn it_is_one_for_the_same_order_and_minus_one_for_the_opposite() {
        assert_eq!(exact(&[0.1, 0.2, 0.7], &[3.0, 5.0, 1e9]), Some(1.0));
        assert_eq!(exact(&[0.1, 0.2, 0.7], &[3.0, 2.0, -1.0]), Some(-1.0));
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[2.0, 3.0, 2.0, 1.0], 0.0), [2.5, 1.0, 2.5, 4.0]);
        // As scipy.stats.spearmanr gives it.
        let found = exact(&[1.0, 2.0, 2.0, 3.0], &[1.0, 3.0, 2.0, 2.0]).expect("ordered");
        assert!((found - 0.5).abs() < 1e-12, "{found}");
    }

    #[test]
    fn without_an_order_there_is_no_correlation() {
        assert_eq!(exact(&[0.5, 0.5], &[1.0, 2.0]), None);
        assert_eq!(exact(&[1.0], &[1.0]), None);
        assert_eq!(spearman((&[0.5, 0.5 + 1e-7], 1e-6), (&[1.0, 2.0], 0.0)), None);
        assert_eq!(descending(&[0.25, 0.25], 0.0), None);
    }

    #[test]
    fn without_ties_it_is_the_textbook_formula() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for count in 2..12 {
            let mut values = || (0..count).map(|_| random.random_range(0.0..1.0)).collect::<Vec<f64>>();
            let (a, b) = (values(), values());
            let squares: f64 = ranks(&a, 0.0).iter().zip(ranks(&b, 0.0)).map(|(x, y)| (x - y).powi(2)).sum();
            let n = f64::from(count);
            let expected = 1.0 - 6.0 * squares / (n * (n * n - 1.0));
            let found = exact(&a, &b).expect("ordered");
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
            assert_eq!(exact(&b, &a), Some(found), "symmetric");
        }
    }

    #[test]
    fn equal_numbers_stay_in_their_order() {
        assert_eq!(descending(&[0.2, 0.4, 0.2 + 1e-8, 0.2], 1e-6), Some(vec![1, 0, 2, 3]));
    }
}
