//! Where a number stands among others.

/// Percentile rank of a value, 0 to 100: the share of values below it, those equal to it by half. `None` where there is
/// nothing to compare with.
pub fn percentile(values: impl IntoIterator<Item = f32>, value: f32) -> Option<f32> {
    let (mut count, mut below, mut equal) = (0_u32, 0_u32, 0_u32);
    for other in values {
        count += 1;
        below += u32::from(other < value);
        equal += u32::from(other == value);
    }
    let share = (f64::from(below) + 0.5 * f64::from(equal)) / f64::from(count);
    (count > 1).then_some((100.0 * share) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_symmetric_and_ties_share_theirs() {
        let values = [0.1, 0.2, 0.2, 0.9];
        assert_eq!(percentile(values, 0.1), Some(12.5));
        assert_eq!(percentile(values, 0.2), Some(50.0));
        assert_eq!(percentile(values, 0.9), Some(87.5));
        assert_eq!(percentile([0.3], 0.3), None);
    }
}
