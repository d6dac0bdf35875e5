//! What both sides compute on: a folder of configuration, weights, batches and, for epochs, a whole data set.
//!
//! `config.json` has the model configuration, the weights of the objective and the optimiser's settings;
//! `weights.safetensors` is a state dict in PyTorch's names; `batch_N.safetensors` are molecules with their
//! targets; `dataset.safetensors` has all molecules, the row numbers of each batch of the first epochs, and those to
//! validate on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, backend::Backend};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared_model::bags::{Bags, Matrix};
use shared_model::config::ModelConfig;
use shared_model::network::{BagStore, Model};
use shared_model::schema::TaskSchema;
use shared_model::state_dict::{HostTensor, StateDict};
use trainer::data::{self, Dataset, Labels, Splits, TRAIN_SPLIT};
use trainer::losses::{ObjectiveWeights, RegressionLoss, Targets};
use trainer::parameters::RunParameters;
use trainer::sampling::BatchSampler;
use trainer::training::{Batches, Partition, objective_weights};

/// Split that epochs validate on.
const VALIDATION_SPLIT: &str = "leaderboard";
/// Batches that steps go through in turn.
const BATCHES: usize = 4;

/// Conformers of the molecules of a made-up batch.
#[derive(Clone, Copy)]
pub enum BagSizes {
    Equal(usize),
    Between(usize, usize),
}

/// `config.json`.
#[derive(Serialize, Deserialize)]
pub struct Config {
    pub model: ModelConfig,
    pub objective: ObjectiveWeights,
    pub lr: f64,
    pub weight_decay: f64,
}

impl Config {
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(folder.join("config.json"))?)?)
    }
}

/// The tables that epochs are run on.
pub struct Tables {
    folder: PathBuf,
}

impl Tables {
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn schema(&self) -> anyhow::Result<TaskSchema> {
        let path = self.folder.join("schema.toml");
        Ok(if path.exists() { data::read_schema(&path)? } else { TaskSchema::euos25() })
    }

    pub fn load(&self) -> anyhow::Result<Dataset> {
        let table = |name: &str| self.folder.join(name);
        let tables = data::Tables {
            labels: Some(table("labels.csv")),
            feat2d: Some(table("feat2d_scaled.csv.gz")),
            feat3d: table("feat3d_scaled.csv.gz"),
            feat3d_qm: Some(table("feat3d_qm_scaled.csv.gz")),
        };
        let splits = Splits::named([TRAIN_SPLIT, VALIDATION_SPLIT]);
        Ok(data::load(&tables, &self.schema()?, &splits, Labels::Required)?)
    }

    pub fn parameters(&self) -> anyhow::Result<RunParameters> {
        let path = self.folder.join("params.json");
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(RunParameters::from_json(&serde_json::from_slice(&text)?, &self.schema()?)?)
    }

    /// Rows to train on and to validate on.
    pub fn rows(dataset: &Dataset) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
        Ok((dataset.split_rows(TRAIN_SPLIT)?, dataset.split_rows(VALIDATION_SPLIT)?))
    }
}

/// Writes a workload of made-up molecules for networks whose hidden layers have this width.
pub fn write_steps(folder: &Path, width: usize, batch_size: usize, bags: BagSizes) -> anyhow::Result<()> {
    let tasks = 4;
    let model: ModelConfig = serde_json::from_value(json!({
        "mol_dim": 687, "inst_dim": 214, "n_tasks": tasks, "n_absorbance": 2, "n_fluorescence": 4, "n_bitmask_groups": 7,
        "mol_hidden": width, "mol_layers": 3, "mol_dropout": 0.15,
        "inst_hidden": width, "inst_layers": 3, "inst_dropout": 0.1,
        "proj_dim": 256, "attn_heads": 8, "attn_dropout": 0.1,
        "mixer_hidden": width, "mixer_layers": 3, "mixer_dropout": 0.1, "activation": "GELU",
        "head_num_layers": 2, "head_dropout": 0.1, "head_stochastic_depth": 0.05, "head_fc2_gain_non_last": 0.003,
    }))?;
    let objective = ObjectiveWeights {
        pos_weight: vec![12.0, 35.0, 5.0, 90.0],
        gamma: vec![1.0, 1.5, 0.5, 2.0],
        lam: vec![0.8, 1.1, 0.5, 1.6],
        lambda_aux_abs: 0.1,
        lambda_aux_fluo: 0.2,
        lambda_aux_bitmask: 0.05,
        regression: RegressionLoss::Mse,
    };
    let config = Config { model, objective, lr: 6e-4, weight_decay: 1e-4 };
    write_network(folder, &config)?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for index in 0..BATCHES {
        let sizes: Vec<usize> = (0..batch_size)
            .map(|_| match bags {
                BagSizes::Equal(size) => size,
                BagSizes::Between(low, high) => random.random_range(low..=high),
            })
            .collect();
        let batch = made_up_batch(&config.model, &sizes, &mut random);
        fs::write(folder.join(format!("batch_{index}.safetensors")), batch.to_safetensors())?;
    }
    Ok(())
}

/// Writes a workload of a data set: its molecules with their targets, the training part first, and the batches of
/// the first epochs. `batch_0` are the first validation molecules.
pub fn write_epochs(folder: &Path, tables: &Tables, epochs: usize) -> anyhow::Result<()> {
    let (dataset, parameters) = (tables.load()?, tables.parameters()?);
    let (training, validation) = Tables::rows(&dataset)?;
    let partition = Partition { train: &training, validation: &validation };
    let batches = Batches::prepare(&dataset, partition, &parameters);
    let model =
        parameters.model_config(dataset.names_2d().len(), dataset.names_3d().len(), batches.group_count());
    let config = Config {
        model,
        objective: objective_weights(&batches, &parameters)?,
        lr: parameters.optimisation.lr,
        weight_decay: parameters.optimisation.weight_decay,
    };
    write_network(folder, &config)?;

    let device = Default::default();
    let store = BagStore::<Flex>::new(dataset.bags(), &device);
    let positions: Vec<usize> = (0..training.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (_, train_targets) = batches.train_batch::<Autodiff<Flex>>(&positions, &mut random, &store, &device);
    let (_, validation_targets) = batches.evaluation_batch::<Flex>(&validation, &store, &device);
    let (mut all, validated) = (molecules(&dataset, &training), molecules(&dataset, &validation));
    all.extend(targets(train_targets));
    let validated: Vec<(&str, HostTensor)> =
        validated.into_iter().chain(targets(validation_targets)).collect();
    fs::write(folder.join("batch_0.safetensors"), state(validated.iter().cloned()).to_safetensors())?;
    let both = all
        .into_iter()
        .zip(validated)
        .map(|((name, first), (_, second))| (name, joined(name, &first, &second)));
    let mut both = state(both);

    let sampler = BatchSampler::new(batches.train_labels(), &parameters.sampler)?;
    let drawn: Vec<Vec<Vec<usize>>> = (0..epochs).map(|_| sampler.epoch(&mut random)).collect();
    let shape = [epochs, drawn[0].len(), drawn[0][0].len()];
    let rows = drawn.into_iter().flatten().flatten().map(|row| row as f32).collect();
    both.insert("epochs", HostTensor::new(shape, rows));
    let validation_rows = training.len()..training.len() + validation.len();
    let validation_rows: Vec<f32> = validation_rows.map(|row| row as f32).collect();
    both.insert("validation", HostTensor::new([validation.len()], validation_rows));
    fs::write(folder.join("dataset.safetensors"), both.to_safetensors())?;
    Ok(())
}

fn state<'a>(tensors: impl Iterator<Item = (&'a str, HostTensor)>) -> StateDict {
    tensors.map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

/// Features and offsets of some molecules.
fn molecules(dataset: &Dataset, rows: &[usize]) -> Vec<(&'static str, HostTensor)> {
    let bags = dataset.bags();
    let x2d: Vec<f32> = rows.iter().flat_map(|&row| bags.x2d().row(row)).copied().collect();
    let instances: Vec<usize> = rows.iter().flat_map(|&row| bags.instances(row)).collect();
    let x3d: Vec<f32> = instances.iter().flat_map(|&row| bags.x3d().row(row)).copied().collect();
    let mut offsets = vec![0.0];
    let mut end = 0;
    for &row in rows {
        end += bags.instances(row).len();
        offsets.push(end as f32);
    }
    vec![
        ("x2d", HostTensor::new([rows.len(), bags.x2d().columns()], x2d)),
        ("x3d", HostTensor::new([instances.len(), bags.x3d().columns()], x3d)),
        ("offsets", HostTensor::new([offsets.len()], offsets)),
    ]
}

/// Targets back on the host.
fn targets<B: Backend>(targets: Targets<B>) -> Vec<(&'static str, HostTensor)> {
    let host = |tensor: Tensor<B, 2>| {
        let shape = tensor.dims();
        HostTensor::new(shape, tensor.into_data().to_vec().expect("float32"))
    };
    let mut tensors = vec![("labels", host(targets.labels)), ("label_weights", host(targets.label_weights))];
    if let Some(absorbance) = targets.absorbance {
        tensors.push(("absorbance_values", host(absorbance.values)));
        tensors.push(("absorbance_weights", host(absorbance.weights)));
    }
    if let Some(fluorescence) = targets.fluorescence {
        tensors.push(("fluorescence_values", host(fluorescence.values)));
        tensors.push(("fluorescence_weights", host(fluorescence.weights)));
    }
    tensors.extend(targets.bitmask.map(|bitmask| ("bitmask", host(bitmask))));
    tensors
}

/// Rows of two tensors one after the other; offsets go on where the first ones end.
fn joined(name: &str, first: &HostTensor, second: &HostTensor) -> HostTensor {
    let (mut data, mut shape) = (first.data().to_vec(), first.shape().to_vec());
    if name == "offsets" {
        let end = data[data.len() - 1];
        data.extend(second.data()[1..].iter().map(|offset| end + offset));
        return HostTensor::new([data.len()], data);
    }
    data.extend(second.data());
    shape[0] += second.shape()[0];
    HostTensor::new(shape, data)
}

/// Writes the configuration and random weights.
///
/// A fresh network predicts next to nothing, since its last layers start near zero; every weight is therefore moved
/// a little, so that a comparison of losses sees every layer.
fn write_network(folder: &Path, config: &Config) -> anyhow::Result<()> {
    let network = Model::<Flex>::initialise(&config.model, 0, &Default::default())?;
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let moved: StateDict = network
        .state_dict()
        .iter()
        .map(|(name, tensor)| {
            let data = tensor.data().iter().map(|weight| weight + random.random_range(-0.05..0.05));
            (name.to_owned(), HostTensor::new(tensor.shape(), data.collect()))
        })
        .collect();
    fs::write(folder.join("config.json"), serde_json::to_vec(config)?)?;
    fs::write(folder.join("weights.safetensors"), moved.to_safetensors())?;
    Ok(())
}

/// Molecules with as many conformers as `sizes` says; features like standardised ones, a tenth of labels positive.
fn made_up_batch(config: &ModelConfig, sizes: &[usize], random: &mut ChaCha8Rng) -> StateDict {
    let (molecules, instances) = (sizes.len(), sizes.iter().sum());
    let offsets: Vec<f32> = [0.0f32]
        .into_iter()
        .chain(sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end as f32)
        }))
        .collect();
    let mut matrix = |rows: usize, columns: usize, low: f32, high: f32| {
        let values = (0..rows * columns).map(|_| random.random_range(low..high)).collect();
        HostTensor::new([rows, columns], values)
    };
    let mut batch = StateDict::default();
    batch.insert("offsets", HostTensor::new([molecules + 1], offsets));
    batch.insert("x2d", matrix(molecules, config.mol_dim, -1.7, 1.7));
    batch.insert("x3d", matrix(instances, config.inst_dim, -1.7, 1.7));
    let positives = matrix(molecules, config.n_tasks, 0.0, 1.0);
    let labels = positives.data().iter().map(|&draw| f32::from(u8::from(draw < 0.1))).collect();
    batch.insert("labels", HostTensor::new([molecules, config.n_tasks], labels));
    batch.insert("label_weights", matrix(molecules, config.n_tasks, 0.5, 2.0));
    for (name, outputs) in [("absorbance", config.n_absorbance), ("fluorescence", config.n_fluorescence)] {
        batch.insert(format!("{name}_values"), matrix(molecules, outputs, -1.7, 1.7));
        batch.insert(format!("{name}_weights"), matrix(molecules, outputs, 0.5, 2.0));
    }
    let groups = config.n_bitmask_groups;
    let mut bitmask = vec![0.0; molecules * groups];
    for row in bitmask.chunks_exact_mut(groups) {
        let group = random.random_range(0..groups);
        row[group] = 1.0 + group as f32 / 2.0;
    }
    batch.insert("bitmask", HostTensor::new([molecules, groups], bitmask));
    batch
}

/// The molecules of a `batch_N.safetensors`.
pub fn bags(batch: &StateDict) -> anyhow::Result<Bags> {
    let tensor = |name: &str| batch.get(name).with_context(|| format!("the batch has no {name}"));
    let matrix = |name: &str| -> anyhow::Result<Matrix> {
        let tensor = tensor(name)?;
        let [rows, columns] = tensor.shape()[..] else { anyhow::bail!("{name} is no matrix") };
        Matrix::new(rows, columns, tensor.data().to_vec()).context("a tensor's values fill its shape")
    };
    let offsets = tensor("offsets")?.data().iter().map(|&offset| offset as usize).collect();
    Ok(Bags::new(matrix("x2d")?, matrix("x3d")?, offsets)?)
}
