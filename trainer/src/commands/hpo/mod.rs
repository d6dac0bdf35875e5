//! `optimil hpo`

mod choices;
mod display;
mod enqueue;
mod results;

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use self::choices::{PrunerArgs, SamplerArgs};
use self::display::Display;
use self::results::Results;
use super::config_file::ResolvedOptions;
use super::cv;
use super::interruption::{Interrupted, Interruption};
use super::run_args::{Run, RunArgs};
use super::tables::{note, schema};
use super::train::{ExportArgs, Fitting};
use crate::atomic_file;
use crate::cross_validation::FoldPlan;
use crate::data::{Dataset, Splits, TRAIN_SPLIT};
use crate::parameters::RunParameters;
use crate::report;
use crate::search::jobs::{self, AtATime, Throughput};
use crate::search::objective::CrossValidated;
use crate::search::session::{SearchSettings, Session};
use crate::search::space::Space;
use crate::search::worker::{Ending, Limits, work};
use crate::study::{self, Access};
use crate::training::{Checkpoint, Footprint, Partition, TrainSettings, measure};

#[derive(Debug, Args)]
pub(super) struct HpoArgs {
    #[command(flatten)]
    run: RunArgs,
    /// What is searched: v2, v1, or a TOML file
    #[arg(long, value_name = "SPACE", default_value = Space::DEFAULT)]
    space: String,
    /// Print the search space, what differs from the default one, and end
    #[arg(long)]
    print_space: bool,
    /// Where the study is kept: the path of a journal file, or a URL [default: study.journal in the run folder]
    #[arg(long, value_name = "STORAGE")]
    storage: Option<String>,
    /// Name of the study, begun or gone on with
    #[arg(long, value_name = "NAME", default_value = "hpo")]
    study: String,
    /// Trials of the whole study, by all workers together: complete and pruned ones count
    #[arg(long, value_name = "N", default_value_t = 100)]
    trials: u64,
    /// No trial begins after this time, as 90s, 30m or 12h
    #[arg(long, value_name = "TIME")]
    timeout: Option<Time>,
    /// Trials at a time on this machine, or auto: what is fastest, by a short measurement
    #[arg(long, value_name = "N|auto", default_value = "1")]
    jobs: Jobs,
    /// Folds of a trial at a time [default: 1; with --jobs auto what is fastest and trials leave over]
    #[arg(long, value_name = "N")]
    fold_jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    sampler: SamplerArgs,
    #[command(flatten)]
    pruner: PrunerArgs,
    /// Random folds, stratified by the labels [default: the folds of the label table, or 5 if it has none]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..))]
    folds: Option<u32>,
    /// Parameters to try first (JSON), as known to be good; may be repeated
    #[arg(long, value_name = "FILE")]
    enqueue: Vec<PathBuf>,
    /// How often a trial is tried again whose worker died, or that failed for a reason that may pass
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: usize,
    /// Seconds between two signs of life; a worker that is silent for twice as long is taken for dead
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    heartbeat: u32,
    /// Search only: no final training, and no waiting for the trials of other workers
    #[arg(long)]
    no_final: bool,
    #[command(flatten)]
    export: ExportArgs,
    /// Run folder: study, log, best parameters, and what `optimil train` leaves for them
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
}

/// Trials at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jobs {
    Auto,
    Count(NonZeroUsize),
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            count => count.parse().map(Self::Count).map_err(|_| "give a number above 0, or auto".into()),
        }
    }
}

/// A length of time: a number with s, m or h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("", 1.0)];
        let seconds = units.into_iter().find_map(|(unit, seconds)| {
            let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            (number.is_finite() && number > 0.0).then_some(number * seconds)
        });
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Self)
            .ok_or_else(|| "give a time above 0, as 90s, 30m or 12h".into())
    }
}

pub(super) fn run(args: &HpoArgs, options: &ResolvedOptions) -> anyhow::Result<()> {
    if args.print_space {
        let schema = schema(args.run.schema.as_ref())?;
        let mut space = Space::open(&args.space, &schema)?;
        space.fix(&args.run.set, &schema)?;
        let default = Space::named(Space::DEFAULT, &schema).expect("the default space");
        print!("{}", space.to_toml(&default));
        return Ok(());
    }
    // What `--set` fixes belongs to the space: whether it fits depends on what is drawn beside it.
    let run = RunArgs { set: Vec::new(), ..args.run.clone() }.resolve()?;
    let mut space = Space::open(&args.space, &run.schema)?;
    space.fix(&args.run.set, &run.schema)?;
    anyhow::ensure!(
        args.storage.as_deref().is_none_or(|storage| !storage.contains("://")) || args.study != "hpo",
        "a storage that others use needs a name for this study: give --study NAME"
    );
    let known_good = enqueue::read(&args.enqueue, &space, &run)?;

    let names = [TRAIN_SPLIT, args.export.validation_split.as_str()];
    // All workers read the same, so that they agree on what the data are.
    let dataset = args.run.load(&run, &Splits::named(names))?;
    let fitting =
        (!args.no_final).then(|| Fitting::prepare(&args.export, &dataset, &args.out)).transpose()?;
    let plan = cv::fold_plan(&dataset, args.folds, 1, args.run.seed)?;
    note(plan.notice(&dataset));
    let settings = args.run.settings(&run);
    fs::create_dir_all(&args.out)
        .with_context(|| format!("the run folder {} cannot be created", args.out.display()))?;
    // As given: what is left open is not fixed, and what is searched may not be.
    let mut noted = run.clone();
    noted.parameters.resolved.clone_from(&run.given);
    args.run.write_configuration(&args.out, "hpo", options, &noted, &dataset)?;
    write(&args.out.join("space.toml"), &space.to_toml(&default_space(&run)))?;

    let place = args.storage.clone().unwrap_or_else(|| args.out.join("study.journal").display().to_string());
    let storage = study::open(&place, Access::Create)?;
    note(storage.warning());
    let sampler = args.sampler.build(args.run.seed, &space);
    let search = SearchSettings {
        seed: args.run.seed,
        budget: Some(args.trials),
        retries: args.retries,
        heartbeat: Duration::from_secs(args.heartbeat.into()),
    };
    let identity = identity(&run, &dataset, &plan, &settings);
    let session = Session::open(
        &*storage,
        &args.study,
        &identity,
        &space,
        &run.given,
        &*sampler,
        search,
        &run.device.description,
    )?;
    for configuration in known_good {
        session.enqueue(configuration)?;
    }

    let interruption = Interruption::listen().context("signals cannot be received")?;
    let at_a_time = at_a_time(args, &run, &space, &dataset, &plan, &settings)?;
    let objective = CrossValidated {
        dataset: &dataset,
        plan: &plan,
        settings: &settings,
        device: &run.device.description,
        fold_jobs: at_a_time.folds,
    };
    let pruner = args.pruner.build(objective.axis());
    eprintln!(
        "study {} in {}: {} trials of {} folds, {} parameters searched, {at_a_time} on {}",
        args.study,
        storage.describe(),
        args.trials,
        plan.rounds().len(),
        space.searched().count(),
        run.device.description
    );
    let limits = Limits {
        deadline: args.timeout.map(|time| Instant::now() + time.0),
        waits_for_others: !args.no_final,
    };
    let display = Display::begin(&session, &args.out.join("trials.log"), args.trials, at_a_time)?;
    let ending =
        work(&session, &objective, &*pruner, at_a_time.trials, limits, interruption.requested(), &|event| {
            display.show(&event)
        });
    display.finish();
    let ending = ending?;

    let results = Results::new(&session, &args.study, &storage.describe(), &space, &run)?;
    results.write(&args.out)?;
    if let Ending::Signal(signal) = ending {
        let sentence = format!(
            "stopped by signal {signal}; what ran was handed back to the study: go on with the same command"
        );
        return Err(Interrupted::new(sentence, signal).into());
    }
    results.print(&storage.describe());
    let Some(fitting) = fitting else {
        report::write(&args.out, &args.out.join(report::FILE))?;
        println!("report: {}", args.out.join(report::FILE).display());
        return Ok(());
    };
    let best = results.best_parameters.as_ref().with_context(|| {
        format!(
            "no trial was completed, so that there are no best parameters to train on: the log is in {}",
            args.out.join("trials.log").display()
        )
    })?;
    eprintln!("final training on the best parameters");
    // A final training that was interrupted goes on, if it was of the same parameters.
    let kept =
        Checkpoint::read(&args.out)?.filter(|kept| kept.check(&fitting.identity(best, &settings)).is_ok());
    fitting.run(best, results.summary(), &settings, &run.device, kept, interruption)
}

fn default_space(run: &Run) -> Space {
    Space::named(Space::DEFAULT, &run.schema).expect("the default space")
}

/// What values depend on, beside the parameters that are searched.
fn identity(run: &Run, dataset: &Dataset, plan: &FoldPlan, settings: &TrainSettings) -> Value {
    json!({
        "data_sha256": dataset.sha256(),
        "parameters": run.given,
        "max_epochs": settings.max_epochs,
        "patience": settings.patience,
        "precision": settings.precision.to_string(),
        "folds": plan.folds(),
        "folds_from": plan.source(),
        "fold_seed": if plan.source() == crate::cross_validation::FoldSource::Random { settings.seed } else { 0 },
    })
}

/// How much is done at a time: what was asked for, or what is fastest together.
fn at_a_time(
    args: &HpoArgs,
    run: &Run,
    space: &Space,
    dataset: &Dataset,
    plan: &FoldPlan,
    settings: &TrainSettings,
) -> anyhow::Result<AtATime> {
    if let Jobs::Count(trials) = args.jobs {
        return Ok(AtATime { trials: trials.get(), folds: args.fold_jobs.map_or(1, NonZeroUsize::get) });
    }
    let round = &plan.rounds()[0];
    let partition = Partition { train: &round.fold.train, validation: &round.fold.validation };
    // A point in the middle of the space stands for its trials.
    let middle = space.draw(&run.given, |_, distribution| distribution.middle()).parameters;
    let middle = RunParameters::from_json(&middle.into(), &run.schema).unwrap_or(run.parameters.clone());
    let footprint = Footprint::estimate(dataset, partition, &middle)?;
    let most = choices::most_jobs(&run.device, &footprint);
    eprintln!("measuring how many trainings at a time are fastest, up to {most}");
    let measured = jobs::fastest(most, |jobs| {
        jobs::side_by_side(jobs, || measure(dataset, partition, &middle, settings))
            .map(|measured| measured.iter().map(|measured| 1.0 / measured.seconds_per_batch).sum())
    })?;
    for Throughput { jobs, batches_per_second } in &measured {
        eprintln!("  {jobs} at a time: {batches_per_second:.2} batches a second");
    }
    let trainings = measured.last().expect("one was measured").jobs;
    let folds = args.fold_jobs.map(NonZeroUsize::get);
    Ok(AtATime::share(trainings, args.trials, plan.rounds().len(), folds))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    atomic_file::write(path, |file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}
