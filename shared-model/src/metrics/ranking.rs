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

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Recall, or false positive rate.
    pub x: f64,
    /// Precision, or true positive rate.
    pub y: f64,
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

    /// Recall and precision at each distinct score, highest score first; empty without positives.
    pub fn precision_recall(&self) -> Vec<CurvePoint> {
        let total = self.total();
        if total.positive == 0.0 {
            return Vec::new();
        }
        let point = |step: &Step| CurvePoint {
            x: step.positive / total.positive,
            y: step.positive / (step.positive + step.negative),
        };
        self.steps.iter().map(point).collect()
    }

    /// False and true positive rate from (0, 0) on and at each distinct score, highest score first; empty with one
    /// class only.
    pub fn roc(&self) -> Vec<CurvePoint> {
        let total = self.total();
        if total.positive == 0.0 || total.negative == 0.0 {
            return Vec::new();
        }
        let point =
            |step: Step| CurvePoint { x: step.negative / total.negative, y: step.positive / total.positive };
        std::iter::once(Step::default()).chain(self.steps.iter().copied()).map(point).collect()
    }

    /// Share of the molecules picked, highest score first, and share of the positives among them, from (0, 0) on and at each
    /// distinct score; empty without positives.
    pub fn gains(&self) -> Vec<CurvePoint> {
        let total = self.total();
        if total.positive == 0.0 {
            return Vec::new();
        }
        let all = total.positive + total.negative;
        let point = |step: Step| CurvePoint {
            x: (step.positive + step.negative) / all,
            y: step.positive / total.positive,
        };
        std::iter::once(Step::default()).chain(self.steps.iter().copied()).map(point).collect()
    }

    /// Enrichment factor: prevalence among the `fraction` of molecules that are ranked highest over the prevalence
    /// among all (Pearlman and Charifson 2001). 0 without positives.
    ///
    /// Their number is rounded up, so that at least one molecule is picked; where molecules of equal score stand
    /// across the border, all orders of them are averaged. A weight of 1 counts as one molecule.
    pub fn enrichment(&self, fraction: f64) -> f64 {
        let total = self.total();
        if total.positive == 0.0 {
            return 0.0;
        }
        let all = total.positive + total.negative;
        // A product that should be whole must not be rounded up to the next one.
        let picked = (fraction * all - 1e-9).ceil().clamp(all.min(1.0), all);
        let mut positive = total.positive;
        for (before, here) in self.pairs() {
            let (low, high) = (before.positive + before.negative, here.positive + here.negative);
            if picked <= high {
                let share = (picked - low) / (high - low);
                positive = before.positive + share * (here.positive - before.positive);
                break;
            }
        }
        (positive / picked) / (total.positive / all)
    }

    /// Share of the positives in all weight; 0 without molecules.
    pub fn prevalence(&self) -> f64 {
        let total = self.total();
        if total.positive == 0.0 { 0.0 } else { total.positive / (total.positive + total.negative) }
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
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

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

    fn random_ranking(seed: u64) -> Ranking {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Coarse scores, so that many tie.
        let molecules = (0..60).map(|_| Scored {
            positive: random.random_range(0..4) == 0,
            score: f64::from(random.random_range(0..12)) / 12.0,
            weight: random.random_range(0.1..2.0),
        });
        Ranking::new(molecules.collect::<Vec<_>>())
    }

    #[test]
    fn the_areas_under_the_curves_are_the_metrics() {
        for seed in 0..20 {
            let ranking = random_ranking(seed);
            let (mut area, mut recall) = (0.0, 0.0);
            for point in ranking.precision_recall() {
                area += (point.x - recall) * point.y;
                recall = point.x;
            }
            assert!((area - ranking.average_precision()).abs() < 1e-12);
            assert!((recall - 1.0).abs() < 1e-12);

            let roc = ranking.roc();
            let area: f64 = roc.windows(2).map(|p| (p[1].x - p[0].x) * (p[0].y + p[1].y) / 2.0).sum();
            assert!((area - ranking.roc_auc()).abs() < 1e-12);
            assert_eq!((roc[0].x, roc[0].y), (0.0, 0.0));
        }
    }

    #[test]
    fn enrichment_is_the_prevalence_at_the_top_over_that_of_all() {
        // Ten molecules, two positives at ranks 1 and 3.
        let molecules: Vec<_> = (0..10).map(|rank| (rank == 0 || rank == 2, -f64::from(rank), 1.0)).collect();
        let ranking = ranking(&molecules);
        assert!((ranking.enrichment(0.1) - 5.0).abs() < 1e-12, "one molecule, a positive");
        assert!((ranking.enrichment(0.2) - 2.5).abs() < 1e-12);
        assert!((ranking.enrichment(0.3) - 2.0 / 3.0 / 0.2).abs() < 1e-12);
        assert!((ranking.enrichment(0.01) - 5.0).abs() < 1e-12, "at least one molecule is picked");
        assert!((ranking.enrichment(1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn gains_end_at_all_molecules_and_are_the_enrichment_at_every_step() {
        for seed in 0..5 {
            let ranking = random_ranking(seed);
            let gains = ranking.gains();
            let (first, last) = (gains[0], gains[gains.len() - 1]);
            assert_eq!((first.x, first.y), (0.0, 0.0));
            assert!((last.x - 1.0).abs() < 1e-12 && (last.y - 1.0).abs() < 1e-12);
        }
        let molecules: Vec<_> = (0..10).map(|rank| (rank == 0 || rank == 2, -f64::from(rank), 1.0)).collect();
        let ranking = ranking(&molecules);
        for point in &ranking.gains()[1..] {
            assert!((point.y / point.x - ranking.enrichment(point.x)).abs() < 1e-12);
        }
    }

    #[test]
    fn molecules_that_tie_at_the_border_are_picked_in_equal_shares() {
        let molecules: Vec<_> = (0..20).map(|row| (row < 4, 0.5, 1.0)).collect();
        assert!((ranking(&molecules).enrichment(0.05) - 1.0).abs() < 1e-12, "scores that say nothing");
        assert_eq!(ranking(&[(false, 0.5, 1.0)]).enrichment(0.05), 0.0);
    }
}
