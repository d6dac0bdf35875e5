//! A search of hyper-parameters, as charts.

use super::chart::{Axis, Chart, Figure, ForestRow, Style, forest};
use crate::bundle::{SearchSummary, SearchTrial};

/// Parameters in the chart of importance.
const MOST_IMPORTANT: usize = 12;
/// The styles of complete and of pruned trials.
const COMPLETE: &str = "one";
const PRUNED: &str = "two";

/// Every trial by its number, and the best so far.
pub fn history(summary: &SearchSummary) -> Figure {
    let valued = || summary.trials.iter().filter_map(|trial| Some((trial, trial.value?)));
    let last = summary.trials.len().max(2) as f64 - 1.0;
    let numbers = Axis { label: "Trial", low: 0.0, high: last };
    let mut chart = Chart::new(numbers, Axis::around("Value", valued().map(|(_, value)| value)));
    let mut best = f64::NEG_INFINITY;
    let mut steps = Vec::new();
    for (trial, value) in valued().filter(|(trial, _)| trial.state == "COMPLETE") {
        if value > best {
            steps.extend([(trial.number as f64, best), (trial.number as f64, value)]);
            best = value;
        }
    }
    steps.retain(|(_, value)| value.is_finite());
    steps.push((last, best));
    chart.line(Style::BASELINE, "", steps.into_iter());
    for (trial, value) in valued() {
        trial_dot(&mut chart, trial, trial.number as f64, value);
    }
    name_trial_states(&mut chart, &summary.trials);
    chart.name(Style::BASELINE, false, "best so far");
    let description = format!(
        "Values of {} trials in their order; the best, {:.4}, is trial {}.",
        valued().count(),
        summary.best_value,
        summary.best_trial
    );
    chart.figure("History", &description)
}

/// What each parameter had to do with good trials; none where there are too few trials to tell.
pub fn importance(summary: &SearchSummary) -> Option<Figure> {
    if summary.importance.is_empty() {
        return None;
    }
    let rows: Vec<ForestRow> = summary
        .importance
        .iter()
        .take(MOST_IMPORTANT)
        .map(|of| ForestRow {
            name: of.parameter.clone(),
            value: of.share,
            interval: [of.interval.low, of.interval.high],
        })
        .collect();
    let told: Vec<String> = rows.iter().map(|row| format!("{} {:.2}", row.name, row.value)).collect();
    let description = format!(
        "Share of each parameter in what set the best tenth of the trials apart (PED-ANOVA), with 95 % intervals: {}.",
        told.join(", ")
    );
    Some(forest("Importance of the parameters", &description, "Share, 95 % interval", &rows))
}

/// A trial as a dot of its state.
pub fn trial_dot(chart: &mut Chart, trial: &SearchTrial, x: f64, value: f64) {
    let colour = if trial.state == "COMPLETE" { COMPLETE } else { PRUNED };
    let title = format!("trial {}, {}: {value:.4}", trial.number, trial.state.to_lowercase());
    chart.dot(colour, x, value, &title);
    chart.read_out(x, value, title);
}

/// The states of the trials in the legend.
pub fn name_trial_states(chart: &mut Chart, trials: &[SearchTrial]) {
    for (colour, state, name) in [(COMPLETE, "COMPLETE", "complete"), (PRUNED, "PRUNED", "pruned")] {
        if trials.iter().any(|trial| trial.state == state && trial.value.is_some()) {
            chart.name(Style { colour, dash: "" }, true, name);
        }
    }
}
