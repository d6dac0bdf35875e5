//! What the run was made of: data, parameters, files, versions.

use serde_json::Value;
use shared_model::figures::{Axis, Chart, Style, escape};
use shared_model::schema::TaskSchema;

use super::html::table;
use super::run_folder::{Kind, RunFolder};
use crate::cross_validation::EpochChoice;
use crate::data::DatasetSummary;

/// Molecules, conformers and positives.
pub(super) fn data(data: &DatasetSummary, schema: &TaskSchema) -> String {
    let mut header = vec!["Part", "Molecules", "Conformers"];
    header.extend(schema.tasks.iter().map(|task| task.name.as_str()));
    let rows: Vec<Vec<String>> = data
        .parts
        .iter()
        .map(|part| {
            let mut row = vec![escape(&part.name), part.molecules.to_string(), part.conformers.to_string()];
            row.extend(part.positives.iter().map(|&positives| {
                let share = 100.0 * positives as f64 / part.molecules.max(1) as f64;
                format!("{positives} <small>({share:.1} %)</small>")
            }));
            row
        })
        .collect();
    let mut body = table("Molecules, conformers, and positives of each task", &header, &rows);
    body += &format!("<p>{} 2D and {} 3D features.", data.features_2d, data.features_3d);
    if data.molecules_left_out > 0 {
        body += &format!(
            " Left out for want of a usable conformer: {} of the molecules.",
            data.molecules_left_out
        );
    }
    body += "</p>\n<div class=\"charts\">";
    let counts = &data.molecules_by_conformers;
    let highest = counts.iter().copied().max().unwrap_or(1) as f64;
    let x = Axis { label: "Conformers of a molecule", low: 0.5, high: counts.len() as f64 + 0.5 };
    let mut chart = Chart::new(x, Axis { label: "Molecules", low: 0.0, high: highest * 1.08 });
    for (index, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let conformers = index as f64 + 1.0;
        let title = format!("{count} molecules with {} conformers", index + 1);
        chart.bar("one", [conformers - 0.45, conformers + 0.45], count as f64, &title);
    }
    chart.name(Style::of_series(0), true, "molecules");
    let told: Vec<String> =
        counts.iter().enumerate().map(|(index, count)| format!("{count} with {}", index + 1)).collect();
    let description = format!("Molecules by number of conformers: {}.", told.join(", "));
    body += &chart.figure("Conformers per molecule", &description).html;
    body + "</div>\n"
}

/// Parameters, seed, hashes and versions.
pub(super) fn configuration(run: &RunFolder) -> String {
    let mut rows: Vec<[String; 2]> = vec![
        ["program".into(), run.producer.clone()],
        ["written".into(), run.created.clone()],
        ["device".into(), run.device.clone()],
        ["seed".into(), run.seed.to_string()],
        ["data set, SHA-256".into(), run.data_sha256.clone()],
    ];
    if let Kind::CrossValidation(summary) = &run.kind {
        rows.push(["most epochs of a fold".into(), summary.max_epochs.to_string()]);
        rows.push(["patience".into(), format!("{} epochs", summary.patience)]);
        rows.push(["epoch of a fold chosen on".into(), epoch_chosen_on(summary.epoch_chosen_on).into()]);
    }
    rows.extend(run.hashes.iter().map(|(name, hash)| [format!("{name}, SHA-256"), hash.clone()]));
    let run_table = left("Run", &["What", "Value"], &rows);

    let mut parameters = Vec::new();
    flatten("", &run.parameters, &mut parameters);
    run_table + &left("Parameters, defaults included", &["Parameter", "Value"], &parameters)
}

/// A table of text that begins on the left.
fn left(caption: &str, header: &[&str], rows: &[[String; 2]]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
    format!("<div class=\"left\">{}</div>", table(caption, header, &rows))
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, value, rows);
            }
        }
        Value::String(text) => rows.push([prefix.into(), text.clone()]),
        other => rows.push([prefix.into(), other.to_string()]),
    }
}

fn epoch_chosen_on(choice: EpochChoice) -> &'static str {
    match choice {
        EpochChoice::ReportedFold => "the validation molecules of the fold, which are the ones reported",
        EpochChoice::InnerSplit => "a fifth of the training molecules of the fold",
    }
}
