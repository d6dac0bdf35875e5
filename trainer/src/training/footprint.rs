//! Memory that training takes, estimated from shapes.

use burn::backend::Flex;
use shared_model::config::{InstanceEmbedder, ModelConfig, MoleculeEmbedder};
use shared_model::network::{Model, NetworkError};

use super::Partition;
use super::batches::Batches;
use crate::data::Dataset;
use crate::parameters::RunParameters;

/// What takes memory in training, in bytes; the data are exact, activations a rough estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Parameters of the network, a number, not bytes.
    pub parameters: usize,
    /// Feature matrices, once on the host; once more on the device.
    pub matrices: usize,
    /// Weights, gradients and both moments of the optimiser.
    pub weights: usize,
    /// Outputs of layers that the backward pass of a batch needs.
    pub activations: usize,
}

const FLOAT: usize = size_of::<f32>();

impl Footprint {
    /// Estimates a run.
    ///
    /// # Errors
    /// [`NetworkError`] if the configuration is impossible.
    pub fn estimate(
        dataset: &Dataset,
        partition: Partition,
        parameters: &RunParameters,
    ) -> Result<Self, NetworkError> {
        let groups = Batches::prepare(dataset, partition, parameters).group_count();
        let config = parameters.model_config(dataset.names_2d().len(), dataset.names_3d().len(), groups);
        let network = Model::<Flex>::initialise(&config, 0, &Default::default())?;
        let count: usize = network.state_dict().iter().map(|(_, tensor)| tensor.data().len()).sum();
        let bags = dataset.bags();
        let instances: usize = partition.train.iter().map(|&row| bags.instances(row).len()).sum();
        let batch = parameters.optimisation.batch_size;
        let instances_of_batch = (batch * instances).div_ceil(partition.train.len().max(1));
        Ok(Self {
            parameters: count,
            matrices: FLOAT * (bags.x2d().data().len() + bags.x3d().data().len()),
            weights: FLOAT * 4 * count,
            activations: FLOAT * activations(&config, batch, instances_of_batch),
        })
    }

    /// All of it, in bytes.
    pub fn total(&self) -> usize {
        2 * self.matrices + self.weights + self.activations
    }
}

/// Floats kept by a forward pass over a batch of molecules with so many instances together.
fn activations(config: &ModelConfig, molecules: usize, instances: usize) -> usize {
    let c = config;
    let tokens = molecules * c.n_tasks;
    let outputs = molecules * (c.n_tasks + c.n_absorbance + c.n_fluorescence + c.n_bitmask_groups.min(1));
    let branch_2d = match c.mol_embedder_name {
        MoleculeEmbedder::None => 0,
        _ => molecules * (c.mol_dim + residual(c.mol_hidden, c.mol_layers) + 2 * c.proj_dim),
    };
    let branch_3d = match c.inst_embedder_name {
        InstanceEmbedder::None => 0,
        _ => {
            let attention = 3 * c.n_tasks * c.attn_heads + 3 * c.inst_hidden;
            instances * (c.inst_dim + residual(c.inst_hidden, c.inst_layers) + attention)
                + tokens * 2 * (c.inst_hidden + c.proj_dim)
        }
    };
    let mixer = tokens * (2 * c.proj_dim + residual(c.mixer_hidden, c.mixer_layers));
    branch_2d + branch_3d + mixer + outputs * residual(c.mixer_hidden, c.head_num_layers)
}

/// Floats a row of residual blocks: of each the normalised input, both halves of the gated layer, their product, the
/// output and a mask of dropout.
fn residual(width: usize, layers: usize) -> usize {
    let inner = (2 * width).max(4).next_multiple_of(64);
    width + layers * (4 * width + 3 * inner)
}
