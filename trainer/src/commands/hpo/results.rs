//! What a search leaves in its run folder, and the summary at its end.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use shared_model::bundle::SearchSummary;

use super::super::run_args::{BEST_PARAMETERS, Run};
use crate::atomic_file;
use crate::parameters::RunParameters;
use crate::search::session::Session;
use crate::search::space::Space;
use crate::search::{SearchRecord, Tally};
use crate::study::{Trial, best};

/// What came of a study so far.
pub(super) struct Results {
    study: String,
    record: SearchRecord,
    trials: Vec<Trial>,
    /// Parameters of a run with the best configuration; none if no trial was completed.
    pub best_parameters: Option<RunParameters>,
}

impl Results {
    /// Collects them.
    pub fn new(
        session: &Session,
        study: &str,
        storage: &str,
        space: &Space,
        run: &Run,
    ) -> anyhow::Result<Self> {
        let trials = session.trials()?;
        let best_parameters = best(&trials, Session::DIRECTION)
            .map(|best| {
                let parameters = space.complete(&run.given, &best.external_parameters());
                RunParameters::from_json(&Value::Object(parameters), &run.schema)
                    .with_context(|| format!("the parameters of the best trial, {}", best.number))
            })
            .transpose()?;
        let record = SearchRecord::new(study, storage, Session::DIRECTION, &trials);
        Ok(Self { study: study.into(), record, trials, best_parameters })
    }

    /// The search as a bundle tells it; none if no trial was completed.
    pub fn summary(&self) -> Option<SearchSummary> {
        self.record.summary.clone()
    }

    /// Writes `…_best_params.json`, `…_trials.csv`, and what the report is made of.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let writing = |path: &PathBuf| format!("{} cannot be written", path.display());
        if let Some(best) = &self.best_parameters {
            let path = folder.join(file_name(&self.study, BEST_PARAMETERS));
            let text = serde_json::to_vec_pretty(&best.resolved).expect("JSON values serialise");
            atomic_file::write(&path, |file| file.write_all(&text)).with_context(|| writing(&path))?;
        }
        let path = folder.join(SearchRecord::FILE);
        let text = serde_json::to_vec(&self.record).expect("plain data");
        atomic_file::write(&path, |file| file.write_all(&text)).with_context(|| writing(&path))?;
        let path = folder.join(file_name(&self.study, "_trials.csv"));
        atomic_file::write(&path, |file| write_trials(file, &self.trials)).with_context(|| writing(&path))
    }

    /// Tells a person what was found, and how to look at it.
    pub fn print(&self, storage: &str) {
        let tally = Tally::of(&self.trials);
        println!(
            "study {}: {} trials complete, {} pruned, {} failed",
            self.study, tally.complete, tally.pruned, tally.failed
        );
        if let Some(best) = best(&self.trials, Session::DIRECTION) {
            println!("best value {:.4}, trial {}:", best.value().unwrap_or(f64::NAN), best.number);
            let parameters = best.external_parameters();
            let width = parameters.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in &parameters {
                println!("  {name:width$}  {value}");
            }
        }
        if let Some(summary) = self.record.summary.as_ref().filter(|summary| !summary.importance.is_empty()) {
            println!("importance (share of what made trials good, 95 % interval):");
            for of in summary.importance.iter().take(8) {
                let shared_model::bundle::Interval { low, high } = of.interval;
                println!("  {:<28}  {:.2} [{low:.2}, {high:.2}]", of.parameter, of.share);
            }
        }
        println!("look at it with: optuna-dashboard {storage}");
    }
}

/// A file named after a study, whose name may hold anything.
fn file_name(study: &str, ending: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    study.chars().map(plain).collect::<String>() + ending
}

/// One row a trial, with the columns of Optuna's `trials_dataframe`.
fn write_trials(file: &mut impl Write, trials: &[Trial]) -> std::io::Result<()> {
    let names = |of: &dyn Fn(&Trial) -> Map<String, Value>| {
        let mut names: Vec<String> =
            trials.iter().flat_map(|trial| of(trial).into_iter()).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
    };
    let parameters = names(&Trial::external_parameters);
    let notes = names(&|trial| trial.user_attributes.clone());
    let mut table = csv::Writer::from_writer(file);
    let mut header: Vec<String> =
        ["number", "value", "datetime_start", "datetime_complete", "duration"].map(Into::into).into();
    header.extend(parameters.iter().map(|name| format!("params_{name}")));
    header.extend(notes.iter().map(|name| format!("user_attrs_{name}")));
    header.push("state".into());
    table.write_record(&header)?;
    let cell = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    for trial in trials {
        let external = trial.external_parameters();
        let time = |time: Option<jiff::Timestamp>| time.map_or_else(String::new, |time| time.to_string());
        let duration =
            trial.started.zip(trial.completed).map(|(from, to)| to.duration_since(from).as_secs_f64());
        let mut row = vec![
            trial.number.to_string(),
            trial.value().map_or_else(String::new, |value| value.to_string()),
            time(trial.started),
            time(trial.completed),
            duration.map_or_else(String::new, |seconds| format!("{seconds:.1}")),
        ];
        row.extend(parameters.iter().map(|name| cell(external.get(name))));
        row.extend(notes.iter().map(|name| cell(trial.user_attributes.get(name))));
        row.push(trial.state.name().into());
        table.write_record(&row)?;
    }
    table.flush()
}
