//! `optimil train`

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use shared_model::bags::Bags;
use shared_model::bundle::{BundleContents, DataSource, Molecule, TrainingSummary};

use super::config_file::ResolvedOptions;
use super::dry_run;
use super::interruption::{Interrupted, Interruption};
use super::mixed_precision;
use super::predict::attention_table;
use super::progress;
use super::run_args::RunArgs;
use crate::atomic_file;
use crate::bundle_file;
use crate::cross_validation::FoldStore;
use crate::data::{Dataset, DatasetSummary, Splits, TRAIN_SPLIT};
use crate::device::{Device, DeviceModel};
use crate::parameters::RunParameters;
use crate::prediction_table::{Parts, PredictionTable};
use crate::report;
use crate::training::{
    Checkpoint, EpochRecord, Partition, Progress, RunControl, RunIdentity, TrainError, TrainedModel,
    train_controlled, write_history,
};

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Split that chooses the epoch, and whose predictions are exported
    #[arg(long, value_name = "NAME", default_value = "leaderboard")]
    validation_split: String,
    /// Coordinates of the conformers (SD file, may be gzipped; properties ID and conf_id), to travel in the bundle
    #[arg(long, value_name = "FILE")]
    conformers: Option<PathBuf>,
    /// Licence of the data, to be shown with the model
    #[arg(long, requires = "citation")]
    licence: Option<String>,
    /// Citation of the data, to be shown with the model
    #[arg(long, requires = "licence")]
    citation: Option<String>,
    /// Check everything, try some steps, tell what the run would take, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Run folder: bundle, metrics per epoch, predictions, parameters
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Go on with the unfinished run in the run folder, if there is one
    #[arg(long)]
    resume: bool,
}

pub(super) fn run(args: &TrainArgs, options: &ResolvedOptions) -> anyhow::Result<()> {
    let kept = unfinished_run(args)?;
    if kept.is_none() && is_finished(&args.out) {
        eprintln!("note: the run in {} is finished", args.out.display());
        return Ok(());
    }
    let run = args.run.resolve()?;
    let splits = Splits::named([TRAIN_SPLIT, args.validation_split.as_str()]);
    let dataset = args.run.load(&run, &splits)?;
    let train_rows = dataset.split_rows(TRAIN_SPLIT)?;
    let validation_rows = dataset.split_rows(&args.validation_split)?;
    let (molecules, bags) = bundle_file::molecules(&dataset, &validation_rows);
    let conformers =
        args.conformers.as_deref().map(|path| bundle_file::read_conformers(path, &molecules)).transpose()?;
    if args.dry_run {
        let parts = [(TRAIN_SPLIT, &*train_rows), (&args.validation_split, &validation_rows)];
        return dry_run::report(&args.run, &run, options, &dataset, parts, &args.out);
    }
    let settings = args.run.settings(&run);
    let partition = Partition { train: &train_rows, validation: &validation_rows };
    if let Some(kept) = &kept {
        kept.check(&RunIdentity::new(&dataset, partition, &run.parameters, &settings))
            .with_context(|| args.out.display().to_string())?;
    }
    fs::create_dir_all(&args.out)
        .with_context(|| format!("the run folder {} cannot be created", args.out.display()))?;
    args.run.write_configuration(&args.out, "train", options, &run, &dataset)?;

    eprintln!(
        "training on {} molecules, validating on {} ({} conformers, {} + {} features), on {}",
        train_rows.len(),
        validation_rows.len(),
        dataset.bags().x3d().rows(),
        dataset.names_2d().len(),
        dataset.names_3d().len(),
        run.device.description
    );
    if let Some(kept) = &kept {
        eprintln!("resuming after epoch {}", kept.epochs());
    }
    let interruption = Interruption::listen().context("signals cannot be received")?;
    let mut display = Display::new(settings.max_epochs);
    let mut finished = kept.as_ref().map_or(0, Checkpoint::epochs);
    let control = RunControl { folder: Some(&args.out), resume: kept, stop: Some(interruption.requested()) };
    let result = train_controlled(&dataset, partition, &run.parameters, &settings, control, |progress| {
        if let Progress::Epoch(record, _) = progress {
            finished = record.epoch;
        }
        display.show(&progress);
    });
    display.finish();
    drop(interruption);
    let (trained, divergence) = match result {
        Ok(trained) => (trained, None),
        Err(TrainError::NotFinite { loss, value, epoch, best: Some(best) }) => {
            (*best, Some(TrainError::NotFinite { loss, value, epoch, best: None }))
        }
        Err(error) => return Err(unfinished(error, &args.out, finished)),
    };

    let summary = summary(args, &dataset, partition, &trained, &run.device.description);
    export(
        args,
        &run.device.device,
        &dataset,
        (molecules, bags, conformers),
        &trained,
        &run.parameters,
        summary.clone(),
    )?;
    write_report(args, &dataset, partition, &trained)?;
    print_summary(&summary, &args.out);
    match divergence {
        None => Ok(Checkpoint::remove(&args.out)?),
        Some(error) => Err(anyhow::Error::from(error).context(format!(
            "training ended early; the model of the best epoch, {}, is in {}, and the run up to epoch {finished} is \
             kept",
            summary.best_epoch,
            args.out.join("model.optimil").display()
        ))),
    }
}

/// Predictions of the validation molecules, what the data are, and the report that is made of the run folder.
fn write_report(
    args: &TrainArgs,
    dataset: &Dataset,
    partition: Partition,
    trained: &TrainedModel,
) -> anyhow::Result<()> {
    let out = |name: &str| args.out.join(name);
    let writing = |name: &str| format!("{} cannot be written", out(name).display());
    let splits = Parts::Splits(vec![args.validation_split.clone(); partition.validation.len()]);
    let probabilities = trained.evaluation.probabilities.clone();
    let predictions = PredictionTable::of_rows(dataset, partition.validation, splits, probabilities);
    predictions.write_csv(&out("predictions.csv")).with_context(|| writing("predictions.csv"))?;
    let parts = [(TRAIN_SPLIT, partition.train), (&args.validation_split, partition.validation)];
    let summary = serde_json::to_vec_pretty(&DatasetSummary::new(dataset, &parts)).expect("plain data");
    atomic_file::write(&out(DatasetSummary::FILE), |file| std::io::Write::write_all(file, &summary))
        .with_context(|| writing(DatasetSummary::FILE))?;
    Ok(report::write(&args.out, &out(report::FILE))?)
}

/// The state of the run in the run folder, if one was begun there and not finished.
fn unfinished_run(args: &TrainArgs) -> anyhow::Result<Option<Checkpoint>> {
    let holds = |what: &str| format!("{} holds {what}", args.out.display());
    anyhow::ensure!(!FoldStore::is_claimed(&args.out), holds("a cross-validation: choose another folder"));
    if args.resume {
        return Ok(Checkpoint::read(&args.out)?);
    }
    anyhow::ensure!(
        !Checkpoint::path(&args.out).exists(),
        holds("an unfinished run: go on with it by adding --resume, or choose another folder")
    );
    anyhow::ensure!(
        !is_finished(&args.out),
        holds("a finished run: choose another folder, or remove this one")
    );
    Ok(None)
}

/// What to tell of a run that ended before its time.
fn unfinished(error: TrainError, folder: &Path, finished: usize) -> anyhow::Error {
    let advice = match finished {
        0 => "no epoch was finished, so there is nothing to resume".to_owned(),
        _ => format!(
            "the run up to epoch {finished} is kept in {}: go on with the same command and --resume",
            folder.display()
        ),
    };
    match error {
        TrainError::Stopped { signal } => {
            Interrupted::new(format!("stopped by signal {signal}; {advice}"), signal).into()
        }
        TrainError::Device { .. } | TrainError::Folder(_) => anyhow::anyhow!("{error}; {advice}"),
        _ => error.into(),
    }
}

/// Whether a folder holds a training run, finished or not.
pub(super) fn holds_run(folder: &Path) -> bool {
    is_finished(folder) || Checkpoint::path(folder).exists()
}

fn is_finished(folder: &Path) -> bool {
    folder.join(FINISHED).exists()
}

/// What a finished run always has.
const FINISHED: &str = "run_meta.json";

/// Progress on a terminal; one line an epoch elsewhere.
struct Display {
    bar: ProgressBar,
    max_epochs: usize,
}

impl Display {
    fn new(max_epochs: usize) -> Self {
        Self { bar: progress::bar(), max_epochs }
    }

    fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Batch { epoch, done, of } => {
                self.bar.set_length((self.max_epochs * of) as u64);
                self.bar.set_position(((epoch - 1) * of + done) as u64);
                self.bar.set_message(format!("epoch {epoch} of at most {}", self.max_epochs));
            }
            Progress::Epoch(record, is_best) => self.line(&epoch_line(record, *is_best)),
        }
    }

    fn line(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn epoch_line(record: &EpochRecord, is_best: bool) -> String {
    format!(
        "epoch {:>3}  loss {:.4} / {:.4}  macro AP {:.4}  min AP {:.4}  macro ROC AUC {:.4}  {:.0} s{}",
        record.epoch,
        record.train_losses.total,
        record.validation_losses.total,
        record.metrics.macro_ap(),
        record.metrics.min_ap(),
        record.metrics.macro_roc_auc(),
        record.seconds,
        if is_best { "  best" } else { "" }
    )
}

fn summary(
    args: &TrainArgs,
    dataset: &Dataset,
    partition: Partition,
    trained: &TrainedModel,
    device: &str,
) -> TrainingSummary {
    let evaluation = &trained.evaluation;
    TrainingSummary {
        data_sha256: dataset.sha256(),
        seed: args.run.seed,
        device: device.into(),
        epochs: trained.history.len(),
        best_epoch: trained.history[trained.best].epoch,
        train_molecules: partition.train.len(),
        validation_split: args.validation_split.clone(),
        validation_molecules: partition.validation.len(),
        macro_average_precision: evaluation.metrics.macro_ap(),
        macro_roc_auc: evaluation.metrics.macro_roc_auc(),
        tasks: evaluation.summarise(dataset, partition.validation, args.run.seed),
        mixed_precision: trained.mixed_precision.clone(),
    }
}

fn export(
    args: &TrainArgs,
    device: &Device,
    dataset: &Dataset,
    (molecules, bags, conformers): (Vec<Molecule>, Bags, Option<Vec<u8>>),
    trained: &TrainedModel,
    parameters: &RunParameters,
    summary: TrainingSummary,
) -> anyhow::Result<()> {
    let out = |name: &str| args.out.join(name);
    let model = DeviceModel::load(&trained.config, &trained.weights, device)?;
    let table = attention_table(slice::from_ref(&model), &[], dataset.schema(), &molecules, &bags)?;
    let data_source = args.licence.clone().zip(args.citation.clone());
    let data_source = data_source.map(|(licence, citation)| DataSource { licence, citation });
    let manifest =
        bundle_file::manifest(dataset.schema(), dataset.names_2d(), dataset.names_3d(), data_source);
    let run_meta = json!({ "producer": manifest.producer, "created": manifest.created, "training": summary });
    let contents = BundleContents {
        manifest,
        models: vec![bundle_file::trained_model(trained, parameters, summary)],
        molecules: Some((molecules, bags)),
        conformers,
    };
    let writing = |name: &str| format!("{} cannot be written", out(name).display());
    bundle_file::write(&out("model.optimil"), &contents).with_context(|| writing("model.optimil"))?;
    write_history(&out("metrics.csv"), dataset.schema(), &trained.history)
        .with_context(|| writing("metrics.csv"))?;
    table.write(&out("leaderboard_attn.csv"))?;
    for (name, value) in [("params.json", parameters.resolved.clone().into()), (FINISHED, run_meta)] {
        let text = serde_json::to_vec_pretty(&value).expect("JSON values serialise");
        atomic_file::write(&out(name), |file| std::io::Write::write_all(file, &text))
            .with_context(|| writing(name))?;
    }
    Ok(())
}

fn print_summary(summary: &TrainingSummary, out: &Path) {
    println!(
        "best epoch {} of {}, on the {} molecules of split {} (95 % bootstrap intervals):",
        summary.best_epoch, summary.epochs, summary.validation_molecules, summary.validation_split
    );
    let width = summary.tasks.iter().map(|task| task.task.len()).max().unwrap_or(0);
    println!("{:width$}  positives  {:<22}  {:<22}", "task", "average precision", "ROC AUC");
    for task in &summary.tasks {
        let interval = |value: f64, interval: shared_model::bundle::Interval| {
            format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
        };
        println!(
            "{:width$}  {:>9}  {:<22}  {:<22}",
            task.task,
            task.positives,
            interval(task.average_precision, task.average_precision_interval),
            interval(task.roc_auc, task.roc_auc_interval)
        );
    }
    println!(
        "macro average precision {:.4}, macro ROC AUC {:.4}",
        summary.macro_average_precision, summary.macro_roc_auc
    );
    if let Some(mixed) = &summary.mixed_precision {
        println!("{}", mixed_precision::sentence(mixed, summary.macro_average_precision));
    }
    println!("model bundle: {}", out.join("model.optimil").display());
    println!("report: {}", out.join(report::FILE).display());
}
