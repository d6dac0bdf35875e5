//! `optimil train`

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use shared_model::bags::Bags;
use shared_model::bundle::{
    BundleContents, DataSource, ModelEntry, Molecule, SearchSummary, TrainingSummary,
};

use super::config_file::ResolvedOptions;
use super::dry_run;
use super::interruption::{Interrupted, Interruption};
use super::mixed_precision;
use super::predict::attention_table;
use super::progress;
use super::run_args::RunArgs;
use crate::atomic_file;
use crate::bundle_file;
use crate::column_table::Format;
use crate::cross_validation::FoldStore;
use crate::data::{Dataset, DatasetSummary, Splits, TRAIN_SPLIT};
use crate::device::{Device, DeviceModel, SelectedDevice};
use crate::parameters::RunParameters;
use crate::prediction_table::{Parts, PredictionTable};
use crate::report;
use crate::training::{
    Checkpoint, EpochRecord, Partition, Progress, RunControl, RunIdentity, TrainError, TrainSettings,
    TrainedModel, train_controlled, write_history,
};

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    export: ExportArgs,
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

/// What becomes of a model once it is trained.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Split that chooses the epoch, and whose predictions are exported
    #[arg(long, value_name = "NAME", default_value = "leaderboard")]
    pub validation_split: String,
    /// Coordinates of the conformers (SD file, may be gzipped; properties ID and conf_id), to travel in the bundle
    #[arg(long, value_name = "FILE")]
    pub conformers: Option<PathBuf>,
    /// Licence of the data, to be shown with the model
    #[arg(long, requires = "citation")]
    pub licence: Option<String>,
    /// Citation of the data, to be shown with the model
    #[arg(long, requires = "licence")]
    pub citation: Option<String>,
}

pub(super) fn run(args: &TrainArgs, options: &ResolvedOptions) -> anyhow::Result<()> {
    let kept = unfinished_run(args)?;
    if kept.is_none() && is_finished(&args.out) {
        eprintln!("note: the run in {} is finished", args.out.display());
        return Ok(());
    }
    let run = args.run.resolve_in(&args.out)?;
    let splits = Splits::named([TRAIN_SPLIT, args.export.validation_split.as_str()]);
    let dataset = args.run.load(&run, &splits)?;
    let fitting = Fitting::prepare(&args.export, &dataset, &args.out)?;
    if args.dry_run {
        let parts = [(TRAIN_SPLIT, &*fitting.train), (&args.export.validation_split, &fitting.validation)];
        return dry_run::report(&args.run, &run, options, &dataset, parts, &args.out);
    }
    let settings = args.run.settings(&run);
    if let Some(kept) = &kept {
        kept.check(&fitting.identity(&run.parameters, &settings))
            .with_context(|| args.out.display().to_string())?;
    }
    fs::create_dir_all(&args.out)
        .with_context(|| format!("the run folder {} cannot be created", args.out.display()))?;
    args.run.write_configuration(&args.out, "train", options, &run, &dataset)?;
    let interruption = Interruption::listen().context("signals cannot be received")?;
    fitting.run(&run.parameters, None, &settings, &run.device, kept, interruption)
}

/// A training of one model on one split, validated on another, up to the report in the run folder.
pub(super) struct Fitting<'a> {
    export: &'a ExportArgs,
    dataset: &'a Dataset,
    out: &'a Path,
    train: Vec<usize>,
    validation: Vec<usize>,
    molecules: Vec<Molecule>,
    bags: Bags,
    conformers: Option<Vec<u8>>,
}

impl<'a> Fitting<'a> {
    /// Finds the molecules and reads the coordinates that travel with the model.
    pub fn prepare(export: &'a ExportArgs, dataset: &'a Dataset, out: &'a Path) -> anyhow::Result<Self> {
        let train = dataset.split_rows(TRAIN_SPLIT)?;
        let validation = dataset.split_rows(&export.validation_split)?;
        let (molecules, bags) = bundle_file::molecules(dataset, &validation);
        let conformers = export
            .conformers
            .as_deref()
            .map(|path| bundle_file::read_conformers(path, &molecules))
            .transpose()?;
        Ok(Self { export, dataset, out, train, validation, molecules, bags, conformers })
    }

    fn partition(&self) -> Partition<'_> {
        Partition { train: &self.train, validation: &self.validation }
    }

    /// What a run that is resumed must have in common with the one that began.
    pub fn identity(&self, parameters: &RunParameters, settings: &TrainSettings) -> RunIdentity {
        RunIdentity::new(self.dataset, self.partition(), parameters, settings)
    }

    /// Trains, or goes on with what was kept, and writes everything into the run folder, which exists. `search` is where
    /// the parameters come from.
    pub fn run(
        self,
        parameters: &RunParameters,
        search: Option<SearchSummary>,
        settings: &TrainSettings,
        device: &SelectedDevice,
        kept: Option<Checkpoint>,
        interruption: Interruption,
    ) -> anyhow::Result<()> {
        eprintln!(
            "training on {} molecules, validating on {} ({} conformers, {} + {} features), on {}",
            self.train.len(),
            self.validation.len(),
            self.dataset.bags().x3d().rows(),
            self.dataset.names_2d().len(),
            self.dataset.names_3d().len(),
            device.description
        );
        if let Some(kept) = &kept {
            eprintln!("resuming after epoch {}", kept.epochs());
        }
        let mut display = Display::new(settings.max_epochs);
        let mut finished = kept.as_ref().map_or(0, Checkpoint::epochs);
        let control =
            RunControl { folder: Some(self.out), resume: kept, stop: Some(interruption.requested()) };
        let result =
            train_controlled(self.dataset, self.partition(), parameters, settings, control, |progress| {
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
            Err(error) => return Err(unfinished(error, self.out, finished)),
        };

        let out = self.out;
        let summary = self.summary(&trained, settings.seed, &device.description);
        self.write_report_sources(&trained)?;
        self.export(&device.device, &trained, parameters, search, summary.clone())?;
        report::write(out, &out.join(report::FILE))?;
        print_summary(&summary, out);
        match divergence {
            None => Ok(Checkpoint::remove(out)?),
            Some(error) => Err(anyhow::Error::from(error).context(format!(
                "training ended early; the model of the best epoch, {}, is in {}, and the run up to epoch {finished} \
                 is kept",
                summary.best_epoch,
                out.join("model.optimil").display()
            ))),
        }
    }

    /// Predictions of the validation molecules, and what the data are: what the report is made of.
    fn write_report_sources(&self, trained: &TrainedModel) -> anyhow::Result<()> {
        let out = |name: &str| self.out.join(name);
        let writing = |name: &str| format!("{} cannot be written", out(name).display());
        let split = &self.export.validation_split;
        let splits = Parts::Splits(vec![split.clone(); self.validation.len()]);
        let probabilities = trained.evaluation.probabilities.clone();
        let predictions = PredictionTable::of_rows(self.dataset, &self.validation, splits, probabilities);
        predictions
            .write(&out("predictions.csv"), Format::Csv)
            .with_context(|| writing("predictions.csv"))?;
        let parts = [(TRAIN_SPLIT, &*self.train), (split, &*self.validation)];
        let summary =
            serde_json::to_vec_pretty(&DatasetSummary::new(self.dataset, &parts)).expect("plain data");
        atomic_file::write(&out(DatasetSummary::FILE), |file| std::io::Write::write_all(file, &summary))
            .with_context(|| writing(DatasetSummary::FILE))
    }

    fn summary(&self, trained: &TrainedModel, seed: u64, device: &str) -> TrainingSummary {
        let evaluation = &trained.evaluation;
        TrainingSummary {
            data_sha256: self.dataset.sha256(),
            seed,
            device: device.into(),
            epochs: trained.history.len(),
            best_epoch: trained.history[trained.best].epoch,
            train_molecules: self.train.len(),
            validation_split: self.export.validation_split.clone(),
            validation_molecules: self.validation.len(),
            macro_average_precision: evaluation.metrics.macro_ap(),
            macro_roc_auc: evaluation.metrics.macro_roc_auc(),
            tasks: evaluation.summarise(self.dataset, &self.validation, seed),
            mixed_precision: trained.mixed_precision.clone(),
        }
    }

    fn export(
        self,
        device: &Device,
        trained: &TrainedModel,
        parameters: &RunParameters,
        search: Option<SearchSummary>,
        summary: TrainingSummary,
    ) -> anyhow::Result<()> {
        let Self { export, dataset, molecules, bags, conformers, .. } = self;
        let out = |name: &str| self.out.join(name);
        let model = DeviceModel::load(&trained.config, &trained.weights, device)?;
        let table = attention_table(slice::from_ref(&model), &[], dataset.schema(), &molecules, &bags)?;
        let data_source = export.licence.clone().zip(export.citation.clone());
        let data_source = data_source.map(|(licence, citation)| DataSource { licence, citation });
        let manifest =
            bundle_file::manifest(dataset.schema(), dataset.names_2d(), dataset.names_3d(), data_source);
        let run_meta =
            json!({ "producer": manifest.producer, "created": manifest.created, "training": summary });
        let (model, weights) = bundle_file::trained_model(trained, parameters, summary);
        let contents = BundleContents {
            manifest,
            models: vec![(ModelEntry { search, ..model }, weights)],
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
