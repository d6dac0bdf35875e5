//! How well a task is ranked, and whether its probabilities hold, as charts.

use super::chart::{Axis, Chart, Figure, Style};
use crate::metrics::{Assessment, Confusion, Curve, HISTOGRAM_BINS};

/// A threshold, and what it makes of the predictions: marked in every chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// Probability from which a molecule counts as positive.
    pub threshold: f64,
    /// What that makes of the molecules.
    pub confusion: Confusion,
}

impl Cut {
    /// A mark on a curve, where both of its numbers are there.
    fn mark(&self, chart: &mut Chart, x: Option<f64>, y: Option<f64>) {
        if let Some((x, y)) = x.zip(y) {
            chart.dot("two", x, y, &format!("threshold {:.3}", self.threshold));
            chart.name(Style { colour: "two", dash: "" }, true, format!("threshold {:.3}", self.threshold));
        }
    }
}

/// Precision over recall, with its band.
pub fn precision_recall(task: &str, assessment: &Assessment, cut: Option<&Cut>) -> Figure {
    let mut chart = Chart::new(Axis::unit("Recall"), Axis::unit("Precision"));
    draw(&mut chart, &assessment.precision_recall, None, ["recall", "precision"]);
    chart.line(Style::BASELINE, "thin", [0.0, 1.0].map(|x| (x, assessment.prevalence)).into_iter());
    let precision = assessment.average_precision;
    chart.name(Style::of_series(0), false, format!("model, AP {:.3}", precision.value));
    chart.name(Style::of_series(0), true, "95 % band");
    chart.name(Style::BASELINE, false, format!("no skill, {:.3}", assessment.prevalence));
    if let Some(cut) = cut {
        let [x, y] = [cut.confusion.recall(), cut.confusion.precision()];
        cut.mark(&mut chart, x.map(|x| x.value), y.map(|y| y.value));
    }
    let description = format!(
        "Precision over recall for {task}: average precision {:.3}, between {:.3} and {:.3}; a model without skill reaches {:.3}.",
        precision.value, precision.interval.low, precision.interval.high, assessment.prevalence
    );
    chart.figure("Precision and recall", &description)
}

/// True over false positive rate, with its band.
pub fn roc(task: &str, assessment: &Assessment, cut: Option<&Cut>) -> Figure {
    let mut chart = Chart::new(Axis::unit("False positive rate"), Axis::unit("True positive rate"));
    draw(&mut chart, &assessment.roc, Some((0.0, 0.0)), ["false positive rate", "true positive rate"]);
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    let area = assessment.roc_auc;
    chart.name(Style::of_series(0), false, format!("model, AUC {:.3}", area.value));
    chart.name(Style::of_series(0), true, "95 % band");
    chart.name(Style::BASELINE, false, "no skill, 0.5");
    if let Some(cut) = cut {
        let [x, y] = [cut.confusion.false_positive_rate(), cut.confusion.recall()];
        cut.mark(&mut chart, x.map(|x| x.value), y.map(|y| y.value));
    }
    let description = format!(
        "True over false positive rate for {task}: area {:.3}, between {:.3} and {:.3}; a model without skill reaches 0.5.",
        area.value, area.interval.low, area.interval.high
    );
    chart.figure("ROC", &description)
}

/// Share of the positives found over share of the molecules looked at, with its band.
pub fn enrichment(task: &str, assessment: &Assessment, cut: Option<&Cut>) -> Figure {
    let axes = (Axis::unit("Share of the molecules, ranked highest"), Axis::unit("Share of the positives"));
    let mut chart = Chart::new(axes.0, axes.1);
    draw(&mut chart, &assessment.found, None, ["molecules looked at", "positives found"]);
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    let perfect = [(0.0, 0.0), (assessment.prevalence, 1.0), (1.0, 1.0)];
    chart.line(Style { colour: "soft", dash: "dots" }, "thin", perfect.into_iter());
    chart.name(Style::of_series(0), false, "model");
    chart.name(Style::of_series(0), true, "95 % band");
    chart.name(Style::BASELINE, false, "random order");
    chart.name(Style { colour: "soft", dash: "dots" }, false, "perfect order");
    if let Some(cut) = cut {
        let flagged = cut.confusion.flagged() as f64 / assessment.molecules.max(1) as f64;
        cut.mark(&mut chart, Some(flagged), cut.confusion.recall().map(|recall| recall.value));
    }
    let [one, five, ten] = assessment.enrichment.map(|factor| factor.value);
    let description = format!(
        "Share of the positives of {task} among the molecules ranked highest: {one:.1} times as many as in random order in \
         the top 1 %, {five:.1} times in the top 5 %, {ten:.1} times in the top 10 %."
    );
    chart.figure("Enrichment", &description)
}

/// Observed share of positives by predicted probability.
pub fn reliability(task: &str, assessment: &Assessment, cut: Option<&Cut>) -> Figure {
    let mut chart = Chart::new(Axis::unit("Predicted probability"), Axis::unit("Observed share"));
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    if let Some(cut) = cut {
        chart.rule(cut.threshold, "");
    }
    for bin in &assessment.reliability {
        let title = format!(
            "predicted {:.2}, observed {:.2} [{:.2}, {:.2}]: {} of {} predictions are of positives",
            bin.predicted, bin.observed, bin.interval.low, bin.interval.high, bin.positives, bin.count
        );
        let interval = [bin.interval.low, bin.interval.high];
        chart.point("one", bin.predicted, bin.observed, interval, &title);
        chart.read_out(bin.predicted, bin.observed, title);
        let centre = ((bin.predicted * 10.0).floor().min(9.0) + 0.5) / 10.0;
        chart.text_above(centre, &bin.count.to_string());
    }
    chart.name(Style::of_series(0), false, "observed, 95 % interval");
    chart.name(Style::BASELINE, false, "calibrated");
    let bins: Vec<String> = assessment
        .reliability
        .iter()
        .map(|bin| format!("{:.2} for {:.2}", bin.observed, bin.predicted))
        .collect();
    let description = format!("Share of positives of {task} by predicted probability: {}.", bins.join(", "));
    chart.figure("Reliability", &description)
}

/// Probabilities of positives and of negatives.
pub fn histogram(task: &str, assessment: &Assessment, cut: Option<&Cut>) -> Figure {
    let shares = |counts: &[usize]| -> Vec<f64> {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        counts.iter().map(|&count| count as f64 / all).collect()
    };
    let histogram = &assessment.histogram;
    let (positives, negatives) = (shares(&histogram.positives), shares(&histogram.negatives));
    let highest = positives.iter().chain(&negatives).copied().fold(0.0, f64::max);
    let high = (highest * 1.05).min(1.0);
    let axis = Axis { label: "Share of the class", low: 0.0, high };
    let mut chart = Chart::new(Axis::unit("Predicted probability"), axis);
    let edge = |bin: usize| bin as f64 / HISTOGRAM_BINS as f64;
    for (bin, &share) in negatives.iter().enumerate() {
        let title = format!(
            "{:.2} to {:.2}: {} negatives, {} positives",
            edge(bin),
            edge(bin + 1),
            histogram.negatives[bin],
            histogram.positives[bin]
        );
        if share > 0.0 {
            chart.bar("one", [edge(bin), edge(bin + 1)], share, &title);
        }
        chart.read_out((edge(bin) + edge(bin + 1)) / 2.0, share.max(positives[bin]), title);
    }
    let outline =
        positives.iter().enumerate().flat_map(|(bin, &share)| [(edge(bin), share), (edge(bin + 1), share)]);
    chart.line(Style::of_series(1), "", outline);
    if let Some(cut) = cut {
        chart.rule(cut.threshold, &format!("threshold {:.3}", cut.threshold));
    }
    chart.name(
        Style::of_series(0),
        true,
        format!("negatives ({})", assessment.molecules - assessment.positives),
    );
    chart.name(Style::of_series(1), false, format!("positives ({})", assessment.positives));
    let mean = |counts: &[usize]| {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        counts
            .iter()
            .enumerate()
            .map(|(bin, &count)| (edge(bin) + edge(bin + 1)) / 2.0 * count as f64)
            .sum::<f64>()
            / all
    };
    let description = format!(
        "Predicted probabilities of {task}: around {:.2} on average for positives and {:.2} for negatives.",
        mean(&histogram.positives),
        mean(&histogram.negatives)
    );
    chart.figure("Probabilities by class", &description)
}

fn draw(chart: &mut Chart, curve: &Curve, start: Option<(f64, f64)>, [along, up]: [&str; 2]) {
    let band: Vec<(f64, f64, f64)> =
        curve.x.iter().zip(&curve.y).map(|(&x, y)| (x, y.interval.low, y.interval.high)).collect();
    chart.band("one", &band);
    let points = curve.x.iter().copied().zip(curve.y.iter().map(|y| y.value));
    chart.line(Style::of_series(0), "", start.into_iter().chain(points));
    for (&x, y) in curve.x.iter().zip(&curve.y) {
        let text =
            format!("{along} {x:.3}: {up} {:.3} [{:.3}, {:.3}]", y.value, y.interval.low, y.interval.high);
        chart.read_out(x, y.value, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TaskPredictions;

    #[test]
    fn a_threshold_is_marked_where_its_numbers_lie() {
        let positive: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
        let scores: Vec<f64> = (0..40).map(|row| f64::from(row * 7 % 40) / 40.0).collect();
        let predictions = TaskPredictions::new(positive.clone(), vec![1.0; 40], vec![scores.clone()]);
        let assessment = Assessment::new(&predictions, 0, 1);
        let at = |threshold| Cut {
            threshold,
            confusion: Confusion::at(threshold, positive.iter().copied().zip(scores.iter().copied())),
        };
        let figures = [precision_recall, roc, enrichment, reliability, histogram];
        for figure in figures {
            let plain = figure("task", &assessment, None);
            let cut = figure("task", &assessment, Some(&at(0.5)));
            assert_ne!(plain.html, cut.html);
            assert_eq!(plain.points, cut.points);
            assert!(!plain.points.is_empty() && plain.points.is_sorted_by(|a, b| a.x <= b.x));
            assert!(
                plain
                    .points
                    .iter()
                    .all(|point| (0.0..=1.0).contains(&point.x) && (0.0..=1.0).contains(&point.y))
            );
        }
        // Nothing is flagged: there is no precision to mark.
        assert_eq!(
            precision_recall("task", &assessment, Some(&at(2.0))),
            precision_recall("task", &assessment, None)
        );
    }
}
