//! The residual embedder "mlp_v3": 2D encoder, 3D encoder and mixer.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::{Tensor, activation::silu, backend::Backend};

use super::NetworkError;
use super::activation::activate;
use super::parameters::{Init, ParameterSource};
use super::residual::{drop_path, drop_path_rate, inner_width};
use crate::config::Activation;

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

/// Pre-norm residual blocks of constant width with a feed-forward layer each, gated as a rule (SwiGLU, Shazeer 2020).
#[derive(Module, Debug)]
pub(super) struct Embedder<B: Backend> {
    /// Left out where the input has the hidden width already.
    in_proj: Option<Linear<B>>,
    blocks: Vec<Block<B>>,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    pre_norm: LayerNorm<B>,
    ff1: Linear<B>,
    ff2: Linear<B>,
    res_scale: Param<Tensor<B, 1>>,
    dropout: Dropout,
    residual_dropout: Dropout,
    drop_path: f64,
    #[module(skip)]
    activation: Option<Activation>,
}

impl EmbedderConfig {
    /// Builds the embedder from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<Embedder<B>, NetworkError> {
        let in_proj = (self.d_in != self.d_hidden)
            .then(|| source.linear(&format!("{name}.in_proj"), self.d_in, self.d_hidden, Init::Xavier(1.0)))
            .transpose()?;
        let blocks = (0..self.layers).map(|i| self.block(name, i, source)).collect::<Result<_, _>>()?;
        Ok(Embedder { in_proj, blocks })
    }

    fn block<B: Backend>(
        &self,
        name: &str,
        i: usize,
        source: &mut ParameterSource<B>,
    ) -> Result<Block<B>, NetworkError> {
        let (d, inner) = (self.d_hidden, inner_width(self.d_hidden));
        // The last block starts as the identity; the first ones warm up from a small residual.
        let ff2 = if i + 1 == self.layers { Init::Constant(0.0) } else { Init::Xavier(1.0) };
        let (ff1_width, ff1) = match self.activation {
            None => (2 * inner, Init::GateThenValue),
            Some(_) => (inner, Init::Kaiming),
        };
        let res_scale = if i + 2 >= self.layers { 0.1 } else { 0.01 };
        Ok(Block {
            pre_norm: source.layer_norm(&format!("{name}.pre_norms.{i}"), d)?,
            ff1: source.linear(&format!("{name}.blocks.{i}.ff1"), d, ff1_width, ff1)?,
            ff2: source.linear(&format!("{name}.blocks.{i}.ff2"), inner, d, ff2)?,
            res_scale: source.scalar(&format!("{name}.res_scales.{i}"), res_scale)?,
            dropout: DropoutConfig::new(self.dropout).init(),
            residual_dropout: DropoutConfig::new(self.residual_dropout).init(),
            drop_path: drop_path_rate(self.drop_path, i, self.layers),
            activation: self.activation,
        })
    }
}

impl<B: Backend> Embedder<B> {
    /// Embeds rows.
    ///
    /// # Shapes
    /// - x: [R, F], `samples` samples of R / samples rows each (a sample is dropped by drop path as a whole)
    /// - result: [R, D]
    pub fn forward(&self, x: Tensor<B, 2>, samples: usize) -> Tensor<B, 2> {
        let x = match &self.in_proj {
            Some(in_proj) => in_proj.forward(x),
            None => x,
        };
        self.blocks.iter().fold(x, |x, block| block.forward(x, samples))
    }
}

impl<B: Backend> Block<B> {
    fn forward(&self, x: Tensor<B, 2>, samples: usize) -> Tensor<B, 2> {
        let h = self.ff1.forward(self.pre_norm.forward(x.clone()));
        let h = match self.activation {
            None => {
                let [u, v] = h.chunk(2, 1).try_into().expect("two halves");
                silu(u) * v
            }
            Some(activation) => activate(h, activation),
        };
        let h = self.ff2.forward(self.dropout.forward(h));
        let h = self.residual_dropout.forward(h);
        let scale = self.res_scale.val().tanh().unsqueeze();
        x + drop_path(h * scale, self.drop_path, samples)
    }
}
