//! Layer normalisation (Ba et al. 2016).

use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::cpu;

/// Added to the variance.
const EPSILON: f64 = 1e-5;

/// G layer normalisations of one width, each for its own rows.
#[derive(Module, Debug)]
pub(super) struct LayerNorm<B: Backend> {
    /// [G, D]
    pub gamma: Param<Tensor<B, 2>>,
    /// [G, D]
    pub beta: Param<Tensor<B, 2>>,
}

impl<B: Backend> LayerNorm<B> {
    /// Normalises the rows [G·R, D], group after group.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        if cpu::available::<B>() {
            return cpu::layer_norm(x, gamma, beta);
        }
        let [groups, _] = gamma.dims();
        let [count, width] = x.dims();
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let normalised = centred / (variance + EPSILON).sqrt();
        let normalised = normalised.reshape([groups, count / groups, width]);
        (normalised * gamma.unsqueeze_dim(1) + beta.unsqueeze_dim(1)).reshape([count, width])
    }
}
