//! The mixers by name.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::embedder::Embedder;
use super::mlp::Mlp;
use super::residual::Samples;

/// Fuses the two branches into one embedding per molecule and task.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a network")]
pub(super) enum Mixer<B: Backend> {
    MlpV3(Embedder<B>),
    Mlp(Mlp<B>),
}

impl<B: Backend> Mixer<B> {
    /// [R, 2·proj] to [R, D].
    pub fn forward(&self, x: Tensor<B, 2>, samples: &Samples<B>) -> Tensor<B, 2> {
        match self {
            Self::MlpV3(embedder) => embedder.forward(x, samples),
            Self::Mlp(mlp) => mlp.forward(x),
        }
    }
}
