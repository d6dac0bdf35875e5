//! Our side: the trainer's own step and epoch.

use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;

use anyhow::{Context, bail};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde_json::{Map, Value, json};
use shared_model::network::{BagBatch, BagStore, Model};
use shared_model::state_dict::StateDict;
use trainer::device::{Device, Precision};
use trainer::losses::{Objective, RegressionTargets, Targets};
use trainer::training::{AdamW, Partition, Progress, TrainSettings, keep_freed_memory, train};

use crate::clock::{Clock, Time};
use crate::workload::{Config, Tables, bags};

type Cpu = Autodiff<Flex>;

const BETWEEN_STEPS: &str = "the network is put back after every step";

/// A network in training, and the batches that it goes through in turn.
struct Training {
    config: Config,
    /// None only during a step, which updates the weights in place.
    network: Option<Model<Cpu>>,
    optimiser: AdamW<Flex>,
    objective: Objective<Cpu>,
    batches: Vec<(BagBatch<Cpu>, Targets<Cpu>)>,
    plain: Plain,
    steps: usize,
}

/// The same without gradients.
struct Plain {
    objective: Objective<Flex>,
    batches: Vec<(BagBatch<Flex>, Targets<Flex>)>,
}

impl Training {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        keep_freed_memory();
        let config = Config::read(folder)?;
        let device = Default::default();
        let weights = StateDict::from_safetensors(&fs::read(folder.join("weights.safetensors"))?)?;
        let network = Model::from_state(&config.model, &weights, &device)?;
        let (mut batches, mut plain) = (Vec::new(), Vec::new());
        for index in 0.. {
            let path = folder.join(format!("batch_{index}.safetensors"));
            if !path.exists() {
                break;
            }
            let batch = StateDict::from_safetensors(&fs::read(path)?)?;
            let bags = bags(&batch)?;
            let members: Vec<usize> = (0..bags.len()).collect();
            let bags = BagStore::<Flex>::new(&bags, &device).batch(&members);
            batches.push((BagBatch::from_inner(bags.clone()), targets(&batch, &device)?));
            plain.push((bags, targets(&batch, &device)?));
        }
        Ok(Self {
            network: Some(network),
            optimiser: AdamW::new(config.weight_decay, None),
            objective: Objective::new(config.objective.clone(), &device),
            batches,
            plain: Plain { objective: Objective::new(config.objective.clone(), &device), batches: plain },
            steps: 0,
            config,
        })
    }

    fn train(&mut self, steps: usize) {
        for _ in 0..steps {
            self.steps += 1;
            let (bags, targets) = &self.batches[self.steps % self.batches.len()];
            let network = self.network.take().expect(BETWEEN_STEPS);
            let losses = self.objective.losses(&network.forward(bags.clone()), targets);
            let network = self.optimiser.accumulate(network, losses.total.backward());
            self.network = Some(self.optimiser.step(network, self.config.lr));
        }
    }

    fn forward(&mut self, passes: usize) {
        let network = self.network.as_ref().expect(BETWEEN_STEPS).valid();
        for _ in 0..passes {
            self.steps += 1;
            let (bags, _) = &self.plain.batches[self.steps % self.batches.len()];
            network.forward(bags.clone());
        }
    }

    /// All losses of the first batch, without dropout.
    fn losses(&self) -> anyhow::Result<Map<String, Value>> {
        let (bags, targets) = self.plain.batches.first().context("the workload has a batch")?;
        let output = self.network.as_ref().expect(BETWEEN_STEPS).valid().forward(bags.clone());
        let losses = self.plain.objective.losses(&output, targets).to_vector();
        let values: Vec<f32> = losses.into_data().to_vec().expect("float32");
        let names = ["total", "classification", "absorbance", "fluorescence", "bitmask"].map(str::to_owned);
        let tasks = (0..self.config.model.n_tasks).map(|task| format!("task_{task}"));
        Ok(names.into_iter().chain(tasks).zip(values.into_iter().map(Value::from)).collect())
    }
}

/// The targets of a batch of the workload on a device.
fn targets<B: Backend>(batch: &StateDict, device: &B::Device) -> anyhow::Result<Targets<B>> {
    let tensor = |name: &str| -> anyhow::Result<Tensor<B, 2>> {
        let host = batch.get(name).with_context(|| format!("the batch has no {name}"))?;
        Ok(Tensor::from_data(TensorData::new(host.data().to_vec(), host.shape().to_vec()), device))
    };
    let regression = |name: &str| -> anyhow::Result<Option<RegressionTargets<B>>> {
        let [values, weights] = ["values", "weights"].map(|part| format!("{name}_{part}"));
        if batch.get(&values).is_none() {
            return Ok(None);
        }
        Ok(Some(RegressionTargets { values: tensor(&values)?, weights: tensor(&weights)? }))
    };
    Ok(Targets {
        labels: tensor("labels")?,
        label_weights: tensor("label_weights")?,
        absorbance: regression("absorbance")?,
        fluorescence: regression("fluorescence")?,
        bitmask: batch.get("bitmask").map(|_| tensor("bitmask")).transpose()?,
    })
}

/// Trains for so many seconds and says how fast: for a profiler to look at.
pub fn profile(folder: &Path, seconds: f64) -> anyhow::Result<()> {
    let mut training = Training::read(folder)?;
    training.train(3);
    let clock = Clock::start();
    let mut steps = 0;
    while clock.read().wall < seconds {
        training.train(1);
        steps += 1;
    }
    let time = clock.read().per(steps);
    println!("{steps} steps: {:.1} ms each, {:.1} ms of CPU", time.wall * 1e3, time.cpu * 1e3);
    Ok(())
}

/// Runs the trainer for so many epochs; the time of each.
fn epochs(tables: &Tables, count: usize) -> anyhow::Result<Vec<Time>> {
    let (dataset, parameters) = (tables.load()?, tables.parameters()?);
    let (training, validation) = Tables::rows(&dataset)?;
    let partition = Partition { train: &training, validation: &validation };
    let settings = TrainSettings {
        seed: 0,
        max_epochs: count,
        patience: count,
        device: Device::Cpu,
        precision: Precision::Float32,
    };
    let (mut times, mut clock) = (Vec::new(), Clock::start());
    train(&dataset, partition, &parameters, &settings, |progress| {
        if let Progress::Epoch(..) = progress {
            times.push(clock.read());
            clock = Clock::start();
        }
    })?;
    Ok(times)
}

/// Answers commands, one a line, by a line of JSON each, until the input ends.
pub fn serve(folder: &Path, tables: &Tables) -> anyhow::Result<()> {
    let mut training = Training::read(folder)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (command, count) = line.split_once(' ').unwrap_or((&line, "0"));
        let count: usize = count.parse()?;
        let timed = |work: &mut dyn FnMut(usize)| -> Time {
            let clock = Clock::start();
            work(count);
            clock.read()
        };
        let answer = match command {
            "loss" => Value::Object(training.losses()?),
            "step" => json!(timed(&mut |steps| training.train(steps))),
            "forward" => json!(timed(&mut |passes| training.forward(passes))),
            "epoch" => json!(epochs(tables, count)?),
            _ => bail!("unknown command {command}"),
        };
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}
