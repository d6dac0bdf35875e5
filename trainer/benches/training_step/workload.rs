//! What both sides compute on: a folder of configuration, weights and batches.
//!
//! `config.json` has the model configuration, the weights of the objective and the optimiser's settings;
//! `weights.safetensors` is a state dict in PyTorch's names; `batch_N.safetensors` are molecules with their
//! targets.

use std::fs;
use std::path::Path;

use anyhow::Context;
use burn::backend::Flex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared_model::bags::{Bags, Matrix};
use shared_model::config::ModelConfig;
use shared_model::network::Model;
use shared_model::state_dict::{HostTensor, StateDict};
use trainer::losses::{ObjectiveWeights, RegressionLoss};

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
