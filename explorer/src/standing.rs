//! Where a number stands among others: its percentile, and a small histogram in which it is marked.

use std::fmt::Write;

/// Bars of the histogram.
const BARS: usize = 40;
/// Size of the drawing, in its own units.
const WIDTH: f32 = 200.0;
const HEIGHT: f32 = 30.0;
/// Room for the mark above the bars, and beside the first and the last of them.
const MARK: f32 = 6.0;
/// Height of a bar that is not empty, at least.
const LEAST: f32 = 1.5;

/// A probability among those of all molecules of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Percentile rank, 0 to 100: the share of values below it, those equal to it by half.
    pub percentile: f32,
    /// The smallest of all values.
    pub low: f32,
    /// The largest of all values.
    pub high: f32,
    /// How many there are.
    pub molecules: usize,
    value: f32,
    std: Option<f32>,
    counts: [u32; BARS],
}

impl Standing {
    /// The place of a value, with its spread where it has one, among all of them, itself included. `None` where there is
    /// nothing to compare with, and as long as some are not known (NaN).
    pub fn among(all: &[f32], value: f32, std: Option<f32>) -> Option<Self> {
        if all.len() < 2 || all.iter().any(|other| other.is_nan()) {
            return None;
        }
        let below = all.iter().filter(|other| **other < value).count();
        let equal = all.iter().filter(|other| **other == value).count();
        let low = all.iter().copied().fold(f32::INFINITY, f32::min);
        let high = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut counts = [0; BARS];
        for other in all {
            counts[((share(*other, low, high) * BARS as f32) as usize).min(BARS - 1)] += 1;
        }
        let percentile = 100.0 * (below as f64 + 0.5 * equal as f64) / all.len() as f64;
        Some(Self { percentile: percentile as f32, low, high, molecules: all.len(), value, std, counts })
    }

    /// How many of all the values are lower, in words, and on which side of the threshold this one is.
    pub fn in_words(&self, threshold: f32) -> String {
        let Self { percentile, low, high, molecules, value, .. } = self;
        let side = side(*value, threshold);
        format!(
            "{value:.3} among {molecules} molecules ({low:.3} to {high:.3}): percentile {percentile:.0}, {side}"
        )
    }

    /// A histogram of all values from the smallest to the largest, as SVG: a full line where this one stands, with its
    /// spread, and a broken one where the threshold is. A threshold beyond the values is an arrow at that end.
    pub fn drawing(&self, threshold: f32) -> String {
        let at = |value: f32| MARK + share(value, self.low, self.high) * (WIDTH - 2.0 * MARK);
        let most = self.counts.iter().copied().max().unwrap_or(1).max(1) as f32;
        let step = (WIDTH - 2.0 * MARK) / BARS as f32;
        let mut bars = String::new();
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = (*count as f32 / most * (HEIGHT - MARK - 1.0)).max(LEAST);
            let (x, y) = (MARK + place as f32 * step, HEIGHT - 1.0 - height);
            write!(bars, "M{x:.1} {y:.1}h{:.1}v{height:.1}h-{:.1}z", step - 0.6, step - 0.6)
                .expect("a string takes everything");
        }
        let here = at(self.value);
        let spread = self.std.map(|std| {
            let (from, to) = (at(self.value - std), at(self.value + std));
            format!("<path class=\"spread\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>", y = MARK / 2.0)
        });
        let (bottom, middle) = (HEIGHT - 1.0, HEIGHT / 2.0);
        let threshold = if (self.low..=self.high).contains(&threshold) {
            format!("<path class=\"threshold\" d=\"M{x:.1} {MARK}V{bottom}\"/>", x = at(threshold))
        } else {
            let (from, tip) = if threshold < self.low { (5.0, 1.0) } else { (WIDTH - 5.0, WIDTH - 1.0) };
            format!(
                "<path class=\"beyond\" d=\"M{from} {}L{tip} {middle}L{from} {}\"/>",
                middle - 4.0,
                middle + 4.0
            )
        };
        on_axis(&format!(
            "<path class=\"all\" d=\"{bars}\"/>{threshold}{}<path class=\"here\" d=\"M{here:.1} {MARK}V{bottom}\"/>\
             <path class=\"mark\" d=\"M{:.1} 0H{:.1}L{here:.1} {MARK}z\"/>",
            spread.unwrap_or_default(),
            here - 5.0,
            here + 5.0
        ))
    }
}

/// Marks on their axis, as SVG; without marks, what stands there until they are known.
pub fn on_axis(marks: &str) -> String {
    format!(
        "<svg class=\"distribution\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\">\
         <path class=\"ground\" d=\"M{MARK} {}H{}\"/>{marks}</svg>",
        HEIGHT - 1.0,
        WIDTH - MARK
    )
}

/// "reaches the threshold 0.500", or that it does not.
pub fn side(value: f32, threshold: f32) -> String {
    let word = if value >= threshold { "reaches" } else { "below" };
    format!("{word} the threshold {threshold:.3}")
}

/// Where a value lies from the smallest to the largest, 0 to 1; in the middle where all are the same.
fn share(value: f32, low: f32, high: f32) -> f32 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentile(all: &[f32], value: f32) -> Option<f32> {
        Standing::among(all, value, None).map(|standing| standing.percentile)
    }

    #[test]
    fn ranks_are_symmetric_and_ties_share_theirs() {
        let values = [0.1, 0.2, 0.2, 0.9];
        assert_eq!(percentile(&values, 0.1), Some(12.5));
        assert_eq!(percentile(&values, 0.2), Some(50.0));
        assert_eq!(percentile(&values, 0.9), Some(87.5));
        assert_eq!(percentile(&[0.3], 0.3), None);
        assert_eq!(percentile(&[0.3, f32::NAN], 0.3), None);
    }

    #[test]
    fn every_value_is_in_a_bar_and_the_ends_are_in_the_first_and_the_last() {
        let values: Vec<f32> = (0..=100).map(|value| 0.1 + 0.005 * value as f32).collect();
        let standing = Standing::among(&values, 0.1, None).expect("there are others");
        assert_eq!(standing.counts.iter().sum::<u32>(), 101);
        assert!(standing.counts[0] > 0 && standing.counts[BARS - 1] > 0);
        assert_eq!(Standing::among(&[0.4, 0.4], 0.4, None).map(|same| same.counts[BARS / 2]), Some(2));
    }

    #[test]
    fn marks_stand_at_the_share_of_the_range() {
        let drawing = |value, threshold| {
            Standing::among(&[0.2, 0.3, 0.6], value, None).expect("there are others").drawing(threshold)
        };
        let middle = drawing(0.4, 0.6);
        assert!(middle.contains("class=\"here\" d=\"M100.0 "), "{middle}");
        assert!(middle.contains("class=\"threshold\" d=\"M194.0 "), "{middle}");
        assert!(drawing(0.2, 0.7).contains("class=\"beyond\" d=\"M195 "));
        assert!(drawing(0.2, 0.1).contains("class=\"beyond\" d=\"M5 "));
    }

    #[test]
    fn a_spread_stays_inside_the_drawing() {
        let standing = Standing::among(&[0.2, 0.6], 0.2, Some(0.1)).expect("there is another");
        assert!(standing.drawing(0.5).contains("class=\"spread\" d=\"M6.0 3.0H53.0\""));
    }

    #[test]
    fn words_say_the_side_of_the_threshold() {
        let standing = Standing::among(&[0.2, 0.6], 0.6, None).expect("there is another");
        assert_eq!(
            standing.in_words(0.6),
            "0.600 among 2 molecules (0.200 to 0.600): percentile 75, reaches the threshold 0.600"
        );
        assert!(standing.in_words(0.61).ends_with("below the threshold 0.610"));
    }
}
