//! `optimil study export`

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure};
use clap::Args;

use super::{Chosen, Opened, write};
use crate::column_table;
use crate::study::{self, Access, NewTrial, Scope, TrialState, trial_table, write_json, write_table};

#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["out", "to"])]
pub(super) struct ExportArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// A table with the columns of Optuna's trials_dataframe: .csv, .json or .parquet
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Another storage, which must not have a study of this name
    #[arg(long, value_name = "STORAGE")]
    to: Option<String>,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let out = args.out.as_deref().map(Format::of).transpose()?;
    let opened = args.chosen.open()?;
    match (&args.to, out) {
        (Some(to), _) => copy(&opened, to),
        (None, Some((path, format))) => {
            let columns = trial_table(&opened.study, &opened.trials);
            write(path, |file| match format {
                Format::Table(format) => write_table(&columns, file, format),
                Format::Json => write_json(&columns, file).map_err(io::Error::from),
            })?;
            println!("{} trials written to {}", opened.trials.len(), path.display());
            Ok(())
        }
        (None, None) => bail!("give --out or --to"),
    }
}

enum Format {
    Table(column_table::Format),
    Json,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<(&Path, Self)> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            return Ok((path, Self::Json));
        }
        let Ok(format) = column_table::Format::of(path) else {
            bail!(
                "{}: a table is written as .csv, .json or .parquet: give it one of these endings",
                path.display()
            )
        };
        Ok((path, Self::Table(format)))
    }
}

/// Copies a study. Trials keep their numbers; one that runs is left as failed, since its worker knows nothing of the copy.
fn copy(opened: &Opened, to: &str) -> anyhow::Result<()> {
    let Opened { study, trials, .. } = opened;
    let [Some(direction)] = study.directions[..] else {
        bail!("the study \"{}\" has not one direction: only such studies can be copied", study.name)
    };
    let target = study::open(to, Access::Create)?;
    if let Some(warning) = target.warning() {
        eprintln!("optimil: {warning}");
    }
    let exists = target.studies()?.iter().any(|other| other.name == study.name);
    ensure!(!exists, "{} has a study \"{}\" already", target.describe(), study.name);
    let id = target.create_study(&study.name, direction)?;
    let fill = || -> Result<(), study::StorageError> {
        for (scope, attributes) in
            [(Scope::User, &study.user_attributes), (Scope::System, &study.system_attributes)]
        {
            for (key, value) in attributes {
                target.set_study_attribute(id, scope, key, value)?;
            }
        }
        for trial in trials {
            let state = if trial.state == TrialState::Running { TrialState::Fail } else { trial.state };
            let new = NewTrial {
                state,
                value: trial.value(),
                started: trial.started,
                completed: trial.completed,
                parameters: trial.parameters.clone(),
                intermediate: trial.intermediate.clone(),
                user_attributes: trial.user_attributes.clone(),
                system_attributes: trial.system_attributes.clone(),
            };
            target.create_trial(id, &new)?;
        }
        Ok(())
    };
    if let Err(error) = fill() {
        let _ = target.delete_study(id);
        return Err(anyhow!(error));
    }
    println!("{} trials of \"{}\" copied to {}", trials.len(), study.name, target.describe());
    Ok(())
}
