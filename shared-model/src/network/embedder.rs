//! The residual embedder "mlp_v3": 2D encoder, 3D encoder and mixer.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::NetworkError;
use super::dense::Dense;
use super::parameters::{Init, ParameterSource};
use super::residual::{
    FeedForward, ResidualBlock, ResidualBlockConfig, ResidualBlockNames, Samples, drop_path_rate,
};
use crate::config::{Activation, ModelConfig};

/// Shape and regularisation of an embedder.
#[derive(Debug, Clone)]
pub(super) struct EmbedderConfig {
    pub d_in: usize,
    pub d_hidden: usize,
    pub layers: usize,
    /// Dropout inside a block.
    pub dropout: f64,
    /// Dropout of a block's output.
    pub residual_dropout: f64,
    /// Drop-path rate of the last block.
    pub drop_path: f64,
    /// Activation of the feed-forward layers; none: they are gated by a SiLU.
    pub activation: Option<Activation>,
}

/// Residual blocks of constant width behind a projection to that width.
#[derive(Module, Debug)]
pub(super) struct Embedder<B: Backend> {
    /// Left out where the input has the hidden width already.
    in_proj: Option<Dense<B>>,
    blocks: Vec<ResidualBlock<B>>,
}

impl EmbedderConfig {
    /// An embedder of a network: what its embedders have in common comes from the configuration.
    pub fn of(config: &ModelConfig, d_in: usize, d_hidden: usize, layers: usize, dropout: f64) -> Self {
        Self {
            d_in,
            d_hidden,
            layers,
            dropout,
            residual_dropout: config.residual_dropout,
            drop_path: config.drop_path,
            activation: (!config.gated).then_some(config.activation),
        }
    }

    /// Builds the embedder from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<Embedder<B>, NetworkError> {
        let in_proj = (self.d_in != self.d_hidden)
            .then(|| source.dense(&[format!("{name}.in_proj")], self.d_in, self.d_hidden, Init::Xavier(1.0)))
            .transpose()?;
        let blocks = (0..self.layers).map(|i| {
            let names = ResidualBlockNames {
                norm: vec![format!("{name}.pre_norms.{i}")],
                first: vec![format!("{name}.blocks.{i}.ff1")],
                second: vec![format!("{name}.blocks.{i}.ff2")],
                res_scale: vec![format!("{name}.res_scales.{i}")],
            };
            self.block(i).build(&names, source)
        });
        let blocks = blocks.collect::<Result<_, _>>()?;
        Ok(Embedder { in_proj, blocks })
    }

    fn block(&self, i: usize) -> ResidualBlockConfig {
        ResidualBlockConfig {
            d: self.d_hidden,
            feed_forward: self.activation.map_or(FeedForward::GateThenValue, FeedForward::Activation),
            dropout: self.dropout,
            residual_dropout: self.residual_dropout,
            drop_path: drop_path_rate(self.drop_path, i, self.layers),
            // The last block starts as the identity; the first ones warm up from a small residual.
            res_scale: if i + 2 >= self.layers { 0.1 } else { 0.01 },
            second: if i + 1 == self.layers { Init::Constant(0.0) } else { Init::Xavier(1.0) },
        }
    }
}

impl<B: Backend> Embedder<B> {
    /// Embeds rows: [R, F] to [R, D].
    pub fn forward(&self, x: Tensor<B, 2>, samples: &Samples<B>) -> Tensor<B, 2> {
        let x = match &self.in_proj {
            Some(in_proj) => in_proj.forward(x),
            None => x,
        };
        self.blocks.iter().fold(x, |x, block| block.forward(x, samples))
    }
}
