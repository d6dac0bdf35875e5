//! The two branches of the network: a molecule's 2D features, and its instances.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::aggregator::Aggregator;
use super::dense::Dense;
use super::embedder::{Embedder, EmbedderConfig};
use super::layer_norm::LayerNorm;
use super::parameters::{Init, ParameterSource};
use super::positions::Positions;
use super::residual::Samples;
use super::{NetworkError, normalise, post_norm};
use crate::config::ModelConfig;

/// 2D embedder and projection.
#[derive(Module, Debug)]
pub(super) struct MoleculeBranch<B: Backend> {
    embedder: Embedder<B>,
    post_embed_norm: Option<LayerNorm<B>>,
    projection: Projection<B>,
}

/// 3D embedder, aggregator of the instances, and projection.
#[derive(Module, Debug)]
pub(super) struct InstanceBranch<B: Backend> {
    embedder: Embedder<B>,
    post_embed_norm: Option<LayerNorm<B>>,
    aggregator: Aggregator<B>,
    post_pool_norm: Option<LayerNorm<B>>,
    projection: Projection<B>,
}

impl<B: Backend> MoleculeBranch<B> {
    /// Builds the branch from the tensors of its PyTorch names.
    pub fn build(config: &ModelConfig, source: &mut ParameterSource<B>) -> Result<Self, NetworkError> {
        let c = config;
        let embedder = EmbedderConfig::of(c, c.mol_dim, c.mol_hidden, c.mol_layers, c.mol_dropout);
        Ok(Self {
            embedder: embedder.build("mol_enc", source)?,
            post_embed_norm: post_norm(c, "mol_post_embed_norm", c.mol_hidden, source)?,
            projection: Projection::build("proj2d", c.mol_hidden, c.proj_dim, source)?,
        })
    }

    /// [B, F2] to [B, proj].
    pub fn forward(&self, x2d: Tensor<B, 2>) -> Tensor<B, 2> {
        let embedded = self.embedder.forward(x2d, &Samples::Of(1));
        self.projection.forward(normalise(&self.post_embed_norm, embedded))
    }
}

impl<B: Backend> InstanceBranch<B> {
    /// Builds the branch from the tensors of its PyTorch names.
    pub fn build(config: &ModelConfig, source: &mut ParameterSource<B>) -> Result<Self, NetworkError> {
        let c = config;
        let embedder = EmbedderConfig::of(c, c.inst_dim, c.inst_hidden, c.inst_layers, c.inst_dropout);
        Ok(Self {
            embedder: embedder.build("inst_enc", source)?,
            post_embed_norm: post_norm(c, "inst_post_embed_norm", c.inst_hidden, source)?,
            aggregator: Aggregator::build(c, source)?,
            post_pool_norm: post_norm(c, "agg_post_norm", c.inst_hidden, source)?,
            projection: Projection::build("proj3d", c.inst_hidden, c.proj_dim, source)?,
        })
    }

    /// The branch with equal weights in place of attention.
    pub fn with_uniform_attention(mut self) -> Self {
        self.aggregator = self.aggregator.with_uniform_attention();
        self
    }

    /// Instances [R, F3] to one embedding per molecule and task [B·T, proj], and the attention map [B, T, N].
    pub fn forward(
        &self,
        x3d: Tensor<B, 2>,
        positions: &Positions<B>,
        samples: &Samples<B>,
    ) -> (Tensor<B, 2>, Tensor<B, 3>) {
        let tokens = normalise(&self.post_embed_norm, self.embedder.forward(x3d, samples));
        let (pooled, attention) = self.aggregator.forward(tokens, positions);
        (self.projection.forward(normalise(&self.post_pool_norm, pooled)), attention)
    }
}

/// Linear and LayerNorm, in front of the fusion of the two branches.
#[derive(Module, Debug)]
struct Projection<B: Backend> {
    linear: Dense<B>,
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
            linear: source.dense(&[format!("{name}.0")], d_in, d_out, pytorch_default)?,
            norm: source.layer_norm(&[format!("{name}.1")], d_out)?,
        })
    }

    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.norm.forward(self.linear.forward(x))
    }
}
