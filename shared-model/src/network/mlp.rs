//! The mixer "mlp" of the first architecture.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::NetworkError;
use super::activation::activate;
use super::dense::Dense;
use super::layer_norm::LayerNorm;
use super::parameters::{Init, ParameterSource};
use super::residual::dropout;
use crate::config::Activation;

/// Shape and regularisation of a perceptron.
#[derive(Debug, Clone)]
pub(super) struct MlpConfig {
    pub d_in: usize,
    pub d_hidden: usize,
    pub layers: usize,
    pub dropout: f64,
    pub activation: Activation,
}

/// Layers of Linear, LayerNorm, activation and dropout.
#[derive(Module, Debug)]
pub(super) struct Mlp<B: Backend> {
    layers: Vec<Layer<B>>,
    dropout: f64,
    #[module(skip)]
    activation: Activation,
}

#[derive(Module, Debug)]
struct Layer<B: Backend> {
    linear: Dense<B>,
    norm: LayerNorm<B>,
}

impl MlpConfig {
    /// Places that a layer takes in PyTorch's sequence of modules; activation and dropout have no tensors.
    const MODULES_PER_LAYER: usize = 4;

    /// Builds the perceptron from the tensors under `name`.
    pub fn build<B: Backend>(
        &self,
        name: &str,
        source: &mut ParameterSource<B>,
    ) -> Result<Mlp<B>, NetworkError> {
        let layer = |i: usize| {
            let d_in = if i == 0 { self.d_in } else { self.d_hidden };
            let first = i * Self::MODULES_PER_LAYER;
            let pytorch_default = Init::Uniform(1.0 / (d_in as f32).sqrt());
            Ok::<_, NetworkError>(Layer {
                linear: source.dense(&[format!("{name}.{first}")], d_in, self.d_hidden, pytorch_default)?,
                norm: source.layer_norm(&[format!("{name}.{}", first + 1)], self.d_hidden)?,
            })
        };
        Ok(Mlp {
            layers: (0..self.layers).map(layer).collect::<Result<_, _>>()?,
            dropout: self.dropout,
            activation: self.activation,
        })
    }
}

impl<B: Backend> Mlp<B> {
    /// [R, d_in] to [R, d_hidden].
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let training = B::ad_enabled(&x.device());
        self.layers.iter().fold(x, |x, layer| {
            let h = layer.norm.forward(layer.linear.forward(x));
            dropout(activate(h, self.activation), self.dropout, training)
        })
    }
}
