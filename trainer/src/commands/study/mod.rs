//! `optimil study`: looking at the studies of a storage, and taking things out of them.

mod export;
mod show;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::atomic_file;
use crate::study::{
    self, Access, Direction, Storage, StudyRecord, Trial, TrialState, retry_history, retry_of,
};
use crate::suggestion::did_you_mean;

#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    #[command(subcommand)]
    command: StudyCommand,
}

#[derive(Debug, Subcommand)]
enum StudyCommand {
    /// List the studies of a storage: direction, trials by state, best value
    List(ListArgs),
    /// Show the trials of a study
    Show(show::ShowArgs),
    /// Print the best parameters, as `optimil train --params` takes them
    Best(BestArgs),
    /// Write the trials as a table, or copy the study to another storage
    Export(export::ExportArgs),
    /// Have failed trials tried again by the next workers
    Retry(RetryArgs),
}

/// Which storage, and which study in it.
#[derive(Debug, Args)]
struct Chosen {
    /// Path of a journal file, sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE
    storage: String,
    /// Name of the study [default: the only one]
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Path of a journal file, sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE
    storage: String,
}

#[derive(Debug, Args)]
struct BestArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RetryArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Number of a failed trial; may be repeated [default: all that failed]
    #[arg(long, value_name = "NUMBER")]
    trial: Vec<u64>,
    /// Trials that were tried again so often are left alone
    #[arg(long, value_name = "N", default_value_t = 2)]
    limit: usize,
}

pub(super) fn run(args: &StudyArgs) -> anyhow::Result<()> {
    match &args.command {
        StudyCommand::List(args) => list(args),
        StudyCommand::Show(args) => show::run(args),
        StudyCommand::Best(args) => best(args),
        StudyCommand::Export(args) => export::run(args),
        StudyCommand::Retry(args) => retry(args),
    }
}

/// An opened study.
struct Opened {
    storage: Arc<dyn Storage>,
    study: StudyRecord,
    trials: Vec<Trial>,
}

impl Chosen {
    fn open(&self) -> anyhow::Result<Opened> {
        let storage = study::open(&self.storage, Access::Existing)?;
        let mut studies = storage.studies()?;
        let names = studies.iter().map(|study| study.name.clone()).collect::<Vec<_>>();
        let place = match &self.study {
            Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
                let meant = did_you_mean(name, names.iter().map(String::as_str));
                anyhow!("{} has no study \"{name}\"{meant}", storage.describe())
            })?,
            None => match names.len() {
                0 => bail!("{} has no study", storage.describe()),
                1 => 0,
                _ => bail!(
                    "{} has {} studies: choose one with --study, of {}",
                    storage.describe(),
                    names.len(),
                    names.join(", ")
                ),
            },
        };
        let study = studies.swap_remove(place);
        let trials = storage.trials(study.id)?;
        Ok(Opened { storage, study, trials })
    }
}

impl Opened {
    /// The best trial of a study with one objective.
    fn best(&self) -> anyhow::Result<&Trial> {
        let name = &self.study.name;
        let [direction] = self.study.directions[..] else {
            bail!(
                "the study \"{name}\" has {} objectives: none of its trials is the best",
                self.study.directions.len()
            )
        };
        let best = study::best(&self.trials, direction.unwrap_or(Direction::Minimize));
        best.with_context(|| format!("the study \"{name}\" has no complete trial yet"))
    }
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let storage = study::open(&args.storage, Access::Existing)?;
    let mut rows = Vec::new();
    for study in storage.studies()? {
        let trials = storage.trials(study.id)?;
        let opened = Opened { storage: storage.clone(), study, trials };
        let best = opened.best().ok().and_then(|trial| Some((trial.number, trial.value()?)));
        let of_state = |state| opened.trials.iter().filter(|trial| trial.state == state).count().to_string();
        let mut row =
            vec![opened.study.name.clone(), directions(&opened.study), opened.trials.len().to_string()];
        row.extend(TrialState::ALL.map(of_state));
        row.extend([
            best.map_or("-".into(), |(_, value)| format!("{value:.6}")),
            best.map_or("-".into(), |(number, _)| number.to_string()),
        ]);
        rows.push(row);
    }
    ensure!(!rows.is_empty(), "{} has no study", storage.describe());
    let header = [
        "study",
        "direction",
        "trials",
        "running",
        "complete",
        "pruned",
        "failed",
        "waiting",
        "best",
        "trial",
    ];
    print_table(&header.map(String::from), &rows)
}

fn directions(study: &StudyRecord) -> String {
    let name = |direction: &Option<Direction>| direction.map_or("not set", Direction::name).to_lowercase();
    study.directions.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn best(args: &BestArgs) -> anyhow::Result<()> {
    let opened = args.chosen.open()?;
    let best = opened.best()?;
    let text = serde_json::to_string_pretty(&best.external_parameters())? + "\n";
    let value = best.value().unwrap_or(f64::NAN);
    eprintln!("trial {} of \"{}\": {value}", best.number, opened.study.name);
    match &args.out {
        Some(path) => write(path, |file| file.write_all(text.as_bytes())),
        None => print(&text),
    }
}

fn retry(args: &RetryArgs) -> anyhow::Result<()> {
    let Opened { storage, study, trials } = args.chosen.open()?;
    for number in &args.trial {
        let trial = trials.iter().find(|trial| trial.number == *number);
        let trial = trial.ok_or_else(|| anyhow!("the study \"{}\" has no trial {number}", study.name))?;
        ensure!(trial.state == TrialState::Fail, "trial {number} did not fail: it is {}", trial.state.name());
    }
    let tried_again: Vec<_> = trials.iter().flat_map(retry_history).collect();
    let (mut queued, mut left) = (0, 0);
    for trial in trials.iter().filter(|trial| trial.state == TrialState::Fail) {
        if !args.trial.is_empty() && !args.trial.contains(&trial.number) {
            continue;
        }
        if tried_again.contains(&trial.number) || retry_history(trial).len() >= args.limit {
            left += 1;
            continue;
        }
        storage.create_trial(study.id, &retry_of(trial))?;
        queued += 1;
    }
    println!("{queued} failed trials are waiting to be tried again");
    if left > 0 {
        println!("{left} are left alone: they were tried again already, or {} times (--limit)", args.limit);
    }
    Ok(())
}

fn write<E: From<std::io::Error> + std::error::Error + Send + Sync + 'static>(
    path: &Path,
    content: impl FnOnce(&mut std::io::BufWriter<std::fs::File>) -> Result<(), E>,
) -> anyhow::Result<()> {
    atomic_file::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

/// Prints, and leaves it at that where nobody listens any more.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints rows below a header, numbers to the right.
fn print_table(header: &[String], rows: &[Vec<String>]) -> anyhow::Result<()> {
    let width = |column: usize| {
        let cells = std::iter::once(&header[column]).chain(rows.iter().map(|row| &row[column]));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    let is_number = |column: usize| {
        rows.iter().all(|row| matches!(row[column].as_str(), "" | "-") || row[column].parse::<f64>().is_ok())
    };
    let right: Vec<_> = (0..header.len()).map(is_number).collect();
    let mut text = String::new();
    for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        let cell = |(column, cell): (usize, &String)| match (right[column], widths[column]) {
            (true, width) => format!("{cell:>width$}"),
            (false, width) => format!("{cell:<width$}"),
        };
        let cells: Vec<_> = row.iter().enumerate().map(cell).collect();
        text += cells.join("  ").trim_end();
        text += "\n";
    }
    print(&text)
}

/// A value for people: real numbers with few digits.
fn short(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if number != 0.0 && !(1e-3..1e5).contains(&number.abs()) {
                format!("{number:.3e}")
            } else {
                format!("{number:.4}")
            }
        }
        other => study::cell_text(other),
    }
}
