//! What a threshold makes of predictions: flagged or not, rightly or not.

use super::{Estimate, wilson_interval};

/// Molecules by what they are and whether their probability reaches a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Positives that are flagged.
    pub true_positives: usize,
    /// Negatives that are flagged.
    pub false_positives: usize,
    /// Positives that are not flagged.
    pub false_negatives: usize,
    /// Negatives that are not flagged.
    pub true_negatives: usize,
}

impl Confusion {
    /// Flags the molecules, given as whether each is a positive and its score, whose score is at least the threshold.
    pub fn at(threshold: f64, molecules: impl IntoIterator<Item = (bool, f64)>) -> Self {
        let mut confusion = Self::default();
        for (positive, score) in molecules {
            let count = match (positive, score >= threshold) {
                (true, true) => &mut confusion.true_positives,
                (false, true) => &mut confusion.false_positives,
                (true, false) => &mut confusion.false_negatives,
                (false, false) => &mut confusion.true_negatives,
            };
            *count += 1;
        }
        confusion
    }

    /// Molecules that are flagged.
    pub fn flagged(&self) -> usize {
        self.true_positives + self.false_positives
    }

    /// Share of positives among the flagged, with its 95 % Wilson interval; none where nothing is flagged.
    pub fn precision(&self) -> Option<Estimate> {
        share(self.true_positives, self.flagged())
    }

    /// Share of the positives that is flagged, with its 95 % Wilson interval; none without positives.
    pub fn recall(&self) -> Option<Estimate> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the negatives that is flagged all the same, with its 95 % Wilson interval; none without negatives.
    pub fn false_positive_rate(&self) -> Option<Estimate> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }
}

fn share(part: usize, all: usize) -> Option<Estimate> {
    let value = part as f64 / all as f64;
    (all > 0).then(|| Estimate { value, interval: wilson_interval(value, all as f64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOLECULES: [(bool, f64); 6] =
        [(true, 0.9), (false, 0.7), (true, 0.5), (false, 0.4), (false, 0.2), (true, 0.1)];

    #[test]
    fn every_molecule_is_counted_once_and_the_threshold_itself_is_flagged() {
        let confusion = Confusion::at(0.5, MOLECULES);
        let counts = [
            confusion.true_positives,
            confusion.false_positives,
            confusion.false_negatives,
            confusion.true_negatives,
        ];
        assert_eq!(counts, [2, 1, 1, 2]);
        for share in [confusion.precision(), confusion.recall()] {
            let share = share.expect("positives are flagged");
            assert_eq!(share.value, 2.0 / 3.0);
            assert_eq!(share.interval, wilson_interval(2.0 / 3.0, 3.0));
        }
        assert_eq!(confusion.false_positive_rate().map(|rate| rate.value), Some(1.0 / 3.0));
    }

    #[test]
    fn a_share_of_nothing_is_not_a_number_but_nothing() {
        let nothing_flagged = Confusion::at(0.95, MOLECULES);
        assert_eq!((nothing_flagged.flagged(), nothing_flagged.precision()), (0, None));
        assert_eq!(Confusion::at(0.5, [(false, 0.2)]).recall(), None);
        assert_eq!(Confusion::at(0.5, [(true, 0.2)]).false_positive_rate(), None);
    }
}
