//! The mixers by name.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::NetworkError;
use super::embedder::{Embedder, EmbedderConfig};
use super::mlp::{Mlp, MlpConfig};
use super::parameters::ParameterSource;
use super::residual::Samples;
use crate::config::{Mixer as Name, ModelConfig};

/// Fuses the two branches into one embedding per molecule and task.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a network")]
pub(super) enum Mixer<B: Backend> {
    MlpV3(Embedder<B>),
    Mlp(Mlp<B>),
}

impl<B: Backend> Mixer<B> {
    /// Builds the mixer of so many branches that the configuration names.
    pub fn build(
        config: &ModelConfig,
        branches: usize,
        source: &mut ParameterSource<B>,
    ) -> Result<Self, NetworkError> {
        let c = config;
        let d_in = branches * c.proj_dim;
        Ok(match c.mixer_name {
            Name::MlpV3 => {
                let embedder = EmbedderConfig::of(c, d_in, c.mixer_hidden, c.mixer_layers, c.mixer_dropout);
                Self::MlpV3(embedder.build("mixer", source)?)
            }
            Name::Mlp => {
                let mlp = MlpConfig {
                    d_in,
                    d_hidden: c.mixer_hidden,
                    layers: c.mixer_layers,
                    dropout: c.mixer_dropout,
                    activation: c.activation,
                };
                Self::Mlp(mlp.build("mixer", source)?)
            }
        })
    }

    /// [R, 2·proj] to [R, D].
    pub fn forward(&self, x: Tensor<B, 2>, samples: &Samples<B>) -> Tensor<B, 2> {
        match self {
            Self::MlpV3(embedder) => embedder.forward(x, samples),
            Self::Mlp(mlp) => mlp.forward(x),
        }
    }
}
