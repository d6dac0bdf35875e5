//! Molecules ordered by score, and what the order is worth.

/// One molecule of one task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Whether it is a positive.
    pub positive: bool,
    /// Its score, higher = more likely a positive. NaN counts as 0, +∞ as 1 and −∞ as 0.
    pub score: f64,
    /// Its sample weight; a weight of 0 leaves it out.
    pub weight: f64,
}

/// Weights of the positives and of the negatives at or above each distinct score, highest score first.
///
/// Molecules of equal score form one step, so that ties cannot be ordered in one's favour; the definitions
/// are scikit-learn's (`average_precision_score`, `roc_auc_score`).
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Step {
    /// Weight of the positives so far.
    positive: f64,
    /// Weight of the negatives so far.
    negative: f64,
}

impl Ranking {
    /// Orders the molecules by score. Those without a positive weight are left out.
    pub fn new(molecules: impl IntoIterator<Item = Scored>) -> Self {
        let mut molecules: Vec<Scored> = molecules
            .into_iter()
            .filter(|molecule| molecule.weight > 0.0)
            .map(|molecule| Scored { score: finite(molecule.score), ..molecule })
            .collect();
        molecules.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut sum = Step::default();
        let steps = molecules
            .chunk_by(|a, b| a.score == b.score)
            .map(|tied| {
                for molecule in tied {
                    if molecule.positive {
                        sum.positive += molecule.weight;
                    } else {
                        sum.negative += molecule.weight;
                    }
                }
                sum
            })
            .collect();
        Self { steps }
    }

    /// `Σ (Rₙ − Rₙ₋₁)·Pₙ` with the recall R and the precision P at step n; 0 without positives.
    pub fn average_precision(&self) -> f64 {
        let total = self.total();
        if total.positive == 0.0 {
            return 0.0;
        }
        self.pairs()
            .map(|(before, here)| {
                let precision = here.positive / (here.positive + here.negative);
                (here.positive - before.positive) / total.positive * precision
            })
            .sum()
    }

    /// Area under the curve of true positives over false positives, by trapezoids; 0.5 with one class only.
    pub fn roc_auc(&self) -> f64 {
        let total = self.total();
        if total.positive == 0.0 || total.negative == 0.0 {
            return 0.5;
        }
        let area: f64 = self
            .pairs()
            .map(|(before, here)| (here.negative - before.negative) * (here.positive + before.positive) / 2.0)
            .sum();
        area / (total.positive * total.negative)
    }

    fn total(&self) -> Step {
        self.steps.last().copied().unwrap_or_default()
    }

    /// Each step with the one before it.
    fn pairs(&self) -> impl Iterator<Item = (Step, Step)> {
        std::iter::once(Step::default()).chain(self.steps.iter().copied()).zip(self.steps.iter().copied())
    }
}

fn finite(score: f64) -> f64 {
    if score == f64::INFINITY {
        1.0
    } else if score.is_finite() {
        score
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(molecules: &[(bool, f64, f64)]) -> Ranking {
        Ranking::new(molecules.iter().map(|&(positive, score, weight)| Scored { positive, score, weight }))
    }

    #[test]
    fn tied_molecules_are_one_step_in_whatever_order_they_come() {
        let positive_first = ranking(&[(true, 0.5, 1.0), (false, 0.5, 1.0)]);
        assert_eq!(positive_first, ranking(&[(false, 0.5, 1.0), (true, 0.5, 1.0)]));
        assert_eq!(positive_first.average_precision(), 0.5);
        assert_eq!(positive_first.roc_auc(), 0.5);
    }

    #[test]
    fn negative_and_positive_zero_tie() {
        assert_eq!(ranking(&[(true, 0.0, 1.0), (false, -0.0, 1.0)]).roc_auc(), 0.5);
    }

    #[test]
    fn a_molecule_of_weight_zero_changes_nothing() {
        let base = [(true, 0.9, 2.0), (false, 0.4, 1.0), (true, 0.2, 0.5)];
        let mut more = base.to_vec();
        more.push((false, 1.0, 0.0));
        assert_eq!(ranking(&base), ranking(&more));
    }

    #[test]
    fn non_finite_scores_count_as_zero_or_one() {
        let given = [(true, f64::NAN, 1.0), (false, f64::INFINITY, 1.0), (true, f64::NEG_INFINITY, 1.0)];
        assert_eq!(ranking(&given), ranking(&[(true, 0.0, 1.0), (false, 1.0, 1.0), (true, 0.0, 1.0)]));
    }

    #[test]
    fn a_missing_class_has_the_neutral_scores() {
        let negatives = ranking(&[(false, 0.1, 1.0), (false, 0.9, 1.0)]);
        assert_eq!((negatives.average_precision(), negatives.roc_auc()), (0.0, 0.5));
        let positives = ranking(&[(true, 0.1, 1.0)]);
        assert_eq!((positives.average_precision(), positives.roc_auc()), (1.0, 0.5));
        let nothing = ranking(&[]);
        assert_eq!((nothing.average_precision(), nothing.roc_auc()), (0.0, 0.5));
    }
}
