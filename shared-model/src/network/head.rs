//! The predictor heads "mlp_v3" and "linear".

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::{Tensor, activation::silu, backend::Backend};

use super::NetworkError;
use super::parameters::{Init, ParameterSource};
use super::residual::{drop_path, drop_path_rate, inner_width};
use crate::config::Predictor;

/// Shape and regularisation of a head.
#[derive(Debug, Clone)]
pub(super) struct HeadConfig {
    pub family: Predictor,
    pub d: usize,
    pub d_out: usize,
    pub layers: usize,
    pub dropout: f64,
    /// Drop-path rate of the last block.
    pub drop_path: f64,
    /// Xavier gain of `fc2` in every block but the last.
    pub fc2_gain_non_last: f64,
}

/// Residual layers and a small-gain output layer ("mlp_v3"), or an output layer alone ("linear").
#[derive(Module, Debug)]
pub(super) struct Head<B: Backend> {
    body: Option<Body<B>>,
    fc_out: Linear<B>,
}

/// Input norm and residual SwiGLU blocks of constant width.
#[derive(Module, Debug)]
struct Body<B: Backend> {
    input_norm: LayerNorm<B>,
    blocks: Vec<Block<B>>,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    pre_norm: LayerNorm<B>,
    fc1: Linear<B>,
    fc2: Linear<B>,
    res_scale: Param<Tensor<B, 1>>,
    dropout: Dropout,
    drop_path: f64,
}

impl HeadConfig {
    /// Builds the head from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<Head<B>, NetworkError> {
        Ok(match self.family {
            Predictor::MlpV3 => Head {
                body: Some(Body {
                    input_norm: source.layer_norm(&format!("{name}.input_norm"), self.d)?,
                    blocks: (0..self.layers)
                        .map(|i| self.block(name, i, source))
                        .collect::<Result<_, _>>()?,
                }),
                fc_out: source.linear(&format!("{name}.fc_out"), self.d, self.d_out, Init::Xavier(0.01))?,
            },
            Predictor::Linear => {
                let pytorch_default = Init::Uniform(1.0 / (self.d as f32).sqrt());
                Head { body: None, fc_out: source.linear(name, self.d, self.d_out, pytorch_default)? }
            }
        })
    }

    fn block<B: Backend>(
        &self,
        name: &str,
        i: usize,
        source: &mut ParameterSource<B>,
    ) -> Result<Block<B>, NetworkError> {
        let (d, inner) = (self.d, inner_width(self.d));
        let fc2 = if i + 1 == self.layers {
            Init::Constant(0.0)
        } else {
            Init::Xavier(self.fc2_gain_non_last as f32)
        };
        let name = format!("{name}.blocks.{i}");
        Ok(Block {
            pre_norm: source.layer_norm(&format!("{name}.pre_norm"), d)?,
            fc1: source.linear(&format!("{name}.fc1"), d, 2 * inner, Init::ValueThenGate)?,
            fc2: source.linear(&format!("{name}.fc2"), inner, d, fc2)?,
            res_scale: source.scalar(&format!("{name}.res_scale"), 0.1)?,
            dropout: DropoutConfig::new(self.dropout).init(),
            drop_path: drop_path_rate(self.drop_path, i, self.layers),
        })
    }
}

impl<B: Backend> Head<B> {
    /// Predicts from one embedding per molecule: [B, D] to [B, d_out].
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let x = match &self.body {
            Some(body) => body.blocks.iter().fold(body.input_norm.forward(x), |x, block| block.forward(x)),
            None => x,
        };
        self.fc_out.forward(x)
    }
}

impl<B: Backend> Block<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let samples = x.dims()[0];
        let h = self.fc1.forward(self.pre_norm.forward(x.clone()));
        // Unlike in the embedder, the value comes first here and the gate second.
        let [v, g] = h.chunk(2, 1).try_into().expect("two halves");
        let h = self.fc2.forward(self.dropout.forward(silu(g) * v));
        let scale = self.res_scale.val().tanh().unsqueeze();
        x + drop_path(h * scale, self.drop_path, samples)
    }
}
