//! The numbers of a cross-validation, as files for people and programs.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_model::metrics::{Estimate, TaskPredictions};
use shared_model::schema::TaskSchema;

use super::store::write_json;
use super::{
    Ablation, EpochChoice, FoldMetrics, FoldPlan, FoldRecord, FoldResult, FoldSource, OutOfFold, Subject,
};
use crate::atomic_file;
use crate::data::DatasetSummary;
use crate::labels::LabelMatrix;
use crate::metrics::{self, Comparison};

/// Mean and standard deviation over folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanStd {
    /// Mean; none without a fold.
    pub mean: Option<f64>,
    /// Standard deviation of the folds (n − 1); none with fewer than two.
    pub std: Option<f64>,
    /// Folds that count.
    pub folds: usize,
}

impl MeanStd {
    /// Mean and deviation of some numbers.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / count);
        let squares = |mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let std = mean.filter(|_| values.len() > 1).map(|mean| (squares(mean) / (count - 1.0)).sqrt());
        Self { mean, std, folds: values.len() }
    }
}

impl fmt::Display for MeanStd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mean, self.std) {
            (None, _) => formatter.write_str("none"),
            (Some(mean), None) => write!(formatter, "{mean:.4}"),
            (Some(mean), Some(std)) => write!(formatter, "{mean:.4} ± {std:.4}"),
        }
    }
}

/// `cv_summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CvSummary {
    /// Name and version of the program.
    pub producer: String,
    /// When it was written: UTC, RFC 3339.
    pub created: String,
    /// SHA-256 of the data set as read.
    pub data_sha256: String,
    /// Device of the training.
    pub device: String,
    /// Seed of the folds and their trainings.
    pub seed: u64,
    /// Most epochs of a fold.
    pub max_epochs: usize,
    /// Epochs without a better macro average precision before training stopped.
    pub patience: usize,
    /// How the epoch of a fold was chosen.
    pub epoch_chosen_on: EpochChoice,
    /// Where the folds come from.
    pub folds_from: FoldSource,
    /// Folds of a repeat.
    pub folds: usize,
    /// Repeats.
    pub repeats: u32,
    /// Weight of the worst task in the score.
    pub min_w: f64,
    /// `(1 - min_w)·macro AP + min_w·min AP` over the folds.
    pub score: MeanStd,
    /// Macro average precision over the folds.
    pub macro_average_precision: MeanStd,
    /// Macro ROC AUC over the folds.
    pub macro_roc_auc: MeanStd,
    /// Macro average precision of all out-of-fold predictions together.
    pub pooled_macro_average_precision: Estimate,
    /// Macro ROC AUC of all out-of-fold predictions together.
    pub pooled_macro_roc_auc: Estimate,
    /// Each task.
    pub tasks: Vec<TaskCvSummary>,
    /// Each fold.
    pub fold_metrics: Vec<FoldSummary>,
    /// Variants that lack something, and what they lose.
    pub ablations: Vec<AblationSummary>,
    /// What the data are.
    pub data: DatasetSummary,
    /// The tasks.
    pub schema: TaskSchema,
    /// The parameters as resolved.
    pub parameters: Value,
}

/// One fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldSummary {
    /// Which fold, and how it was trained.
    #[serde(flatten)]
    pub record: FoldRecord,
    /// Molecules validated.
    pub molecules: usize,
    /// Positives of each task among them.
    pub positives: Vec<usize>,
    /// Mean average precision of the tasks.
    pub macro_average_precision: f64,
    /// Average precision of the worst task.
    pub min_average_precision: f64,
    /// Mean ROC AUC of the tasks.
    pub macro_roc_auc: f64,
    /// `(1 - min_w)·macro AP + min_w·min AP`.
    pub score: f64,
}

impl FoldSummary {
    fn new((result, fold): &(FoldResult, FoldMetrics)) -> Self {
        Self {
            record: result.record.clone(),
            molecules: fold.molecules,
            positives: fold.positives.clone(),
            macro_average_precision: fold.metrics.macro_ap(),
            min_average_precision: fold.metrics.min_ap(),
            macro_roc_auc: fold.metrics.macro_roc_auc(),
            score: fold.score,
        }
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCvSummary {
    /// Its name.
    pub task: String,
    /// Molecules.
    pub molecules: usize,
    /// Positives.
    pub positives: usize,
    /// Average precision over the folds that have both classes.
    pub average_precision: MeanStd,
    /// ROC AUC over the folds that have both classes.
    pub roc_auc: MeanStd,
    /// Average precision of all out-of-fold predictions together, mean over the repeats.
    pub pooled_average_precision: Estimate,
    /// ROC AUC of all out-of-fold predictions together, mean over the repeats.
    pub pooled_roc_auc: Estimate,
    /// Accuracy over the folds at probability 0.5, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<MeanStd>,
}

/// A variant beside the full model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationSummary {
    /// Its name.
    pub name: String,
    /// What it lacks.
    pub description: String,
    /// Its score over the folds.
    pub score: MeanStd,
    /// The mean over the tasks, then each task: pooled out-of-fold metrics of both, and variant minus full model.
    pub comparisons: Vec<Comparison>,
}

impl AblationSummary {
    /// Compares the folds of a variant with the out-of-fold predictions of the full model.
    ///
    /// # Panics
    /// If the results are not those of the plan.
    pub fn new(
        ablation: Ablation,
        subject: Subject,
        plan: &FoldPlan,
        results: &[FoldResult],
        full: &OutOfFold,
    ) -> Self {
        let variant = OutOfFold::new(subject.dataset, plan, results);
        let schema = subject.dataset.schema();
        let scores: Vec<f64> = plan
            .rounds()
            .iter()
            .zip(results)
            .map(|(round, result)| {
                FoldMetrics::new(subject.dataset, round, result, subject.parameters.objective.min_w).score
            })
            .collect();
        Self {
            name: ablation.name().into(),
            description: ablation.description().into(),
            score: MeanStd::of(&scores),
            comparisons: metrics::compare(
                &schema.tasks,
                LabelMatrix::new(&full.labels, schema.task_count()),
                [&full.matrices(), &variant.matrices()],
                &full.weights,
                subject.settings.seed,
            ),
        }
    }
}

impl TaskCvSummary {
    /// Summarises each task.
    pub fn of_tasks(
        schema: &TaskSchema,
        out_of_fold: &OutOfFold,
        folds: &[FoldMetrics],
        seed: u64,
        accuracy: bool,
    ) -> Vec<Self> {
        let labels = LabelMatrix::new(&out_of_fold.labels, schema.task_count());
        let predictions = metrics::predictions_of_tasks(
            &schema.tasks,
            labels,
            &out_of_fold.matrices(),
            &out_of_fold.weights,
        );
        let summary = |(index, task): (usize, TaskPredictions)| {
            let over_folds = |value: fn(&FoldMetrics, usize) -> f64| {
                let folds = folds.iter().filter(|fold| fold.ranks(index));
                MeanStd::of(&folds.map(|fold| value(fold, index)).collect::<Vec<_>>())
            };
            let [average_precision, roc_auc] = metrics::task_estimates(&task, index, seed);
            Self {
                task: schema.tasks[index].name.clone(),
                molecules: task.molecules(),
                positives: task.positives(),
                average_precision: over_folds(|fold, task| fold.metrics.average_precision[task]),
                roc_auc: over_folds(|fold, task| fold.metrics.roc_auc[task]),
                pooled_average_precision: average_precision,
                pooled_roc_auc: roc_auc,
                accuracy: accuracy
                    .then(|| MeanStd::of(&folds.iter().map(|fold| fold.accuracy[index]).collect::<Vec<_>>())),
            }
        };
        predictions.into_iter().enumerate().map(summary).collect()
    }
}

impl CvSummary {
    /// Summarises the folds of the full model; ablations are added to it.
    pub fn new(
        subject: Subject,
        plan: &FoldPlan,
        folds: &[(FoldResult, FoldMetrics)],
        out_of_fold: &OutOfFold,
        accuracy: bool,
    ) -> Self {
        let Subject { dataset, parameters, settings, device } = subject;
        let schema = dataset.schema();
        let metrics: Vec<FoldMetrics> = folds.iter().map(|(_, metrics)| metrics.clone()).collect();
        let over_folds =
            |value: fn(&FoldMetrics) -> f64| MeanStd::of(&metrics.iter().map(value).collect::<Vec<_>>());
        let labels = LabelMatrix::new(&out_of_fold.labels, schema.task_count());
        let [pooled_macro_average_precision, pooled_macro_roc_auc] = metrics::macro_estimates(
            &schema.tasks,
            labels,
            &out_of_fold.matrices(),
            &out_of_fold.weights,
            settings.seed,
        );
        Self {
            producer: concat!("optimil ", env!("CARGO_PKG_VERSION")).into(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            data_sha256: dataset.sha256(),
            device: device.into(),
            seed: settings.seed,
            max_epochs: settings.max_epochs,
            patience: settings.patience,
            epoch_chosen_on: plan.epoch_choice(),
            folds_from: plan.source(),
            folds: plan.folds(),
            repeats: plan.repeats(),
            min_w: parameters.objective.min_w,
            score: over_folds(|fold| fold.score),
            macro_average_precision: over_folds(|fold| fold.metrics.macro_ap()),
            macro_roc_auc: over_folds(|fold| fold.metrics.macro_roc_auc()),
            pooled_macro_average_precision,
            pooled_macro_roc_auc,
            tasks: TaskCvSummary::of_tasks(schema, out_of_fold, &metrics, settings.seed, accuracy),
            fold_metrics: folds.iter().map(FoldSummary::new).collect(),
            ablations: Vec::new(),
            data: DatasetSummary::new(dataset, &[("cross-validated", &out_of_fold.rows)]),
            schema: schema.clone(),
            parameters: parameters.resolved.clone().into(),
        }
    }

    /// The file's name in a run folder.
    pub const FILE: &str = "cv_summary.json";

    /// Writes it into a run folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_json(&folder.join(Self::FILE), self)
    }
}

/// Writes `folds.csv`: one row a fold and task.
///
/// # Errors
/// If the file cannot be written.
pub fn write_folds(
    path: &Path,
    schema: &TaskSchema,
    folds: &[(FoldResult, FoldMetrics)],
    accuracy: bool,
) -> io::Result<()> {
    atomic_file::write(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        let mut header = vec![
            "repeat",
            "fold",
            "task",
            "molecules",
            "positives",
            "average_precision",
            "roc_auc",
            "epochs",
            "best_epoch",
            "score",
        ];
        header.extend(accuracy.then_some("accuracy"));
        table.write_record(header)?;
        for (result, fold) in folds {
            let record = &result.record;
            for (index, task) in schema.tasks.iter().enumerate() {
                // Nothing to rank, nothing to say.
                let ranked = |value: f64| if fold.ranks(index) { value.to_string() } else { String::new() };
                let mut row = vec![
                    record.key.repeat.to_string(),
                    record.key.fold.to_string(),
                    task.name.clone(),
                    fold.molecules.to_string(),
                    fold.positives[index].to_string(),
                    ranked(fold.metrics.average_precision[index]),
                    ranked(fold.metrics.roc_auc[index]),
                    record.epochs.to_string(),
                    record.best_epoch.to_string(),
                    fold.score.to_string(),
                ];
                row.extend(accuracy.then(|| fold.accuracy[index].to_string()));
                table.write_record(row)?;
            }
        }
        table.flush()
    })
}

/// Writes `ablations.csv`: one row a variant, task and metric; the task `macro` is the mean over the tasks.
///
/// # Errors
/// If the file cannot be written.
pub fn write_ablations(path: &Path, ablations: &[AblationSummary]) -> io::Result<()> {
    atomic_file::write(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(["variant", "task", "metric", "full", "value", "difference", "low", "high"])?;
        for ablation in ablations {
            for comparison in &ablation.comparisons {
                for (metric, difference) in
                    [("average_precision", &comparison.average_precision), ("roc_auc", &comparison.roc_auc)]
                {
                    let Estimate { value, interval } = difference.difference;
                    let numbers =
                        [difference.reference, difference.other, value, interval.low, interval.high];
                    let task = comparison.task.as_deref().unwrap_or("macro");
                    let names = [ablation.name.as_str(), task, metric].map(str::to_owned);
                    table.write_record(names.into_iter().chain(numbers.map(|number| number.to_string())))?;
                }
            }
        }
        table.flush()
    })
}
