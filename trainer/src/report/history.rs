//! Losses and metrics by epoch.

use shared_model::figures::{Axis, Chart, Style};

use super::html::note;
use super::run_folder::{History, Kind, RunFolder};

/// Charts of the training, of one run or of all folds.
pub(super) fn charts(run: &RunFolder) -> String {
    let text = match run.kind {
        Kind::Training(_) => {
            "Validation loss that rises while the training loss falls is overfitting; the epoch is chosen by the macro \
             average precision, which may go on rising then. With few positives the metrics jump from epoch to epoch, \
             and the best of many jumps looks better than it is."
        }
        Kind::CrossValidation(_) => {
            "One line a fold. Each fold keeps the epoch with its best macro average precision; with few positives the \
             metrics jump from epoch to epoch, and the best of many jumps looks better than it is. The spread between \
             the folds is what another choice of molecules does."
        }
    };
    let body = match &run.histories[..] {
        [history] => of_run(run, history),
        histories => of_folds(histories),
    };
    format!("{}<div class=\"charts\">{body}</div>\n", note(text))
}

/// A chart of some columns of a run.
fn of_run(run: &RunFolder, history: &History) -> String {
    let tasks = |prefix: &str| -> Vec<(String, String)> {
        run.schema.tasks.iter().map(|task| (format!("{prefix}_{}", task.name), task.name.clone())).collect()
    };
    let named = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|&(column, name)| (column.to_owned(), name.to_owned())).collect()
    };
    let charts = [
        ("Loss", "Loss", named(&[("train_loss_total", "training"), ("val_loss_total", "validation")])),
        (
            "Overall metrics",
            "Metric",
            named(&[
                ("val_macro_ap", "macro average precision"),
                ("val_min_ap", "worst average precision"),
                ("val_macro_roc_auc", "macro ROC AUC"),
            ]),
        ),
        ("Average precision of each task", "Average precision", tasks("val_ap")),
        ("ROC AUC of each task", "ROC AUC", tasks("val_roc_auc")),
    ];
    let draw = |(title, label, columns): &(&str, &'static str, Vec<(String, String)>)| {
        let series: Vec<_> = columns
            .iter()
            .filter_map(|(column, name)| Some((history.column(column)?, name.clone())))
            .collect();
        chart(title, label, &series, Some(history.best_epoch))
    };
    charts.iter().map(draw).collect()
}

/// The same columns of all folds.
fn of_folds(histories: &[History]) -> String {
    let charts = [
        ("Macro average precision", "Average precision", "val_macro_ap"),
        ("Macro ROC AUC", "ROC AUC", "val_macro_roc_auc"),
        ("Training loss", "Loss", "train_loss_total"),
        ("Validation loss", "Loss", "val_loss_total"),
    ];
    let draw = |&(title, label, column): &(&str, &'static str, &str)| {
        let series: Vec<_> = histories
            .iter()
            .filter_map(|history| Some((history.column(column)?, history.name.clone())))
            .collect();
        chart(title, label, &series, None)
    };
    charts.iter().map(draw).collect()
}

fn chart(
    title: &str,
    label: &'static str,
    series: &[(Vec<(f64, f64)>, String)],
    best_epoch: Option<usize>,
) -> String {
    let points = || series.iter().flat_map(|(points, _)| points.iter().copied());
    let last = points().map(|(epoch, _)| epoch).fold(1.0, f64::max);
    let epochs = Axis { label: "Epoch", low: 1.0, high: last.max(2.0) };
    let mut chart = Chart::new(epochs, Axis::around(label, points().map(|(_, value)| value)));
    for (index, (points, name)) in series.iter().enumerate() {
        let style = Style::of_series(index);
        chart.line(style, if series.len() > 4 { "thin" } else { "" }, points.iter().copied());
        // Of very many folds the names would outgrow the chart.
        if series.len() <= 12 {
            chart.name(style, false, name.clone());
        }
    }
    if let Some(best) = best_epoch {
        chart.rule(best as f64, &format!("best epoch {best}"));
    }
    let ends: Vec<String> = series
        .iter()
        .filter_map(|(points, name)| Some((name, points.last()?.1)))
        .map(|(name, value)| format!("{name} {value:.3}"))
        .collect();
    let description = format!("{title} by epoch, 1 to {last}; at the end: {}.", ends.join(", "));
    chart.figure(title, &description).html
}
