//! The search that parameters come from: how it went on, what mattered, and where the good values lie.

use serde_json::Value;
use shared_model::bundle::SearchSummary;
use shared_model::figures::{self, Axis, Chart, escape, signed};

use super::html::{note, table};
use crate::search::{SearchRecord, TrialRecord};

/// Parameters with a chart of their own.
const SLICES: usize = 6;

/// The section of a search.
pub(super) fn search(record: &SearchRecord) -> String {
    let count = |state: &str| record.trials.iter().filter(|trial| trial.outcome.state == state).count();
    let mut body = note(
        "The value of a trial is the mean over its folds of the fold score. Each fold chose its epoch on its own validation \
         molecules, and the best of many trials was chosen by the same molecules: its value is better than what molecules \
         that were never looked at would give.",
    );
    let mut rows = vec![
        vec!["study".to_owned(), escape(&record.study)],
        vec!["kept in".into(), escape(&record.storage)],
    ];
    for (name, state) in [("complete", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL")] {
        rows.push(vec![format!("trials {name}"), count(state).to_string()]);
    }
    let Some(summary) = &record.summary else {
        return body + &table("Search", &["What", "Value"], &rows) + &note("No trial was completed.");
    };
    rows.push(vec!["best trial".into(), summary.best_trial.to_string()]);
    rows.push(vec!["its value".into(), signed(summary.best_value, 4)]);
    let seconds: f64 = record.trials.iter().filter_map(|trial| trial.seconds).sum();
    rows.push(vec!["time of all trials together".into(), format!("{:.2} h", seconds / 3600.0)]);
    body += &format!("<div class=\"left\">{}</div>", table("Search", &["What", "Value"], &rows));
    body += "<div class=\"charts\">";
    body += &figures::history(summary).html;
    body += &match figures::importance(summary) {
        Some(figure) => figure.html,
        None => note("There are too few complete trials to tell which parameters mattered."),
    };
    body += "</div>\n<div class=\"charts\">";
    for name in slices(record, summary) {
        body += &slice(record, &name);
    }
    body + "</div>\n" + &best(record, summary)
}

/// The parameters to draw: the most important ones, or the first that vary.
fn slices(record: &SearchRecord, summary: &SearchSummary) -> Vec<String> {
    let important: Vec<String> =
        summary.importance.iter().take(SLICES).map(|of| of.parameter.clone()).collect();
    if !important.is_empty() {
        return important;
    }
    let mut names: Vec<String> =
        record.trials.iter().flat_map(|trial| trial.parameters.keys().cloned()).collect();
    names.sort();
    names.dedup();
    let varies = |name: &String| {
        let mut values = record.trials.iter().filter_map(|trial| trial.parameters.get(name));
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    names.into_iter().filter(varies).take(SLICES).collect()
}

/// Values of the trials by one parameter.
fn slice(record: &SearchRecord, name: &str) -> String {
    let points: Vec<(&TrialRecord, &Value, f64)> = record
        .trials
        .iter()
        .filter_map(|trial| Some((trial, trial.parameters.get(name)?, trial.outcome.value?)))
        .collect();
    let numbers: Option<Vec<f64>> = points.iter().map(|(_, value, _)| value.as_f64()).collect();
    let scores = Axis::around("Value", points.iter().map(|(_, _, score)| *score));
    let (mut chart, positions) = match numbers {
        Some(numbers) => {
            let (low, high) = numbers
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
            let logarithmic = low > 0.0 && high / low >= 20.0;
            let place = |x: &f64| if logarithmic { x.log10() } else { *x };
            let positions: Vec<f64> = numbers.iter().map(place).collect();
            let label = if logarithmic { "Parameter, log₁₀" } else { "Parameter" };
            (Chart::new(Axis::around(label, positions.iter().copied()), scores), positions)
        }
        None => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
            let mut names: Vec<String> = points.iter().map(|(_, value, _)| text(value)).collect();
            names.sort();
            names.dedup();
            let place =
                |value: &Value| names.iter().position(|known| *known == text(value)).unwrap_or(0) as f64;
            let positions = points.iter().map(|(_, value, _)| place(value)).collect();
            let axis = Axis { label: "Choice", low: -0.5, high: names.len() as f64 - 0.5 };
            let mut chart = Chart::new(axis, scores);
            for (index, name) in names.iter().enumerate() {
                chart.text_above(index as f64, name);
            }
            (chart, positions)
        }
    };
    for ((trial, _, score), x) in points.iter().zip(positions) {
        figures::trial_dot(&mut chart, &trial.outcome, x, *score);
    }
    chart.figure(name, &format!("Values of {} trials by {name}.", points.len())).html
}

/// The parameters of the best trial.
fn best(record: &SearchRecord, summary: &SearchSummary) -> String {
    let best = record.trials.iter().find(|trial| trial.outcome.number == summary.best_trial);
    let rows: Vec<Vec<String>> = best
        .iter()
        .flat_map(|trial| &trial.parameters)
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
            vec![escape(name), escape(&text)]
        })
        .collect();
    let caption = format!("Parameters of the best trial, {}", summary.best_trial);
    format!("<div class=\"left\">{}</div>", table(&caption, &["Parameter", "Value"], &rows))
}
