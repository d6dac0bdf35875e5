//! Made-up bags whose label follows one assumption of multiple-instance learning.
//!
//! After the algorithmic unit tests of Raff and Holt (NeurIPS 2023): a rule says which bags are positive, and
//! training bags may carry a cue that is easier to learn than the rule. Test bags turn the cue round, so that a model
//! that relies on it ranks them worse than chance.

use std::fmt::Write;
use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared_model::metrics::{Ranking, Scored};
use shared_model::schema::{Task, TaskSchema};
use trainer::data::{self, Dataset, Labels, Splits, Tables};
use trainer::device::{Device, DeviceModel, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{Partition, TrainSettings, train};

/// Features of an instance.
const FEATURES: usize = 8;
/// Distance of a concept from the background, in the coordinate of its own.
const DISTANCE: f64 = 4.0;
/// Deviation of every coordinate.
const DEVIATION: f64 = 0.5;
/// Bags to train on, to choose the epoch by, and to test.
const BAGS: [(&str, usize); 3] = [("train", 400), ("validation", 200), ("test", 400)];

/// How many instances of each kind a bag has, and how often each of them is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Composition {
    /// Of the concept A.
    pub a: usize,
    /// Of the concept B.
    pub b: usize,
    /// Of the cue, which the rule does not mention.
    pub cue: usize,
    /// Of no concept.
    pub background: usize,
    /// Copies of every instance.
    pub copies: usize,
}

/// Draws a bag of a label.
pub type Draw = fn(positive: bool, random: &mut ChaCha8Rng) -> Composition;

/// How the bags of one problem are drawn.
pub struct Problem {
    /// Bags to train on and to choose the epoch by.
    pub training: Draw,
    /// Bags to test.
    pub test: Draw,
}

/// Positive: at least one instance of A. Bags have one to three of them, or none, and five to eight others.
pub const STANDARD: Problem = Problem { training: standard, test: standard };

fn standard(positive: bool, random: &mut ChaCha8Rng) -> Composition {
    let a = if positive { random.random_range(1..=3) } else { 0 };
    Composition { a, b: 0, cue: 0, background: random.random_range(5..=8), copies: 1 }
}

fn schema() -> TaskSchema {
    let task = Task { name: "positive".into(), weight: None, weighted_metrics: false, description: None };
    TaskSchema {
        tasks: vec![task],
        absorbance: vec![],
        fluorescence: vec![],
        batch_quotas: vec![],
        columns: Default::default(),
    }
}

/// Writes the bags as tables and reads them as training does. The 2D table has one column, always 0.
fn dataset(problem: &Problem, seed: u64) -> Dataset {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut labels, mut feat2d) = (String::from("ID,split,positive\n"), String::from("ID,nothing\n"));
    let mut feat3d = String::from("ID,conf_id");
    for feature in 0..FEATURES {
        write!(feat3d, ",f{feature}").expect("strings grow");
    }
    feat3d.push('\n');
    for (split, count) in BAGS {
        for index in 0..count {
            let (id, positive) = (format!("{split}{index}"), index % 2 == 1);
            let draw = if split == "test" { problem.test } else { problem.training };
            let instances = instances(draw(positive, &mut random), &mut random);
            writeln!(labels, "{id},{split},{}", u8::from(positive)).expect("strings grow");
            writeln!(feat2d, "{id},0").expect("strings grow");
            for (conformer, instance) in instances.iter().enumerate() {
                let values: Vec<String> = instance.iter().map(f64::to_string).collect();
                writeln!(feat3d, "{id},{conformer},{}", values.join(",")).expect("strings grow");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder for the tables");
    let table = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let tables = Tables {
        labels: Some(table("labels.csv", labels)),
        feat2d: Some(table("feat2d.csv", feat2d)),
        feat3d: table("feat3d.csv", feat3d),
        feat3d_qm: None,
    };
    let splits = Splits::named(BAGS.map(|(split, _)| split));
    data::load(&tables, &schema(), &splits, Labels::Required).expect("sound tables")
}

/// The instances of a bag in random order.
fn instances(bag: Composition, random: &mut ChaCha8Rng) -> Vec<[f64; FEATURES]> {
    let mut instances = Vec::new();
    for (coordinate, count) in
        [(Some(0), bag.a), (Some(1), bag.b), (Some(2), bag.cue), (None, bag.background)]
    {
        for _ in 0..count {
            // The sum of twelve uniform numbers is close enough to normal, and has no tails.
            let mut instance = [0.0; FEATURES].map(|_: f64| {
                DEVIATION * ((0..12).map(|_| random.random_range(0.0..1.0)).sum::<f64>() - 6.0)
            });
            if let Some(coordinate) = coordinate {
                instance[coordinate] += DISTANCE;
            }
            let place = random.random_range(0..=instances.len());
            instances.insert(place, instance);
        }
    }
    let once = instances.len();
    instances.into_iter().cycle().take(once * bag.copies).collect()
}

/// Trains on the training bags of a problem and returns the ROC AUC on its test bags.
pub fn test_roc_auc(problem: &Problem, max_epochs: usize, seed: u64) -> f64 {
    let dataset = dataset(problem, seed);
    let rows = |split: &str| dataset.split_rows(split).expect("a split of the tables");
    let (training, validation, tested) = (rows("train"), rows("validation"), rows("test"));
    let parameters = json!({
        "mol_hidden": 8, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": 32, "inst_layers": 2, "inst_dropout": 0.0,
        "proj_dim": 32, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 32, "mixer_layers": 2,
        "mixer_dropout": 0.0, "head_num_layers": 1, "head_dropout": 0.0, "head_stochastic_depth": 0.0,
        "lambda_aux_bitmask": 0.0, "lr": 0.003, "batch_size": 64, "batch_pos_fraction": 0.5,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let settings = TrainSettings {
        seed,
        max_epochs,
        patience: max_epochs,
        device: Device::Cpu,
        precision: Precision::Float32,
    };
    let partition = Partition { train: &training, validation: &validation };
    let trained = train(&dataset, partition, &parameters, &settings, |_| ()).expect("training succeeds");
    let model =
        DeviceModel::load(&trained.config, &trained.weights, &Device::Cpu).expect("a trained network");
    let predictions = model.predict(dataset.bags()).expect("predictions");
    let scored = tested.iter().map(|&row| Scored {
        positive: dataset.labels_of(row)[0],
        // Bags of equal content differ by rounding, which must not rank them.
        score: (f64::from(predictions[row].probabilities[0]) * 1e5).round(),
        weight: 1.0,
    });
    Ranking::new(scored).roc_auc()
}
