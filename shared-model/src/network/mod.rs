//! The network: a molecule's 2D features and its bag of conformers in, logits and attention out.

mod activation;
mod attention_pool;
mod embedder;
mod head;
mod mixer;
mod mlp;
mod parameters;
mod residual;

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{
    Bool, Tensor,
    backend::{AutodiffBackend, Backend},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::attention_pool::{TaskAttentionPool, TaskAttentionPoolConfig};
use self::embedder::{Embedder, EmbedderConfig};
use self::head::{Head, HeadConfig};
use self::mixer::Mixer;
use self::mlp::MlpConfig;
use self::parameters::{GradientCollector, Init, ParameterNames, ParameterSource, StateCollector};
use crate::config::{ConfigError, Mixer as MixerName, ModelConfig};
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

/// A batch of bags on a device, padded to N positions.
#[derive(Debug, Clone)]
pub struct BagBatch<B: Backend> {
    /// Features of the molecules [B, F2].
    pub x2d: Tensor<B, 2>,
    /// Features of the instances [B, N, F3]; padding may hold any finite numbers.
    pub x3d: Tensor<B, 3>,
    /// [B, N], true where there is no instance.
    pub padding: Tensor<B, 2, Bool>,
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
    mol_enc: Embedder<B>,
    mol_post_embed_norm: Option<LayerNorm<B>>,
    proj2d: Projection<B>,
    inst_enc: Embedder<B>,
    inst_post_embed_norm: Option<LayerNorm<B>>,
    attn_pool: TaskAttentionPool<B>,
    agg_post_norm: Option<LayerNorm<B>>,
    proj3d: Projection<B>,
    mixer: Mixer<B>,
    mixer_post_norm: Option<LayerNorm<B>>,
    cls_heads: Vec<Head<B>>,
    abs_heads: Vec<Head<B>>,
    fluo_heads: Vec<Head<B>>,
    bitmask_head: Option<Head<B>>,
    #[module(skip)]
    config: ModelConfig,
    #[module(skip)]
    names: ParameterNames,
}

/// Linear and LayerNorm, in front of the fusion of the two branches.
#[derive(Module, Debug)]
struct Projection<B: Backend> {
    linear: Linear<B>,
    norm: LayerNorm<B>,
}

impl<B: Backend> Projection<B> {
    fn build(
        name: &str,
        d_in: usize,
        d_out: usize,
        source: &mut ParameterSource<B>,
    ) -> Result<Self, NetworkError> {
        let pytorch_default = Init::Uniform(1.0 / (d_in as f32).sqrt());
        Ok(Self {
            linear: source.linear(&format!("{name}.0"), d_in, d_out, pytorch_default)?,
            norm: source.layer_norm(&format!("{name}.1"), d_out)?,
        })
    }

    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.norm.forward(self.linear.forward(x))
    }
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
        let embedder = |d_in, d_hidden, layers, dropout| EmbedderConfig {
            d_in,
            d_hidden,
            layers,
            dropout,
            residual_dropout: c.residual_dropout,
            drop_path: c.drop_path,
            activation: (!c.gated).then_some(c.activation),
        };
        let post_norm = |name: &str, width, source: &mut ParameterSource<B>| {
            c.post_norms.then(|| source.layer_norm(name, width)).transpose()
        };
        let heads = |name: &str, count: usize, source: &mut ParameterSource<B>| {
            (0..count)
                .map(|i| head_config(c, 1).build(&format!("{name}.{i}"), source))
                .collect::<Result<_, _>>()
        };
        let pool = TaskAttentionPoolConfig {
            d: c.inst_hidden,
            heads: c.attn_heads,
            tasks: c.n_tasks,
            dropout: c.attn_dropout,
            options: c.aggregator_kwargs.clone(),
        };
        let mut model = Self {
            mol_enc: embedder(c.mol_dim, c.mol_hidden, c.mol_layers, c.mol_dropout)
                .build("mol_enc", source_ref)?,
            mol_post_embed_norm: post_norm("mol_post_embed_norm", c.mol_hidden, source_ref)?,
            proj2d: Projection::build("proj2d", c.mol_hidden, c.proj_dim, source_ref)?,
            inst_enc: embedder(c.inst_dim, c.inst_hidden, c.inst_layers, c.inst_dropout)
                .build("inst_enc", source_ref)?,
            inst_post_embed_norm: post_norm("inst_post_embed_norm", c.inst_hidden, source_ref)?,
            attn_pool: pool.build("attn_pool", source_ref)?,
            agg_post_norm: post_norm("agg_post_norm", c.inst_hidden, source_ref)?,
            proj3d: Projection::build("proj3d", c.inst_hidden, c.proj_dim, source_ref)?,
            mixer: match c.mixer_name {
                MixerName::MlpV3 => Mixer::MlpV3(
                    embedder(2 * c.proj_dim, c.mixer_hidden, c.mixer_layers, c.mixer_dropout)
                        .build("mixer", source_ref)?,
                ),
                MixerName::Mlp => Mixer::Mlp(mlp_mixer(c).build("mixer", source_ref)?),
            },
            mixer_post_norm: post_norm("mixer_post_norm", c.mixer_hidden, source_ref)?,
            cls_heads: heads("cls_heads", c.n_tasks, source_ref)?,
            abs_heads: heads("abs_heads", c.n_absorbance, source_ref)?,
            fluo_heads: heads("fluo_heads", c.n_fluorescence, source_ref)?,
            bitmask_head: (c.n_bitmask_groups > 0)
                .then(|| head_config(c, c.n_bitmask_groups).build("bitmask_head", source_ref))
                .transpose()?,
            config: c.clone(),
            names: ParameterNames::default(),
        };
        model.names = source.finish()?;
        Ok(model)
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
        let [bags, width, features] = batch.x3d.dims();
        let tasks = self.config.n_tasks;

        let e2d = normalise(&self.mol_post_embed_norm, self.mol_enc.forward(batch.x2d, bags));
        let e2d = self.proj2d.forward(e2d);
        let [_, proj] = e2d.dims();

        let tokens = self.inst_enc.forward(batch.x3d.reshape([bags * width, features]), bags);
        let tokens = normalise(&self.inst_post_embed_norm, tokens);
        let (pooled, attention) = self.attn_pool.forward(tokens, batch.padding);
        let e3d = self.proj3d.forward(normalise(&self.agg_post_norm, pooled));

        let e2d = e2d.unsqueeze_dim::<3>(1).expand([bags, tasks, proj]).reshape([bags * tasks, proj]);
        let z = self.mixer.forward(Tensor::cat(vec![e2d, e3d], 1), bags);
        let [_, d] = z.dims();
        let z = normalise(&self.mixer_post_norm, z).reshape([bags, tasks, d]);

        let logits = self
            .cls_heads
            .iter()
            .enumerate()
            .map(|(t, head)| head.forward(z.clone().slice([0..bags, t..t + 1, 0..d]).reshape([bags, d])));
        let logits = Tensor::cat(logits.collect(), 1);
        let z_mean = z.mean_dim(1).reshape([bags, d]);
        NetworkOutput {
            logits,
            absorbance: shared_heads(&self.abs_heads, &z_mean),
            fluorescence: shared_heads(&self.fluo_heads, &z_mean),
            bitmask: self.bitmask_head.as_ref().map(|head| head.forward(z_mean)),
            attention,
        }
    }
}

/// The outputs of heads that all look at the mean task embedding, side by side.
fn shared_heads<B: Backend>(heads: &[Head<B>], z: &Tensor<B, 2>) -> Option<Tensor<B, 2>> {
    let outputs: Vec<_> = heads.iter().map(|head| head.forward(z.clone())).collect();
    (!outputs.is_empty()).then(|| Tensor::cat(outputs, 1))
}

/// Applies a layer normalisation, where there is one.
fn normalise<B: Backend>(norm: &Option<LayerNorm<B>>, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

fn mlp_mixer(config: &ModelConfig) -> MlpConfig {
    MlpConfig {
        d_in: 2 * config.proj_dim,
        d_hidden: config.mixer_hidden,
        layers: config.mixer_layers,
        dropout: config.mixer_dropout,
        activation: config.activation,
    }
}

fn head_config(config: &ModelConfig, d_out: usize) -> HeadConfig {
    HeadConfig {
        family: config.predictor_name,
        d: config.mixer_hidden,
        d_out,
        layers: config.head_num_layers,
        dropout: config.head_dropout,
        drop_path: config.head_stochastic_depth,
        fc2_gain_non_last: config.head_fc2_gain_non_last,
    }
}
