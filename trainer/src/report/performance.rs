//! How well each task is ranked, and whether its probabilities hold.

use super::chart::{Axis, Chart, Style};
use super::html::{escape, estimate, note, table};
use super::run_folder::RunFolder;
use crate::labels::LabelMatrix;
use crate::metrics::{
    Assessment, Curve, ENRICHMENT_FRACTIONS, Estimate, HISTOGRAM_BINS, TaskPredictions, macro_estimates,
};

/// The assessment of every task.
pub(super) struct Performance {
    /// Macro average precision and ROC AUC.
    pub macros: [Estimate; 2],
    tasks: Vec<Assessment>,
}

impl Performance {
    pub fn new(run: &RunFolder) -> Self {
        let tasks = &run.schema.tasks;
        let repeats = run.repeats();
        let cells = repeats[0].len();
        let labels = LabelMatrix::new(&run.predictions.labels[..cells], tasks.len());
        let weights = &run.predictions.weights[..cells];
        let predictions = TaskPredictions::of_tasks(tasks, labels, &repeats, weights);
        let assess = |(index, task)| Assessment::new(task, index, run.seed);
        Self {
            macros: macro_estimates(tasks, labels, &repeats, weights, run.seed),
            tasks: predictions.iter().enumerate().map(assess).collect(),
        }
    }

    /// Metrics of every task.
    pub fn tables(&self, run: &RunFolder) -> String {
        let weighted: Vec<&str> = run
            .schema
            .tasks
            .iter()
            .filter(|task| task.weighted_metrics)
            .map(|task| task.name.as_str())
            .collect();
        let mut body = note(
            "Average precision is the area under the precision-recall curve; a model without skill reaches the \
             prevalence, so lift = average precision / prevalence. ROC AUC is the chance that a positive is ranked \
             before a negative (0.5 without skill). Enrichment is how many times more positives there are among the \
             molecules ranked highest than among all. In brackets: 95 % bootstrap intervals over molecules; positives \
             and negatives are resampled apart. They tell what other molecules would have changed, not what another \
             seed of the training would have. Where there are few positives the intervals are wide, and may still be \
             too narrow: compare intervals, not last digits.",
        );
        if !weighted.is_empty() {
            body += &note(&format!("Molecules count with their label weights in: {}.", weighted.join(", ")));
        }
        if self.tasks.first().is_some_and(|task| task.repeats > 1) {
            body += &note(
                "With repeats, a metric is computed for each repeat and averaged; the intervals draw molecules with all their repeats.",
            );
        }
        let [one, five] =
            ENRICHMENT_FRACTIONS.map(|fraction| format!("Enrichment at {:.0} %", 100.0 * fraction));
        let header = ["Task", "Positives", "Prevalence", "Average precision", "Lift", "ROC AUC", &one, &five];
        let row = |(task, assessment): (&shared_model::schema::Task, &Assessment)| {
            let ranked = |value: Estimate, decimals| {
                if assessment.has_both_classes() { estimate(value, decimals) } else { "–".into() }
            };
            vec![
                escape(&task.name),
                format!("{} of {}", assessment.positives, assessment.molecules),
                format!("{:.3}", assessment.prevalence),
                ranked(assessment.average_precision, 3),
                ranked(assessment.lift, 1),
                ranked(assessment.roc_auc, 3),
                ranked(assessment.enrichment[0], 1),
                ranked(assessment.enrichment[1], 1),
            ]
        };
        let mut rows: Vec<Vec<String>> = run.schema.tasks.iter().zip(&self.tasks).map(row).collect();
        if rows.len() > 1 {
            let blank = String::new;
            let [precision, area] = self.macros.map(|value| estimate(value, 3));
            rows.push(vec![
                "mean of the tasks".into(),
                blank(),
                blank(),
                precision,
                blank(),
                area,
                blank(),
                blank(),
            ]);
        }
        body += &table("Ranking", &header, &rows);
        let row = |(task, assessment): (&shared_model::schema::Task, &Assessment)| {
            let without_skill = assessment.prevalence * (1.0 - assessment.prevalence);
            vec![
                escape(&task.name),
                estimate(assessment.brier, 3),
                format!("{without_skill:.3}"),
                estimate(assessment.calibration_error, 3),
            ]
        };
        let rows: Vec<Vec<String>> = run.schema.tasks.iter().zip(&self.tasks).map(row).collect();
        let header = ["Task", "Brier score", "Brier score of the prevalence", "Expected calibration error"];
        body + &table("Calibration (lower is better)", &header, &rows)
    }

    /// Four charts a task.
    pub fn charts(&self, run: &RunFolder) -> String {
        let mut body = note(
            "Precision-recall: how pure a selection stays while it grows to find more of the positives; the dashed line \
             is a model without skill. With few positives the left end rests on one or two molecules and jumps. ROC: the \
             same ranking with the negatives on the x axis; with rare positives a curve that looks good can still mean \
             many false hits for each true one, so read it with precision. Bands: 95 % bootstrap intervals, point by point.",
        );
        body += &note(
            "Reliability: in each tenth of the probabilities, how many molecules were positives; on the dashed line \
             probabilities mean what they say. Bars are 95 % Wilson intervals, numbers above are molecules; a point of a \
             few molecules says little. Losses that favour rare positives push probabilities up, so points below the line \
             are expected: rank by these probabilities, and do not read them as chances without calibration. The \
             histogram shows the share of each class by probability, since positives would vanish beside negatives otherwise.",
        );
        for (task, assessment) in run.schema.tasks.iter().zip(&self.tasks) {
            body += &format!("<h3>{}</h3>\n", escape(&task.name));
            if let Some(description) = &task.description {
                body += &note(description);
            }
            if !assessment.has_both_classes() {
                body += "<p>All molecules are of one class: there is nothing to rank.</p>\n";
                continue;
            }
            body += "<div class=\"charts\">";
            body += &precision_recall(&task.name, assessment);
            body += &roc(&task.name, assessment);
            body += &reliability(&task.name, assessment);
            body += &histogram(&task.name, assessment);
            body += "</div>\n";
        }
        body
    }
}

fn draw(chart: &mut Chart, curve: &Curve, start: Option<(f64, f64)>) {
    let band: Vec<(f64, f64, f64)> =
        curve.x.iter().zip(&curve.y).map(|(&x, y)| (x, y.interval.low, y.interval.high)).collect();
    chart.band("one", &band);
    let points = curve.x.iter().copied().zip(curve.y.iter().map(|y| y.value));
    chart.line(Style::of_series(0), "", start.into_iter().chain(points));
}

fn precision_recall(task: &str, assessment: &Assessment) -> String {
    let mut chart = Chart::new(Axis::unit("Recall"), Axis::unit("Precision"));
    draw(&mut chart, &assessment.precision_recall, None);
    chart.line(Style::BASELINE, "thin", [0.0, 1.0].map(|x| (x, assessment.prevalence)).into_iter());
    let precision = assessment.average_precision;
    chart.name(Style::of_series(0), false, format!("model, AP {:.3}", precision.value));
    chart.name(Style::of_series(0), true, "95 % band");
    chart.name(Style::BASELINE, false, format!("no skill, {:.3}", assessment.prevalence));
    let description = format!(
        "Precision over recall for {task}: average precision {:.3}, between {:.3} and {:.3}; a model without skill reaches {:.3}.",
        precision.value, precision.interval.low, precision.interval.high, assessment.prevalence
    );
    chart.figure("Precision and recall", &description)
}

fn roc(task: &str, assessment: &Assessment) -> String {
    let mut chart = Chart::new(Axis::unit("False positive rate"), Axis::unit("True positive rate"));
    draw(&mut chart, &assessment.roc, Some((0.0, 0.0)));
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    let area = assessment.roc_auc;
    chart.name(Style::of_series(0), false, format!("model, AUC {:.3}", area.value));
    chart.name(Style::of_series(0), true, "95 % band");
    chart.name(Style::BASELINE, false, "no skill, 0.5");
    let description = format!(
        "True over false positive rate for {task}: area {:.3}, between {:.3} and {:.3}; a model without skill reaches 0.5.",
        area.value, area.interval.low, area.interval.high
    );
    chart.figure("ROC", &description)
}

fn reliability(task: &str, assessment: &Assessment) -> String {
    let mut chart = Chart::new(Axis::unit("Predicted probability"), Axis::unit("Observed share"));
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    for bin in &assessment.reliability {
        let title = format!(
            "predicted {:.2}, observed {:.2} [{:.2}, {:.2}]: {} of {} predictions are of positives",
            bin.predicted, bin.observed, bin.interval.low, bin.interval.high, bin.positives, bin.count
        );
        let interval = [bin.interval.low, bin.interval.high];
        chart.point("one", bin.predicted, bin.observed, interval, &title);
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

fn histogram(task: &str, assessment: &Assessment) -> String {
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
    for (bin, &share) in negatives.iter().enumerate().filter(|&(_, &share)| share > 0.0) {
        let title = format!(
            "{:.2} to {:.2}: {} negatives, {} positives",
            edge(bin),
            edge(bin + 1),
            histogram.negatives[bin],
            histogram.positives[bin]
        );
        chart.bar("one", [edge(bin), edge(bin + 1)], share, &title);
    }
    let outline =
        positives.iter().enumerate().flat_map(|(bin, &share)| [(edge(bin), share), (edge(bin + 1), share)]);
    chart.line(Style::of_series(1), "", outline);
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
