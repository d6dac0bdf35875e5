//! One HTML file that tells a run: self-contained, readable without script, made from the run folder alone.

mod configuration;
mod folds;
mod history;
mod html;
mod performance;
mod precision;
mod run_folder;
mod search;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use shared_model::figures::escape;

use self::html::{estimate, page};
use self::performance::Performance;
use self::run_folder::{Kind, RunFolder, search_record};
use crate::atomic_file;
use crate::cross_validation::EpochChoice;
use crate::file_error::FileError;
use crate::prediction_table::PredictionTableError;
use crate::search::SearchRecord;

/// Why a run cannot be reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not the folder of a run.
    #[error("{folder} is not the folder of a finished run: give the --out folder of `optimil train`, `optimil cv` or `optimil hpo`", folder = folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// Predictions that cannot be used.
    #[error(transparent)]
    Predictions(#[from] PredictionTableError),
    /// A file of the run cannot be read, or the report not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Name of the report in its run folder.
pub const FILE: &str = "report.html";

/// Writes the report of a run folder.
///
/// # Errors
/// [`ReportError`] if it is none, or a file cannot be read or written.
pub fn write(folder: &Path, out: &Path) -> Result<(), ReportError> {
    let html = render(folder)?;
    atomic_file::write(out, |file| file.write_all(html.as_bytes()))
        .map_err(|error| FileError::unwritable(out, error).into())
}

/// The report of a run folder, as HTML.
///
/// # Errors
/// [`ReportError`] if it is none, or a file cannot be read.
pub fn render(folder: &Path) -> Result<String, ReportError> {
    let run = match (RunFolder::read(folder), search_record(folder)?) {
        // A search that was not followed by a training.
        (Err(ReportError::NoRun { .. }), Some(record)) => return Ok(render_search(&record)),
        (run, _) => run?,
    };
    let performance = Performance::new(&run);
    let title = match run.kind {
        Kind::Training(_) => "Training run",
        Kind::CrossValidation(_) => "Cross-validation",
    };
    let mut sections = vec![("tasks", "Tasks", performance.tables(&run))];
    if let Kind::CrossValidation(summary) = &run.kind {
        sections.push(("folds", "Folds", folds::folds(summary)));
        if !summary.ablations.is_empty() {
            sections.push(("ablations", "What conformers are worth", folds::ablations(summary)));
        }
    }
    if let Some(record) = &run.search {
        sections.push(("search", "Search", search::search(record)));
    }
    sections.push(("curves", "Ranking and calibration", performance.charts(&run)));
    sections.push(("training", "Training", history::charts(&run)));
    if let Some(precision) = precision::section(&run) {
        sections.push(("precision", "Mixed precision", precision));
    }
    if let Some(data) = &run.data {
        sections.push(("data", "Data", configuration::data(data, &run.schema)));
    }
    sections.push(("configuration", "Configuration", configuration::configuration(&run)));

    let mut body = format!(
        "<header><h1>{title}</h1><p class=\"lead\">{}</p>\n{}</header>\n<nav aria-label=\"Sections\">",
        escape(&lead(&run)),
        cards(&run, &performance)
    );
    for (id, heading, _) in &sections {
        body += &format!("<a href=\"#{id}\">{}</a>", escape(heading));
    }
    body += "</nav>\n<main>\n";
    for (id, heading, content) in &sections {
        body += &html::section(id, heading, content);
    }
    body += &format!("</main>\n<footer>{}, {}</footer>\n", escape(&run.producer), escape(&run.created));
    Ok(page(&format!("{title}, {}", run.created), &body))
}

/// The report of a search alone.
fn render_search(record: &SearchRecord) -> String {
    let body = format!(
        "<header><h1>Search</h1></header>\n<main>\n{}</main>\n<footer>{}, {}</footer>\n",
        html::section("search", "Search", &search::search(record)),
        escape(&record.producer),
        escape(&record.created)
    );
    page(&format!("Search, {}", record.created), &body)
}

/// What was done, and what the numbers are of.
fn lead(run: &RunFolder) -> String {
    match &run.kind {
        Kind::Training(training) => format!(
            "Trained on {} molecules. All numbers are of the {} molecules of the split “{}”, which also chose the \
             epoch ({} of {}): they are better than those of molecules that were never looked at, the more so the \
             fewer positives there are.",
            training.train_molecules,
            training.validation_molecules,
            training.validation_split,
            training.best_epoch,
            training.epochs
        ),
        Kind::CrossValidation(summary) => {
            let repeats =
                if summary.repeats > 1 { format!(", {} repeats", summary.repeats) } else { String::new() };
            let from = match summary.folds_from {
                crate::cross_validation::FoldSource::LabelTable => "of the label table",
                crate::cross_validation::FoldSource::Random => "drawn at random, stratified by the labels",
            };
            let chosen = match summary.epoch_chosen_on {
                EpochChoice::ReportedFold => {
                    "Each fold chose its epoch on its own validation molecules, the ones that are reported: the numbers \
                     are better than those of molecules that were never looked at, and clearly so where a fold has few \
                     positives."
                }
                EpochChoice::InnerSplit => {
                    "Each fold chose its epoch on a fifth of its training molecules; the ones that are reported were \
                     looked at once, at the end."
                }
            };
            format!(
                "{} folds {from}{repeats}. All numbers are of out-of-fold predictions: of each molecule by a model \
                 that was not trained on it. {chosen}",
                summary.folds
            )
        }
    }
}

fn cards(run: &RunFolder, performance: &Performance) -> String {
    let [precision, area] = performance.macros;
    let card = |value: String, label: &str| {
        format!("<div class=\"card\"><b>{value}</b><span>{}</span></div>", escape(label))
    };
    let mut cards = card(estimate(precision, 3), "macro average precision [95 % interval]");
    cards += &card(estimate(area, 3), "macro ROC AUC [95 % interval]");
    match &run.kind {
        Kind::Training(training) => {
            cards += &card(format!("{} of {}", training.best_epoch, training.epochs), "best epoch");
            cards += &card(training.validation_molecules.to_string(), "molecules validated");
        }
        Kind::CrossValidation(summary) => {
            let score = format!(
                "{} <small>± {}</small>",
                html::number(summary.score.mean),
                html::number(summary.score.std)
            );
            let label = format!(
                "fold score, {:.1} × macro + {:.1} × worst average precision, mean ± deviation over folds",
                1.0 - summary.min_w,
                summary.min_w
            );
            cards += &card(score, &label);
            let molecules = summary.tasks.first().map_or(0, |task| task.molecules);
            cards += &card(molecules.to_string(), "molecules validated");
        }
    }
    format!("<div class=\"cards\">{cards}</div>")
}
