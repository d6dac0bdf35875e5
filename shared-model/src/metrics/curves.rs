//! Precision-recall, ROC and enrichment curves on a common grid, where curves can be averaged and given bands.

use super::{CurvePoint, Ranking};

/// Intervals of the grid between 0 and 1.
const INTERVALS: usize = 200;

/// The grid of recalls, false positive rates, or shares of the molecules.
pub fn grid() -> Vec<f64> {
    (0..=INTERVALS).map(|index| index as f64 / INTERVALS as f64).collect()
}

/// Precision at each recall of the grid: that of the highest threshold which reaches it, as average precision counts
/// it; so the area below is the average precision. 0 without positives.
pub fn precision_at_recalls(ranking: &Ranking) -> Vec<f64> {
    let mut points = ranking.precision_recall();
    points.retain(|point| point.x > 0.0);
    let mut next = 0;
    let precision = |recall: f64| {
        // Recall is a sum of shares, which may end a rounding error below 1.
        while points.get(next).is_some_and(|point| point.x < recall - 1e-12) {
            next += 1;
        }
        points.get(next).or(points.last()).map_or(0.0, |point| point.y)
    };
    grid().into_iter().map(precision).collect()
}

/// True positive rate at each false positive rate of the grid, interpolated linearly, the upper end where the curve
/// is vertical. With one class only, the diagonal.
pub fn true_positive_rates(ranking: &Ranking) -> Vec<f64> {
    interpolate(&ranking.roc())
}

/// Share of the positives found among each share of the molecules, those ranked highest first: the enrichment curve,
/// interpolated linearly, so that all orders of molecules of equal score are averaged. Without positives, the diagonal.
pub fn found_shares(ranking: &Ranking) -> Vec<f64> {
    interpolate(&ranking.gains())
}

/// A rising curve from (0, 0) to (1, 1) on the grid, the upper end where it is vertical; without points, the diagonal.
fn interpolate(points: &[CurvePoint]) -> Vec<f64> {
    if points.is_empty() {
        return grid();
    }
    let mut next = 0;
    let height = |x: f64| {
        while points.get(next).is_some_and(|point| point.x <= x + 1e-12) {
            next += 1;
        }
        // The first point is (0, 0), so one is always passed.
        let before = points[next.max(1) - 1];
        points.get(next).map_or(1.0, |after| {
            let share = ((x - before.x) / (after.x - before.x)).max(0.0);
            before.y + share * (after.y - before.y)
        })
    };
    grid().into_iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::metrics::Scored;

    fn ranking(molecules: &[(bool, f64)]) -> Ranking {
        Ranking::new(molecules.iter().map(|&(positive, score)| Scored { positive, score, weight: 1.0 }))
    }

    #[test]
    fn precision_is_that_of_the_first_threshold_which_reaches_the_recall() {
        let precision =
            precision_at_recalls(&ranking(&[(false, 0.9), (true, 0.8), (false, 0.7), (true, 0.6)]));
        let at = |recall: f64| precision[(recall * INTERVALS as f64) as usize];
        assert_eq!([at(0.0), at(0.5), at(0.505), at(1.0)], [0.5; 4]);
        let precision = precision_at_recalls(&ranking(&[(true, 0.8), (false, 0.7), (true, 0.6)]));
        assert_eq!((precision[100], precision[101]), (1.0, 2.0 / 3.0));
        assert_eq!(precision_at_recalls(&ranking(&[(false, 0.3)])), vec![0.0; INTERVALS + 1]);
    }

    #[test]
    fn the_roc_curve_takes_the_upper_end_where_it_rises() {
        let rates = true_positive_rates(&ranking(&[(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.6)]));
        assert_eq!((rates[0], rates[99], rates[100], rates[200]), (0.5, 0.5, 1.0, 1.0));
        let tied = true_positive_rates(&ranking(&[(true, 0.5), (false, 0.5)]));
        assert!(tied.iter().zip(grid()).all(|(rate, x)| (rate - x).abs() < 1e-12), "the diagonal");
    }

    #[test]
    fn the_enrichment_curve_counts_positives_from_the_top() {
        let found = found_shares(&ranking(&[(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.6)]));
        assert_eq!([found[0], found[25], found[50], found[100], found[150]], [0.0, 0.25, 0.5, 0.5, 1.0]);
        let tied = found_shares(&ranking(&[(true, 0.5), (false, 0.5), (false, 0.5)]));
        assert!(tied.iter().zip(grid()).all(|(share, x)| (share - x).abs() < 1e-12), "the diagonal");
    }

    #[test]
    fn curves_on_the_grid_have_nearly_the_areas_of_the_metrics() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let molecules: Vec<(bool, f64)> = (0..800)
            .map(|row| (row % 7 == 0, random.random_range(0.0..1.0) + if row % 7 == 0 { 0.4 } else { 0.0 }))
            .collect();
        let ranking = ranking(&molecules);
        let mean = |curve: Vec<f64>| curve.iter().sum::<f64>() / curve.len() as f64;
        assert!((mean(precision_at_recalls(&ranking)) - ranking.average_precision()).abs() < 0.01);
        assert!((mean(true_positive_rates(&ranking)) - ranking.roc_auc()).abs() < 0.01);
    }
}
