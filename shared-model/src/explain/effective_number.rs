//! Over how many conformers a task spreads its attention.

/// exp(-Σ w ln w) of weights that sum to 1: the Hill number of order 1 (Hill, Ecology 54, 1973), from 1, where one
/// conformer has all the weight, to their number, where all weigh the same.
pub fn effective_number(weights: impl IntoIterator<Item = f64>) -> f64 {
    let entropy: f64 =
        weights.into_iter().filter(|&weight| weight > 0.0).map(|weight| -weight * weight.ln()).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_equal_weights_and_ignores_those_that_are_zero() {
        assert_eq!(effective_number([1.0, 0.0]), 1.0);
        assert!((effective_number([0.25; 4]) - 4.0).abs() < 1e-12);
        assert!((effective_number([0.5, 0.0, 0.5]) - 2.0).abs() < 1e-12);
        let uneven = effective_number([0.9, 0.05, 0.05]);
        assert!(1.0 < uneven && uneven < 2.0, "{uneven}");
    }
}
