//! The state of a run after an epoch: all that is needed to go on as if it had never stopped.
//!
//! One safetensors file: weights in PyTorch's names, the optimiser's moments in the order of the network's parameters,
//! and everything that is no tensor as JSON in its metadata. The numbers of the history are float64 tensors, since
//! decimals do not always read back to the same bits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared_model::state_dict::{HostTensor, StateDict, decode_f32};

use super::history::EpochRecord;
use super::optimiser::MomentState;
use super::{LossScaler, Partition, TrainSettings};
use crate::atomic_file;
use crate::data::Dataset;
use crate::file_error::FileError;
use crate::parameters::{LearningRateSchedule, RunParameters};

/// Name of the checkpoint in a run folder.
const FILE: &str = "checkpoint.safetensors";
/// Version of the layout of the file.
const VERSION: u32 = 2;

/// What makes two runs the same: everything that the results depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunIdentity {
    data: String,
    rows: String,
    seed: u64,
    device: String,
    precision: String,
    /// Most epochs, where the learning rate depends on them.
    schedule_epochs: Option<usize>,
    parameters: Map<String, Value>,
}

/// The state of a run after its last epoch.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub(super) identity: RunIdentity,
    pub(super) history: Vec<EpochRecord>,
    /// Index of the best epoch in the history.
    pub(super) best: usize,
    /// The best epoch's predictions for the validation rows.
    pub(super) probabilities: Vec<f32>,
    pub(super) best_weights: StateDict,
    pub(super) weights: StateDict,
    pub(super) average: Option<StateDict>,
    pub(super) moments: Vec<MomentState>,
    pub(super) loss_scaler: Option<LossScaler>,
    /// Optimiser steps so far.
    pub(super) steps: u64,
    /// How much of the random stream of the batches was used.
    pub(super) batch_position: u128,
}

/// Why a run cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The checkpoint is not one, or not whole.
    #[error("{path} is no checkpoint of this version of Optimil ({reason}): remove it to start anew", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run is another one.
    #[error(
        "the unfinished run was started with {}: resume it with the same, or train into another folder",
        .0.join(", ")
    )]
    Differs(Vec<String>),
}

impl RunIdentity {
    /// The identity of a run.
    pub fn new(
        dataset: &Dataset,
        partition: Partition,
        parameters: &RunParameters,
        settings: &TrainSettings,
    ) -> Self {
        let mut rows = Sha256::new();
        for part in [partition.train, partition.validation] {
            rows.update((part.len() as u64).to_le_bytes());
            part.iter().for_each(|&row| rows.update((row as u64).to_le_bytes()));
        }
        let depends_on_epochs = parameters.optimisation.lr_schedule != LearningRateSchedule::Constant;
        Self {
            data: dataset.sha256(),
            rows: rows.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            seed: settings.seed,
            device: settings.device.kind().into(),
            precision: settings.precision.to_string(),
            schedule_epochs: depends_on_epochs.then_some(settings.max_epochs),
            // As they read back from text, like those they are compared with.
            parameters: read_back(&parameters.resolved),
        }
    }

    /// What `now` has different.
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, before: String, now: String| {
            if before != now {
                differences.push(format!("{what} {before} (now {now})"));
            }
        };
        compare("seed", self.seed.to_string(), now.seed.to_string());
        compare("device", self.device.clone(), now.device.clone());
        compare("--precision", self.precision.clone(), now.precision.clone());
        if let (Some(before), Some(now)) = (self.schedule_epochs, now.schedule_epochs) {
            compare("--max-epochs", before.to_string(), now.to_string());
        }
        let value = |parameters: &Map<String, Value>, name: &str| {
            parameters.get(name).map_or("unset".to_owned(), Value::to_string)
        };
        let mut names: Vec<&String> = self.parameters.keys().chain(now.parameters.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            compare(name, value(&self.parameters, name), value(&now.parameters, name));
        }
        if self.data != now.data {
            differences.push("other data (the tables, the schema or the splits have changed)".into());
        } else if self.rows != now.rows {
            differences.push("other splits".into());
        }
        differences
    }
}

fn read_back(parameters: &Map<String, Value>) -> Map<String, Value> {
    let text = serde_json::to_string(parameters).expect("JSON values serialise");
    serde_json::from_str(&text).expect("serialised the line before")
}

/// What a checkpoint holds beside tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    identity: RunIdentity,
    tasks: usize,
    best: usize,
    steps: u64,
    batch_position: String,
    moment_steps: Vec<Option<u64>>,
    loss_scaler: Option<LossScaler>,
}

/// The tensors under a prefix, which is taken off.
fn section(file: &SafeTensors, prefix: &str) -> Result<StateDict, String> {
    let tensors = file.iter().filter_map(|(name, view)| Some((name.strip_prefix(prefix)?, view)));
    tensors.map(|(name, view)| Ok((name.to_owned(), host_tensor(&view)?))).collect()
}

fn host_tensor(view: &TensorView) -> Result<HostTensor, String> {
    let data = decode_f32(view.dtype(), view.data()).ok_or("a tensor is not numeric")?;
    Ok(HostTensor::new(view.shape(), data))
}

impl Checkpoint {
    /// Where the checkpoint of a run folder is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Finished epochs.
    pub fn epochs(&self) -> usize {
        self.history.len()
    }

    /// Whether this is the state of that run.
    ///
    /// # Errors
    /// [`ResumeError::Differs`], which names what differs.
    pub fn check(&self, identity: &RunIdentity) -> Result<(), ResumeError> {
        let differences = self.identity.differences(identity);
        if differences.is_empty() { Ok(()) } else { Err(ResumeError::Differs(differences)) }
    }

    /// Reads the checkpoint of a run folder; none if there is no file.
    ///
    /// # Errors
    /// [`ResumeError`] if there is a file that is not a whole checkpoint.
    pub fn read(folder: &Path) -> Result<Option<Self>, ResumeError> {
        let path = Self::path(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::unreadable(&path, error).into()),
        };
        Self::from_bytes(&bytes).map(Some).map_err(|reason| ResumeError::Damaged { path, reason })
    }

    /// Writes the checkpoint of a run folder, as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let bytes = self.to_bytes();
        atomic_file::write(&Self::path(folder), |file| io::Write::write_all(file, &bytes))
    }

    /// Removes the checkpoint of a run folder: the run is finished.
    ///
    /// # Errors
    /// If there is one, and it cannot be removed.
    pub fn remove(folder: &Path) -> io::Result<()> {
        match fs::remove_file(Self::path(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            version: VERSION,
            identity: self.identity.clone(),
            tasks: self.history.first().map_or(0, |record| record.metrics.average_precision.len()),
            best: self.best,
            steps: self.steps,
            batch_position: self.batch_position.to_string(),
            moment_steps: self.moments.iter().map(|m| m.as_ref().map(|(_, steps)| *steps)).collect(),
            loss_scaler: self.loss_scaler,
        };
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let sections = [("weights.", Some(&self.weights)), ("best.", Some(&self.best_weights))];
        for (prefix, state) in sections.into_iter().chain([("average.", self.average.as_ref())]) {
            for (name, tensor) in state.into_iter().flat_map(StateDict::iter) {
                let name = format!("{prefix}{name}");
                tensors.push((name, Dtype::F32, tensor.shape().into(), floats(tensor.data())));
            }
        }
        for (index, (moments, _)) in
            self.moments.iter().enumerate().filter_map(|(i, m)| Some((i, m.as_ref()?)))
        {
            for (name, tensor) in ["exp_avg", "exp_avg_sq"].into_iter().zip(moments) {
                let name = format!("{name}.{index}");
                tensors.push((name, Dtype::F32, tensor.shape().into(), floats(tensor.data())));
            }
        }
        let probabilities = &self.probabilities;
        tensors.push(("probabilities".into(), Dtype::F32, vec![probabilities.len()], floats(probabilities)));
        let rows: Vec<Vec<f64>> = self.history.iter().map(EpochRecord::to_numbers).collect();
        let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
        let numbers = rows.concat().iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push(("history".into(), Dtype::F64, shape, numbers));

        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("values fill their shape");
            (name, view)
        });
        let header = serde_json::to_string(&header).expect("plain values serialise");
        let metadata = HashMap::from([("optimil".to_owned(), header)]);
        safetensors::serialize(views, Some(metadata)).expect("views of unique names serialise")
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| error.to_string();
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| broken(&error))?;
        let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get("optimil"));
        let header: Header = serde_json::from_str(header.ok_or("it was written by another program")?)
            .map_err(|error| broken(&error))?;
        if header.version != VERSION {
            return Err(format!("its version is {}", header.version));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| broken(&error))?;
        let tensor = |name: &str| file.tensor(name).map_err(|error| broken(&error));
        let history = tensor("history")?;
        let numbers = history.data().as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes));
        let numbers: Vec<f64> = numbers.collect();
        let columns = history.shape().get(1).copied().unwrap_or(0).max(1);
        let history: Option<Vec<EpochRecord>> =
            numbers.chunks(columns).map(|row| EpochRecord::from_numbers(row, header.tasks)).collect();
        let history =
            history.filter(|history| header.best < history.len()).ok_or("its history is not whole")?;
        let moments = header.moment_steps.iter().enumerate().map(|(index, steps)| {
            let moment = |name: &str| host_tensor(&tensor(&format!("{name}.{index}"))?);
            steps.map(|steps| Ok(([moment("exp_avg")?, moment("exp_avg_sq")?], steps))).transpose()
        });
        let average = section(&file, "average.")?;
        Ok(Self {
            history,
            best: header.best,
            probabilities: host_tensor(&tensor("probabilities")?)?.data().to_vec(),
            best_weights: section(&file, "best.")?,
            weights: section(&file, "weights.")?,
            average: (!average.is_empty()).then_some(average),
            moments: moments.collect::<Result<_, String>>()?,
            loss_scaler: header.loss_scaler,
            steps: header.steps,
            batch_position: header.batch_position.parse().map_err(|error| broken(&error))?,
            identity: header.identity,
        })
    }
}
