//! `optimil cv`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use shared_model::bundle::{BundleContents, BundleReader, MAX_MODELS};

use super::config_file::ResolvedOptions;
use super::interruption::{Interrupted, Interruption};
use super::run_args::{Run, RunArgs};
use super::tables::note;
use super::{mixed_precision, progress, train};
use crate::atomic_file;
use crate::bundle_file;
use crate::column_table::Format;
use crate::cross_validation::{
    Ablation, AblationSummary, CrossValidationError, CvProgress, CvSummary, EpochChoice, FoldMetrics,
    FoldPlan, FoldResult, FoldStore, OutOfFold, Subject, cross_validate, write_ablations, write_folds,
};
use crate::data::{Dataset, Splits, TRAIN_SPLIT};
use crate::ensemble::{Part, join};
use crate::parameters::RunParameters;
use crate::report;
use crate::training::{Progress, TrainError, TrainSettings};
use shared_model::metrics::Estimate;

#[derive(Debug, Args)]
pub(super) struct CvArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Random folds, stratified by the labels [default: the folds of the label table, or 5 if it has none]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..))]
    folds: Option<u32>,
    /// How often random folds are drawn
    #[arg(long, value_name = "R", default_value_t = 1, requires = "folds", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Molecules that choose the epoch of a fold: fold, its own validation molecules, as the earlier system did, which
    /// flatters the numbers; or inner, a fifth of its training molecules
    #[arg(long, value_name = "ON", default_value = "fold")]
    choose_epoch: ChooseEpoch,
    /// Go on with an interrupted cross-validation in the run folder
    #[arg(long)]
    resume: bool,
    /// Train every ablation as well: what is lost without conformers, 2D features, attention
    #[arg(long, conflicts_with = "ablation")]
    ablations: bool,
    /// Train these ablations as well: 2d-only, 3d-only, one-conformer, mean-pool, uniform-attention
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    ablation: Vec<Ablation>,
    /// Tell the accuracy at probability 0.5 as well, which means little where positives are rare
    #[arg(long)]
    accuracy: bool,
    /// Run folder: folds, out-of-fold predictions, summary, report
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
}

/// Molecules that choose the epoch of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ChooseEpoch {
    Fold,
    Inner,
}

pub(super) fn run(args: &CvArgs, options: &ResolvedOptions) -> anyhow::Result<()> {
    anyhow::ensure!(
        !train::holds_run(&args.out),
        "{} holds a training run: choose another folder",
        args.out.display()
    );
    let run = args.run.resolve()?;
    let dataset = args.run.load(&run, &Splits::named([TRAIN_SPLIT]))?;
    let mut plan = fold_plan(&dataset, args.folds, args.repeats, args.run.seed)?;
    if args.choose_epoch == ChooseEpoch::Inner {
        plan = plan.with_inner_splits(&dataset, args.run.seed);
    }
    note(plan.notice(&dataset));
    let variants = variants(args, &run, &dataset)?;
    let settings = args.run.settings(&run);
    FoldStore::claim(&args.out, &identity(&run, &dataset, &plan, &settings), args.resume)?;
    args.run.write_configuration(&args.out, "cv", options, &run, &dataset)?;
    let writing = |name: &str| format!("{} cannot be written", args.out.join(name).display());
    let parameters = serde_json::to_vec_pretty(&run.parameters.resolved).expect("JSON values serialise");
    atomic_file::write(&args.out.join("params.json"), |file| std::io::Write::write_all(file, &parameters))
        .with_context(|| writing("params.json"))?;

    eprintln!(
        "{} folds of {} molecules ({} conformers, {} + {} features), {}{} on {}",
        plan.rounds().len(),
        plan.validated_rows().len(),
        dataset.bags().x3d().rows(),
        dataset.names_2d().len(),
        dataset.names_3d().len(),
        if variants.is_empty() { String::new() } else { format!("{} ablations, ", variants.len()) },
        if args.resume { "going on" } else { "from the beginning" },
        run.device.description
    );
    let interruption = Interruption::listen().context("signals cannot be received")?;
    let mut display = CvDisplay::new(&plan, settings.max_epochs, 1 + variants.len());
    let full = Subject {
        dataset: &dataset,
        parameters: &run.parameters,
        settings: &settings,
        device: &run.device.description,
    };
    let validate = |subject: Subject, folder: &Path, display: &mut CvDisplay| {
        let stop = Some(interruption.requested());
        cross_validate(subject, &plan, &FoldStore::new(folder), stop, |progress| display.show(&progress))
            .map_err(|error| interrupted(error, &args.out))
    };
    let results = validate(full, &args.out, &mut display)?;
    let folds: Vec<(FoldResult, FoldMetrics)> = plan
        .rounds()
        .iter()
        .zip(results)
        .map(|(round, result)| {
            let metrics = FoldMetrics::new(&dataset, round, &result, run.parameters.objective.min_w);
            (result, metrics)
        })
        .collect();
    let out_of_fold = out_of_fold(&dataset, &plan, &folds);
    let schema = dataset.schema();
    write_folds(&args.out.join("folds.csv"), schema, &folds, args.accuracy)
        .with_context(|| writing("folds.csv"))?;
    let table = out_of_fold.table(&dataset);
    for (name, format) in [("oof_predictions.csv", Format::Csv), ("oof_predictions.parquet", Format::Parquet)]
    {
        table.write(&args.out.join(name), format).with_context(|| writing(name))?;
    }

    if plan.rounds().len() <= MAX_MODELS {
        let models = ensemble_of_folds(&plan, &FoldStore::new(&args.out))?;
        bundle_file::write(&args.out.join("model.optimil"), &models)
            .with_context(|| writing("model.optimil"))?;
    } else {
        note(Some(format!("no ensemble of the folds is written: one holds at most {MAX_MODELS} models")));
    }

    let mut summary = CvSummary::new(full, &plan, &folds, &out_of_fold, args.accuracy);
    summary.write(&args.out).with_context(|| writing(CvSummary::FILE))?;
    for (ablation, parameters) in &variants {
        display.variant(ablation.name());
        let dataset = ablation.dataset(&dataset);
        let subject = Subject { dataset: &dataset, parameters, ..full };
        let folder = args.out.join("ablations").join(ablation.name());
        let results = validate(subject, &folder, &mut display)?;
        summary.ablations.push(AblationSummary::new(*ablation, subject, &plan, &results, &out_of_fold));
    }
    display.finish();
    if !variants.is_empty() {
        write_ablations(&args.out.join("ablations.csv"), &summary.ablations)
            .with_context(|| writing("ablations.csv"))?;
        summary.write(&args.out).with_context(|| writing(CvSummary::FILE))?;
    }
    report::write(&args.out, &args.out.join(report::FILE))?;
    print_summary(&summary, &args.out);
    Ok(())
}

/// What to tell of a cross-validation that ended before its time.
fn interrupted(error: CrossValidationError, folder: &Path) -> anyhow::Error {
    let CrossValidationError::Train { key, error: TrainError::Stopped { signal } } = error else {
        return error.into();
    };
    let sentence = format!(
        "stopped by signal {signal} in repeat {}, fold {}; finished folds and epochs are kept in {}: go on with the same \
         command and --resume",
        key.repeat,
        key.fold,
        folder.display()
    );
    Interrupted::new(sentence, signal).into()
}

/// The folds that were asked for, those of the label table, or some at random.
pub(super) fn fold_plan(
    dataset: &Dataset,
    folds: Option<u32>,
    repeats: u32,
    seed: u64,
) -> anyhow::Result<FoldPlan> {
    if let Some(folds) = folds {
        return Ok(FoldPlan::stratified(dataset, folds, repeats, seed)?);
    }
    if let Some(plan) = FoldPlan::from_label_table(dataset)? {
        return Ok(plan);
    }
    let folds = FoldPlan::DEFAULT_FOLDS;
    note(Some(format!(
        "the label table has no folds (column {:?}): {folds} are drawn at random, stratified by the labels",
        dataset.schema().columns.fold
    )));
    Ok(FoldPlan::stratified(dataset, folds, 1, seed)?)
}

/// The ablations that were asked for, with their parameters.
fn variants(args: &CvArgs, run: &Run, dataset: &Dataset) -> anyhow::Result<Vec<(Ablation, RunParameters)>> {
    let asked: &[Ablation] = if args.ablations { &Ablation::ALL } else { &args.ablation };
    let network = run.parameters.model_config(dataset.names_2d().len(), dataset.names_3d().len(), 0);
    let mut variants = Vec::new();
    for &ablation in Ablation::ALL.iter().filter(|ablation| asked.contains(ablation)) {
        if ablation.applies_to(dataset, &network) {
            let parameters = ablation.parameters(&run.parameters.resolved);
            let parameters = RunParameters::from_json(&parameters, dataset.schema())
                .with_context(|| format!("ablation {ablation}"))?;
            variants.push((ablation, parameters));
        } else {
            let same = format!("the ablation {ablation} takes nothing away from this model on these data");
            anyhow::ensure!(args.ablations, "{same}: leave it out");
            note(Some(format!("{same}: it is left out")));
        }
    }
    Ok(variants)
}

/// What a resumed cross-validation must have in common with what it began with.
fn identity(run: &Run, dataset: &Dataset, plan: &FoldPlan, settings: &TrainSettings) -> Value {
    json!({
        "data_sha256": dataset.sha256(),
        "parameters": run.parameters.resolved,
        "seed": settings.seed,
        "max_epochs": settings.max_epochs,
        "patience": settings.patience,
        "precision": settings.precision.to_string(),
        "folds": plan.folds(),
        "repeats": plan.repeats(),
        "folds_from": plan.source(),
        "epoch_chosen_on": plan.epoch_choice(),
    })
}

/// One bundle whose members are the models of all folds. No molecules travel in it: all were trained on.
fn ensemble_of_folds(plan: &FoldPlan, store: &FoldStore) -> anyhow::Result<BundleContents> {
    let mut files = Vec::new();
    for round in plan.rounds() {
        let path = store.fold(round.key).join("model.optimil");
        let file = path.display().to_string();
        let bytes = fs::read(&path).with_context(|| file.clone())?;
        let name = match plan.repeats() {
            1 => format!("fold {}", round.key.fold),
            _ => format!("repeat {}, fold {}", round.key.repeat, round.key.fold),
        };
        files.push((file, name, bytes));
    }
    let mut parts = Vec::new();
    for (file, name, bytes) in &files {
        let bundle = BundleReader::open(bytes).with_context(|| file.clone())?;
        parts.push(Part { file: file.clone(), name: name.clone(), bundle });
    }
    Ok(join(&parts)?)
}

fn out_of_fold(dataset: &Dataset, plan: &FoldPlan, folds: &[(FoldResult, FoldMetrics)]) -> OutOfFold {
    let results: Vec<FoldResult> = folds.iter().map(|(result, _)| result.clone()).collect();
    OutOfFold::new(dataset, plan, &results)
}

/// Progress over all folds of all variants; one line a finished fold.
struct CvDisplay {
    bar: ProgressBar,
    max_epochs: usize,
    variant: &'static str,
    /// Folds of the variants before this one.
    before: usize,
    rounds: usize,
    fold: String,
    /// Folds done of this variant.
    done: usize,
}

impl CvDisplay {
    fn new(plan: &FoldPlan, max_epochs: usize, variants: usize) -> Self {
        let rounds = plan.rounds().len();
        let bar = progress::bar();
        bar.set_length((variants * rounds * max_epochs) as u64);
        Self { bar, max_epochs, variant: "full model", before: 0, rounds, fold: String::new(), done: 0 }
    }

    fn variant(&mut self, name: &'static str) {
        self.before += self.rounds;
        self.variant = name;
    }

    fn show(&mut self, progress: &CvProgress) {
        match progress {
            CvProgress::Begins { key, done, of } => {
                self.done = *done;
                self.fold = format!("fold {} of {of}", done + 1);
                self.at(0.0);
                self.bar.set_message(format!(
                    "{}, {} (repeat {}, fold {})",
                    self.variant, self.fold, key.repeat, key.fold
                ));
            }
            CvProgress::Training(Progress::Batch { epoch, done, of }) => {
                self.at((epoch - 1) as f64 + *done as f64 / *of as f64);
                self.bar.set_message(format!("{}, {}, epoch {epoch}", self.variant, self.fold));
            }
            CvProgress::Training(_) => {}
            CvProgress::Done { result, metrics, resumed } => {
                let record = &result.record;
                let line = format!(
                    "{}  repeat {} fold {}  macro AP {:.4}  min AP {:.4}  macro ROC AUC {:.4}  score {:.4}  best epoch {} of {}{}",
                    self.variant,
                    record.key.repeat,
                    record.key.fold,
                    metrics.metrics.macro_ap(),
                    metrics.metrics.min_ap(),
                    metrics.metrics.macro_roc_auc(),
                    metrics.score,
                    record.best_epoch,
                    record.epochs,
                    if *resumed { "  (kept)" } else { "" }
                );
                if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
            }
        }
    }

    fn at(&self, epochs: f64) {
        let folds = (self.before + self.done) * self.max_epochs;
        self.bar.set_position(folds as u64 + epochs as u64);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn print_summary(summary: &CvSummary, out: &Path) {
    let plain = |estimate: Estimate| {
        format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.interval.low, estimate.interval.high)
    };
    println!(
        "out-of-fold predictions of {} molecules, pooled (95 % bootstrap intervals); {}:",
        summary.tasks.first().map_or(0, |task| task.molecules),
        match summary.epoch_chosen_on {
            EpochChoice::ReportedFold => "each fold chose its epoch itself",
            EpochChoice::InnerSplit => "epochs were chosen on other molecules",
        }
    );
    let width = summary.tasks.iter().map(|task| task.task.len()).max().unwrap_or(0).max(5);
    println!("{:width$}  positives  {:<22}  {:<22}", "task", "average precision", "ROC AUC");
    for task in &summary.tasks {
        println!(
            "{:width$}  {:>9}  {:<22}  {:<22}",
            task.task,
            task.positives,
            plain(task.pooled_average_precision),
            plain(task.pooled_roc_auc)
        );
    }
    if summary.tasks.len() > 1 {
        println!(
            "{:width$}  {:>9}  {:<22}  {:<22}",
            "macro",
            "",
            plain(summary.pooled_macro_average_precision),
            plain(summary.pooled_macro_roc_auc)
        );
    }
    println!("over {} folds (mean ± deviation):", summary.score.folds);
    println!(
        "  score {}, macro average precision {}, macro ROC AUC {}",
        summary.score, summary.macro_average_precision, summary.macro_roc_auc
    );
    for fold in &summary.fold_metrics {
        if let Some(mixed) = &fold.record.mixed_precision {
            let key = fold.record.key;
            let sentence = mixed_precision::sentence(mixed, fold.macro_average_precision);
            println!("  repeat {} fold {}, {sentence}", key.repeat, key.fold);
        }
    }
    for task in &summary.tasks {
        if let Some(accuracy) = &task.accuracy {
            println!("  accuracy at 0.5, {}: {accuracy}", task.task);
        }
    }
    if !summary.ablations.is_empty() {
        println!("ablations minus full model (paired 95 % intervals; below 0 the variant is worse):");
        println!("  {:<18}  {:<24}  {:<24}", "variant", "macro AP", "macro ROC AUC");
        for ablation in &summary.ablations {
            if let Some(comparison) = ablation.comparisons.first() {
                println!(
                    "  {:<18}  {:<24}  {:<24}",
                    ablation.name,
                    plain(comparison.average_precision.difference),
                    plain(comparison.roc_auc.difference)
                );
            }
        }
    }
    if out.join("model.optimil").exists() {
        println!("models of all folds, as one ensemble: {}", out.join("model.optimil").display());
    }
    println!("report: {}", out.join(report::FILE).display());
}
