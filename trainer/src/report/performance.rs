//! How well each task is ranked, and whether its probabilities hold.

use shared_model::figures::{self, escape};
use shared_model::metrics::{Assessment, ENRICHMENT_FRACTIONS, Estimate};

use super::html::{estimate, note, table};
use super::run_folder::RunFolder;
use crate::labels::LabelMatrix;
use crate::metrics::{macro_estimates, predictions_of_tasks};

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
        let predictions = predictions_of_tasks(tasks, labels, &repeats, weights);
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
        let enriched =
            ENRICHMENT_FRACTIONS.map(|fraction| format!("Enrichment at {:.0} %", 100.0 * fraction));
        let mut header = vec!["Task", "Positives", "Prevalence", "Average precision", "Lift", "ROC AUC"];
        header.extend(enriched.iter().map(String::as_str));
        let row = |(task, assessment): (&shared_model::schema::Task, &Assessment)| {
            let ranked = |value: Estimate, decimals| {
                if assessment.has_both_classes() { estimate(value, decimals) } else { "–".into() }
            };
            let mut row = vec![
                escape(&task.name),
                format!("{} of {}", assessment.positives, assessment.molecules),
                format!("{:.3}", assessment.prevalence),
                ranked(assessment.average_precision, 3),
                ranked(assessment.lift, 1),
                ranked(assessment.roc_auc, 3),
            ];
            row.extend(assessment.enrichment.map(|value| ranked(value, 1)));
            row
        };
        let mut rows: Vec<Vec<String>> = run.schema.tasks.iter().zip(&self.tasks).map(row).collect();
        if rows.len() > 1 {
            let mut row = vec![String::new(); header.len()];
            let [precision, area] = self.macros.map(|value| estimate(value, 3));
            row[0] = "mean of the tasks".into();
            row[3] = precision;
            row[5] = area;
            rows.push(row);
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

    /// Five charts a task.
    pub fn charts(&self, run: &RunFolder) -> String {
        let mut body = note(
            "Precision-recall: how pure a selection stays while it grows to find more of the positives; the dashed line \
             is a model without skill. With few positives the left end rests on one or two molecules and jumps. ROC: the \
             same ranking with the negatives on the x axis; with rare positives a curve that looks good can still mean \
             many false hits for each true one, so read it with precision. Enrichment: how many of the positives are found when only so many of the molecules, those \
             ranked highest, are looked at. Bands: 95 % bootstrap intervals, point by point.",
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
            body += &figures::precision_recall(&task.name, assessment, None).html;
            body += &figures::roc(&task.name, assessment, None).html;
            body += &figures::enrichment(&task.name, assessment, None).html;
            body += &figures::reliability(&task.name, assessment, None).html;
            body += &figures::histogram(&task.name, assessment, None).html;
            body += "</div>\n";
        }
        body
    }
}
