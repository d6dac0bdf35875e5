//! Folds and ablations of a cross-validation.

use shared_model::figures::{ForestRow, escape, forest};

use super::html::{estimate, note, number, table};
use crate::cross_validation::{CvSummary, FoldSummary, MeanStd};
use crate::metrics::{Comparison, Difference};

/// Means over folds beside the pooled metrics.
pub(super) fn folds(summary: &CvSummary) -> String {
    let mut body = note(
        "Over folds: mean and standard deviation of the metric within each fold that has both classes. Pooled: all \
         out-of-fold predictions ranked together, with 95 % bootstrap intervals; models of different folds need not \
         agree on the scale of their probabilities, which lowers the pooled metric. folds.csv in the \
         run folder has every task of every fold.",
    );
    let spread = |value: MeanStd| format!("{} <small>± {}</small>", number(value.mean), number(value.std));
    let accuracy = summary.tasks.iter().any(|task| task.accuracy.is_some());
    let mut header = vec![
        "Task",
        "Folds that count",
        "AP over folds",
        "AP pooled",
        "ROC AUC over folds",
        "ROC AUC pooled",
    ];
    header.extend(accuracy.then_some("Accuracy at 0.5 over folds"));
    let mut rows: Vec<Vec<String>> = summary
        .tasks
        .iter()
        .map(|task| {
            let mut row = vec![
                escape(&task.task),
                task.average_precision.folds.to_string(),
                spread(task.average_precision),
                estimate(task.pooled_average_precision, 3),
                spread(task.roc_auc),
                estimate(task.pooled_roc_auc, 3),
            ];
            row.extend(task.accuracy.map(spread));
            row
        })
        .collect();
    if rows.len() > 1 {
        let mut row = vec![
            "mean of the tasks".into(),
            summary.macro_average_precision.folds.to_string(),
            spread(summary.macro_average_precision),
            estimate(summary.pooled_macro_average_precision, 3),
            spread(summary.macro_roc_auc),
            estimate(summary.pooled_macro_roc_auc, 3),
        ];
        row.extend(accuracy.then(String::new));
        rows.push(row);
    }
    body += &table("Over folds and pooled", &header, &rows);
    let positives: Vec<String> =
        summary.tasks.iter().map(|task| format!("Positives, {}", task.task)).collect();
    let mut header =
        vec!["Repeat, fold", "Molecules", "Macro AP", "Worst AP", "Macro ROC AUC", "Score", "Best epoch"];
    header.extend(positives.iter().map(String::as_str));
    let row = |fold: &FoldSummary| {
        let record = &fold.record;
        let mut row = vec![
            format!("{}, {}", record.key.repeat, record.key.fold),
            fold.molecules.to_string(),
            number(Some(fold.macro_average_precision)),
            number(Some(fold.min_average_precision)),
            number(Some(fold.macro_roc_auc)),
            number(Some(fold.score)),
            format!("{} of {}", record.best_epoch, record.epochs),
        ];
        row.extend(fold.positives.iter().map(usize::to_string));
        row
    };
    body + &table("Each fold", &header, &summary.fold_metrics.iter().map(row).collect::<Vec<_>>())
}

/// What is lost without something.
pub(super) fn ablations(summary: &CvSummary) -> String {
    let mut body = note(
        "Each variant lacks one thing and was trained on the same folds with the same seeds. Differences are variant \
         minus full model, of the pooled out-of-fold metrics, with paired 95 % bootstrap intervals: both models are \
         compared on the same draws of molecules. Below zero, the variant is worse: what it lacks helps. An interval \
         across zero leaves open whether it helps; with few positives small gains cannot be seen. The intervals leave \
         out what another seed of the training would change: repeat the cross-validation with other seeds before you \
         build on a small difference.",
    );
    body += "<div class=\"charts\">";
    for (title, metric) in [
        ("Macro average precision", (|c: &Comparison| c.average_precision) as fn(&Comparison) -> Difference),
        ("Macro ROC AUC", |c: &Comparison| c.roc_auc),
    ] {
        let rows: Vec<ForestRow> = summary
            .ablations
            .iter()
            .filter_map(|ablation| Some((ablation, metric(ablation.comparisons.first()?).difference)))
            .map(|(ablation, difference)| ForestRow {
                name: ablation.name.clone(),
                value: difference.value,
                interval: [difference.interval.low, difference.interval.high],
            })
            .collect();
        let told: Vec<String> = rows.iter().map(|row| format!("{} {:+.3}", row.name, row.value)).collect();
        let description = format!("Difference of each variant to the full model: {}.", told.join(", "));
        body += &forest(title, &description, "Variant minus full model", &rows).html;
    }
    body += "</div>\n";
    let rows: Vec<Vec<String>> = summary
        .ablations
        .iter()
        .flat_map(|ablation| {
            ablation.comparisons.iter().map(move |comparison| {
                let of = |difference: Difference| {
                    [format!("{:.3}", difference.other), estimate(difference.difference, 3)]
                };
                let mut row = vec![
                    escape(&ablation.name),
                    escape(comparison.task.as_deref().unwrap_or("mean of the tasks")),
                ];
                row.extend(of(comparison.average_precision));
                row.extend(of(comparison.roc_auc));
                row
            })
        })
        .collect();
    let header = ["Variant", "Task", "AP", "AP − full model", "ROC AUC", "ROC AUC − full model"];
    body += &table("Variants", &header, &rows);
    body += "<dl>";
    for ablation in &summary.ablations {
        body += &format!("<dt>{}</dt><dd>{}</dd>", escape(&ablation.name), escape(&ablation.description));
    }
    body + "</dl>\n"
}
