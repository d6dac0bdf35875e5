//! Models of the earlier PyTorch system: reads its Lightning checkpoints without Python.
//!
//! A `.ckpt` is a zip of one pickle, which describes the objects, and one entry per tensor storage. The
//! pickle is read as data: nothing that it names is looked up or run.

mod archive;
mod error;
mod hyper_parameters;
mod pickle;
mod tensor;

pub use error::{CheckpointError, PickleError, TensorError};
pub use hyper_parameters::from_json as hyper_parameters_from_json;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shared_model::state_dict::StateDict;

use archive::Archive;
use pickle::{Node, NodeId, Pickle};
use tensor::{StorageReference, TensorReference};

/// What a Lightning checkpoint says about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct LightningCheckpoint {
    /// Parameters and buffers, under PyTorch's names.
    pub state_dict: StateDict,
    /// The arguments that the model was built with.
    pub hyper_parameters: Map<String, Value>,
    /// Number of the epoch it was saved in, from 0; not every file has it.
    pub epoch: Option<u64>,
}

impl LightningCheckpoint {
    /// Reads a `.ckpt` file.
    ///
    /// # Errors
    /// [`CheckpointError`] for bytes that are not such a file; the memory used is in proportion to their
    /// number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut archive = Archive::open(bytes)?;
        let pickle = Pickle::parse(&archive.pickle()?)?;
        let state_dict = pickle.get(pickle.root(), "state_dict").ok_or(CheckpointError::NoStateDict)?;
        let hyper_parameters =
            pickle.get(pickle.root(), "hyper_parameters").ok_or(CheckpointError::NoHyperParameters)?;
        let epoch = pickle.get(pickle.root(), "epoch").and_then(|epoch| match *pickle.node(epoch) {
            Node::Int(epoch) => u64::try_from(epoch).ok(),
            _ => None,
        });
        Ok(Self {
            hyper_parameters: hyper_parameters::from_pickle(&pickle, hyper_parameters)?,
            state_dict: read_tensors(&pickle, state_dict, &mut archive, bytes.len())?,
            epoch,
        })
    }

    /// The same from a safetensors file and a JSON file of hyper-parameters.
    ///
    /// # Errors
    /// [`CheckpointError`] for bytes that are not such files.
    pub fn from_safetensors(weights: &[u8], hyper_parameters: &[u8]) -> Result<Self, CheckpointError> {
        Ok(Self {
            state_dict: StateDict::from_safetensors(weights)?,
            hyper_parameters: hyper_parameters::from_json(hyper_parameters)?,
            epoch: None,
        })
    }
}

/// All tensors of the dictionary `state_dict`, with at most `values_left` values in all: the smallest value
/// takes a byte of the file, so that only a crafted file can hold more.
fn read_tensors(
    pickle: &Pickle,
    state_dict: NodeId,
    archive: &mut Archive,
    mut values_left: usize,
) -> Result<StateDict, CheckpointError> {
    let entries = pickle.items(state_dict).ok_or(CheckpointError::StateDictType)?;
    let mut storages: BTreeMap<StorageReference, Vec<f32>> = BTreeMap::new();
    let mut tensors = StateDict::default();
    for &(name, value) in entries {
        let Node::Text(name) = pickle.node(name) else {
            return Err(CheckpointError::StateDictType);
        };
        let in_tensor = |reason| CheckpointError::Tensor { name: name.to_string(), reason };
        let tensor = TensorReference::parse(pickle, value).map_err(in_tensor)?;
        values_left = values_left
            .checked_sub(tensor.value_count())
            .ok_or_else(|| in_tensor(TensorError::TooManyValues))?;
        if !storages.contains_key(&tensor.storage) {
            let bytes = archive.storage(&tensor.storage.key)?;
            let bytes = bytes.ok_or_else(|| in_tensor(TensorError::NoStorage(tensor.storage.key.clone())))?;
            storages.insert(tensor.storage.clone(), tensor.storage.decode(&bytes).map_err(in_tensor)?);
        }
        let values = tensor.gather(&storages[&tensor.storage]).map_err(in_tensor)?;
        tensors.insert(&**name, values);
    }
    Ok(tensors)
}
