//! The network: a molecule's 2D features and its bag of conformers in, logits and attention out.

mod activation;
mod aggregator;
mod attention_pool;
mod batch;
mod branch;
// The backward passes are for training only.
#[cfg_attr(not(feature = "autodiff"), allow(dead_code))]
mod cpu;
mod dense;
mod embedder;
mod feature_scaling;
mod half;
mod head;
mod layer_norm;
mod mean_pool;
mod mixer;
mod mlp;
mod noise_stream;
mod parameters;
mod positions;
mod residual;

use burn::module::Module;
#[cfg(feature = "autodiff")]
use burn::tensor::FloatDType;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use self::batch::{BagBatch, BagStore};
use self::branch::{InstanceBranch, MoleculeBranch};
use self::feature_scaling::FeatureScaling;
pub use self::feature_scaling::FeatureStatistics;
#[cfg(feature = "autodiff")]
use self::half::RoundMatrices;
use self::head::{Heads, HeadsConfig};
use self::layer_norm::LayerNorm;
use self::mixer::Mixer;
pub use self::noise_stream::seed_noise;
use self::parameters::{GradientCollector, ParameterNames, ParameterSource, StateCollector};
use self::residual::Samples;
use crate::config::{ConfigError, InstanceEmbedder, ModelConfig, MoleculeEmbedder};
use crate::state_dict::StateDict;

/// Why a network cannot be built from a configuration and weights.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The configuration itself is impossible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights lack a tensor.
    #[error("the weights have no tensor \"{0}\", which this model configuration needs")]
    MissingTensor(String),
    /// A tensor of another shape.
    #[error(
        "tensor \"{name}\" of the weights has shape {found:?}; this model configuration needs {expected:?}"
    )]
    WrongShape {
        /// Name of the tensor.
        name: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// Tensors that the network has no place for.
    #[error("the weights have {} tensor(s) that this model configuration has no place for: {}",
        .0.len(), .0.iter().take(3).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))]
    UnexpectedTensors(Vec<String>),
}

/// What the network says of a batch.
#[derive(Debug, Clone)]
pub struct NetworkOutput<B: Backend> {
    /// Classification logits [B, T].
    pub logits: Tensor<B, 2>,
    /// Standardised absorbance targets [B, A], if there are any.
    pub absorbance: Option<Tensor<B, 2>>,
    /// Standardised fluorescence targets [B, F], if there are any.
    pub fluorescence: Option<Tensor<B, 2>>,
    /// Logits of the bitmask groups [B, K + 1], if the network has that head.
    pub bitmask: Option<Tensor<B, 2>>,
    /// Attention of each task over the instances [B, T, N]: 0 on padding, sums to 1.
    pub attention: Tensor<B, 3>,
}

/// The multi-task attention network over bags of conformers (architecture v2, or what the configuration changes).
///
/// Regularisation (dropout, drop path) is active exactly when its tensors track gradients.
#[derive(Module, Debug)]
pub struct Model<B: Backend> {
    scaling_2d: Option<FeatureScaling<B>>,
    scaling_3d: Option<FeatureScaling<B>>,
    molecules: Option<MoleculeBranch<B>>,
    instances: Option<InstanceBranch<B>>,
    mixer: Mixer<B>,
    mixer_post_norm: Option<LayerNorm<B>>,
    /// Classification, absorbance and fluorescence, then the bitmask groups.
    heads: Heads<B>,
    #[module(skip)]
    config: ModelConfig,
    #[module(skip)]
    names: ParameterNames,
}

impl<B: Backend> Model<B> {
    /// A network with random initial parameters: the same seed gives the same network on every device.
    ///
    /// # Errors
    /// [`NetworkError::Config`] for an impossible configuration.
    pub fn initialise(config: &ModelConfig, seed: u64, device: &B::Device) -> Result<Self, NetworkError> {
        Self::build(config, ParameterSource::random(ChaCha8Rng::seed_from_u64(seed), device))
    }

    /// A network with the given weights, in PyTorch's names and layout.
    ///
    /// # Errors
    /// [`NetworkError`] if the configuration is impossible, or a tensor is missing, has another shape or is
    /// not part of the network.
    pub fn from_state(
        config: &ModelConfig,
        state: &StateDict,
        device: &B::Device,
    ) -> Result<Self, NetworkError> {
        Self::build(config, ParameterSource::state(state, device))
    }

    fn build(config: &ModelConfig, mut source: ParameterSource<B>) -> Result<Self, NetworkError> {
        config.validate()?;
        let c = config;
        let source_ref = &mut source;
        let scaling = |name: &str, width: usize, source: &mut ParameterSource<B>| {
            (c.scaled_features && width > 0).then(|| FeatureScaling::build(name, width, source)).transpose()
        };
        let scaling_2d = scaling("feature_scale_2d", c.mol_dim, source_ref)?;
        let scaling_3d = scaling("feature_scale_3d", c.inst_dim, source_ref)?;
        let molecules = (c.mol_embedder_name != MoleculeEmbedder::None)
            .then(|| MoleculeBranch::build(c, source_ref))
            .transpose()?;
        let instances = (c.inst_embedder_name != InstanceEmbedder::None)
            .then(|| InstanceBranch::build(c, source_ref))
            .transpose()?;
        let branches = usize::from(molecules.is_some()) + usize::from(instances.is_some());
        let mixer = Mixer::build(c, branches, source_ref)?;
        let mixer_post_norm = post_norm(c, "mixer_post_norm", c.mixer_hidden, source_ref)?;
        let groups = [("cls", c.n_tasks), ("abs", c.n_absorbance), ("fluo", c.n_fluorescence)];
        let names: Vec<String> = groups
            .into_iter()
            .flat_map(|(group, count)| (0..count).map(move |head| format!("{group}_heads.{head}")))
            .collect();
        let heads = heads_config(c).build(&names, "bitmask_head", c.n_bitmask_groups, source_ref)?;
        let names = source.finish()?;
        Ok(Self {
            scaling_2d,
            scaling_3d,
            molecules,
            instances,
            mixer,
            mixer_post_norm,
            heads,
            config: c.clone(),
            names,
        })
    }

    /// The network with these statistics of its features, if it standardises them.
    #[must_use]
    pub fn with_feature_statistics(mut self, statistics: &FeatureStatistics) -> Self {
        self.scaling_2d =
            self.scaling_2d.map(|scaling| scaling.with(&statistics.mean_2d, &statistics.std_2d));
        self.scaling_3d =
            self.scaling_3d.map(|scaling| scaling.with(&statistics.mean_3d, &statistics.std_3d));
        self
    }

    /// The same network with its weight matrices rounded to a type, in which it then computes its products; what is no
    /// product stays float32. Gradients of what it returns reach the parameters of this network, in float32.
    #[cfg(feature = "autodiff")]
    #[must_use]
    pub fn with_products_in(&self, dtype: FloatDType) -> Self {
        self.clone().map(&mut RoundMatrices { names: &self.names, dtype })
    }

    /// The network with its attention replaced by equal weights: every instance of a bag counts 1 / N for every task, and
    /// none is pruned or left out by top-k. Networks that attend to nothing stay as they are.
    #[must_use]
    pub fn with_uniform_attention(mut self) -> Self {
        self.instances = self.instances.map(InstanceBranch::with_uniform_attention);
        self.config.aggregator_kwargs.uniform_attention = true;
        self
    }

    /// The network without its auxiliary heads, for what needs logits and attention alone.
    #[must_use]
    pub fn classifier(mut self) -> Self {
        self.heads = self.heads.first(self.config.n_tasks);
        self.config.n_absorbance = 0;
        self.config.n_fluorescence = 0;
        self.config.n_bitmask_groups = 0;
        self
    }

    /// The configuration that the network was built with.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights, in PyTorch's names and layout. Reads back from the device and waits for it.
    pub fn state_dict(&self) -> StateDict {
        let mut collector = StateCollector::new(&self.names);
        self.visit(&mut collector);
        collector.into_state()
    }

    /// The gradients of the parameters that have one, named and laid out like [`Model::state_dict`].
    pub fn gradients(&self, gradients: &B::Gradients) -> StateDict
    where
        B: AutodiffBackend,
    {
        let collector = StateCollector::new(&self.names);
        let mut collector = GradientCollector::<B> { collector, gradients };
        self.visit(&mut collector);
        collector.collector.into_state()
    }

    /// Runs the network on a batch.
    pub fn forward(&self, batch: BagBatch<B>) -> NetworkOutput<B> {
        let bags = batch.len();
        let tasks = self.config.n_tasks;
        let BagBatch { x2d, x3d, positions, samples } = batch;
        let scaled = |scaling: &Option<FeatureScaling<B>>, x| match scaling {
            Some(scaling) => scaling.forward(x),
            None => x,
        };
        let molecules = self.molecules.as_ref().map(|branch| {
            let e2d = branch.forward(scaled(&self.scaling_2d, x2d));
            let [_, proj] = e2d.dims();
            // One row, where all bags are of one molecule, serves them all.
            e2d.unsqueeze_dim::<3>(1).expand([bags, tasks, proj]).reshape([bags * tasks, proj])
        });
        let (instances, attention) = match &self.instances {
            Some(branch) => {
                let (e3d, attention) = branch.forward(scaled(&self.scaling_3d, x3d), &positions, &samples);
                (Some(e3d), attention)
            }
            None => (None, mean_pool::uniform_attention(&positions, tasks)),
        };
        let fused = Tensor::cat(molecules.into_iter().chain(instances).collect(), 1);
        let z = normalise(&self.mixer_post_norm, self.mixer.forward(fused, &Samples::Of(tasks)));
        let [_, d] = z.dims();
        let z = z.reshape([bags, tasks, d]);

        // A head each: its task's embedding, or the mean of all.
        let [absorbance, fluorescence] = [self.config.n_absorbance, self.config.n_fluorescence];
        let shared = absorbance + fluorescence + usize::from(self.config.n_bitmask_groups > 0);
        let own = z.clone().swap_dims(0, 1);
        let inputs = if shared == 0 {
            own
        } else {
            let mean = z.mean_dim(1).swap_dims(0, 1).expand([shared, bags, d]);
            Tensor::cat(vec![own, mean], 0)
        };
        let (outputs, bitmask) = self.heads.forward(inputs);
        let group = |start: usize, count: usize| (count > 0).then(|| outputs.clone().narrow(1, start, count));
        NetworkOutput {
            logits: outputs.clone().narrow(1, 0, tasks),
            absorbance: group(tasks, absorbance),
            fluorescence: group(tasks + absorbance, fluorescence),
            bitmask,
            attention,
        }
    }
}

/// A layer normalisation after a component, if the network has those.
fn post_norm<B: Backend>(
    config: &ModelConfig,
    name: &str,
    width: usize,
    source: &mut ParameterSource<B>,
) -> Result<Option<LayerNorm<B>>, NetworkError> {
    config.post_norms.then(|| source.layer_norm(&[name.to_owned()], width)).transpose()
}

/// Applies a layer normalisation, where there is one.
fn normalise<B: Backend>(norm: &Option<LayerNorm<B>>, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

fn heads_config(config: &ModelConfig) -> HeadsConfig {
    HeadsConfig {
        family: config.predictor_name,
        d: config.mixer_hidden,
        layers: config.head_num_layers,
        dropout: config.head_dropout,
        drop_path: config.head_stochastic_depth,
        fc2_gain_non_last: config.head_fc2_gain_non_last,
    }
}
