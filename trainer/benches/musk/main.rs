//! Musk1 and Musk2, five times ten-fold cross-validation, beside published results of attention pooling.
//!
//! ```sh
//! cargo bench --locked --workspace --bench musk
//! ```
//!
//! One task, a bag a molecule, no 2D features; features are standardised by the training folds. The held-out fold takes
//! no part in anything: the epoch is chosen by the training molecules themselves, so training ends soon after these are
//! separated. The baseline is the accuracy that Ilse, Tomczak and Welling (*Attention-based deep multiple instance
//! learning*, ICML 2018, table 1) report for gated attention, under the same protocol.

#[path = "../report/table.rs"]
mod table;

use std::fs;
use std::path::Path;

use clap::Parser;
use shared_model::bags::Bags;
use shared_model::metrics::{Ranking, Scored};
use trainer::cross_validation::FoldPlan;
use trainer::data::{self, Dataset, Labels, Splits, TRAIN_SPLIT, Tables};
use trainer::device::{Device, DeviceModel, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{Partition, TrainSettings, train};

use crate::table::print_table;

const FOLDS: u32 = 10;
/// Most epochs, and epochs without a better ranking of the training molecules before training stops.
const EPOCHS: (usize, usize) = (60, 20);

/// The sets, and the accuracy of gated attention with its standard error.
const SETS: [(&str, &str, f64, &str); 2] =
    [("Musk1", "musk1", 0.900, "0.900 ± 0.050"), ("Musk2", "musk2", 0.863, "0.863 ± 0.042")];

#[derive(Parser)]
struct Options {
    /// Cross-validations, each on folds of its own
    #[arg(long, default_value_t = 5)]
    repeats: u32,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// One repetition: accuracy at probability 0.5 and ROC AUC, means over the folds.
struct Repetition {
    accuracy: f64,
    roc_auc: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut rows = Vec::new();
    for (name, files, published, published_text) in SETS {
        let (dataset, parameters) = load(files)?;
        let plan = FoldPlan::stratified(&dataset, FOLDS, options.repeats, 0)?;
        let mut folds: Vec<Vec<Repetition>> = (0..options.repeats).map(|_| Vec::new()).collect();
        for (index, round) in plan.rounds().iter().enumerate() {
            let seed = index as u64;
            let predicted = predict(&dataset, &round.fold.train, &round.fold.validation, &parameters, seed)?;
            folds[index / FOLDS as usize].push(score(&predicted));
            if index % FOLDS as usize + 1 == FOLDS as usize {
                eprintln!("{name}: {} of {} folds", index + 1, plan.rounds().len());
            }
        }
        let repetitions = folds.iter().map(|folds| {
            let mean = |of: fn(&Repetition) -> f64| folds.iter().map(of).sum::<f64>() / folds.len() as f64;
            Repetition { accuracy: mean(|fold| fold.accuracy), roc_auc: mean(|fold| fold.roc_auc) }
        });
        let repetitions: Vec<Repetition> = repetitions.collect();
        let (accuracy, accuracy_text) = mean_and_deviation(repetitions.iter().map(|run| run.accuracy));
        let (_, roc_auc_text) = mean_and_deviation(repetitions.iter().map(|run| run.roc_auc));
        rows.push(vec![
            name.to_owned(),
            dataset.len().to_string(),
            dataset.bags().x3d().rows().to_string(),
            accuracy_text,
            published_text.to_owned(),
            format!("{:.2}×", accuracy / published),
            roc_auc_text,
        ]);
    }
    println!();
    print_table(&["", "molecules", "conformers", "accuracy", "published", "ratio", "ROC AUC"], &rows);
    println!(
        "\nmean ± standard deviation of {} cross-validations of {FOLDS} folds; published: mean ± standard error",
        options.repeats
    );
    Ok(())
}

fn load(files: &str) -> anyhow::Result<(Dataset, RunParameters)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/musk");
    let tables = Tables {
        labels: Some(folder.join(format!("{files}_labels.csv"))),
        feat2d: None,
        feat3d: folder.join(format!("{files}_feat3d.csv.gz")),
        feat3d_qm: None,
    };
    let schema = data::read_schema(&folder.join("schema.toml"))?;
    let dataset = data::load(&tables, &schema, &Splits::named([TRAIN_SPLIT]), Labels::Required)?;
    let parameters = serde_json::from_slice(&fs::read(folder.join("params.json"))?)?;
    Ok((dataset, RunParameters::from_json(&parameters, &schema)?))
}

/// Trains on some molecules and predicts others.
fn predict(
    dataset: &Dataset,
    training: &[usize],
    held_out: &[usize],
    parameters: &RunParameters,
    seed: u64,
) -> anyhow::Result<Vec<Scored>> {
    let (max_epochs, patience) = EPOCHS;
    let settings =
        TrainSettings { seed, max_epochs, patience, device: Device::Cpu, precision: Precision::Float32 };
    let partition = Partition { train: training, validation: training };
    let trained = train(dataset, partition, parameters, &settings, |_| ())?;
    let model = DeviceModel::load(&trained.config, &trained.weights, &Device::Cpu)?;
    let bags: &Bags = dataset.bags();
    let predictions = model.predict(bags)?;
    Ok(held_out
        .iter()
        .map(|&row| Scored {
            positive: dataset.labels_of(row)[0],
            score: f64::from(predictions[row].probabilities[0]),
            weight: 1.0,
        })
        .collect())
}

fn score(predicted: &[Scored]) -> Repetition {
    let correct = predicted.iter().filter(|molecule| (molecule.score >= 0.5) == molecule.positive).count();
    Repetition {
        accuracy: correct as f64 / predicted.len() as f64,
        roc_auc: Ranking::new(predicted.iter().copied()).roc_auc(),
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f64>) -> (f64, String) {
    let values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt();
    (mean, format!("{mean:.3} ± {deviation:.3}"))
}
