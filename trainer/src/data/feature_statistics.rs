//! Statistics of raw features, for a network that standardises them itself.

use shared_model::network::FeatureStatistics;

use super::dataset::Dataset;

/// Spreads below this are those of constant features, which are only shifted.
const MIN_STD: f64 = 1e-6;

/// Mean and population standard deviation of every feature over some molecules, and over their instances; the standard
/// deviation of a constant feature is 1.
pub fn feature_statistics(dataset: &Dataset, rows: &[usize]) -> FeatureStatistics {
    let bags = dataset.bags();
    let molecules = rows.iter().map(|&row| bags.x2d().row(row));
    let instances = rows.iter().flat_map(|&row| bags.instances(row)).map(|row| bags.x3d().row(row));
    let (mean_2d, std_2d) = moments(bags.x2d().columns(), molecules);
    let (mean_3d, std_3d) = moments(bags.x3d().columns(), instances);
    FeatureStatistics { mean_2d, std_2d, mean_3d, std_3d }
}

/// Moments of each column in one pass (Welford, Technometrics 4, 419, 1962).
fn moments<'a>(columns: usize, rows: impl Iterator<Item = &'a [f32]>) -> (Vec<f32>, Vec<f32>) {
    let mut count = 0.0;
    let mut moments = vec![(0.0f64, 0.0f64); columns];
    for row in rows {
        count += 1.0;
        for ((mean, squares), &value) in moments.iter_mut().zip(row) {
            let difference = f64::from(value) - *mean;
            *mean += difference / count;
            *squares += difference * (f64::from(value) - *mean);
        }
    }
    let std = |squares: f64| match (squares / count).sqrt() {
        std if std > MIN_STD => std as f32,
        _ => 1.0,
    };
    moments.into_iter().map(|(mean, squares)| (mean as f32, std(squares))).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_population_also_far_from_zero() {
        let rows = [[1e6, 7.0, 1.0], [1e6 + 2.0, 7.0, 2.0], [1e6 + 4.0, 7.0, 6.0]];
        let (mean, std) = moments(3, rows.iter().map(|row| row.as_slice()));
        assert_eq!(mean, [1e6 + 2.0, 7.0, 3.0]);
        assert!((f64::from(std[0]) - (8.0f64 / 3.0).sqrt()).abs() < 1e-6, "{std:?}");
        assert_eq!(std[1], 1.0, "constant");
        assert!((f64::from(std[2]) - (14.0f64 / 3.0).sqrt()).abs() < 1e-6, "{std:?}");
    }

    #[test]
    fn without_rows_nothing_is_changed() {
        assert_eq!(moments(1, std::iter::empty()), (vec![0.0], vec![1.0]));
    }
}
