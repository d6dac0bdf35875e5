//! Fully connected layers.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::cpu;

/// G fully connected layers of one shape, each for its own rows.
#[derive(Module, Debug)]
pub(super) struct Dense<B: Backend> {
    /// [G, in, out]
    pub weight: Param<Tensor<B, 3>>,
    /// [G, out]
    pub bias: Option<Param<Tensor<B, 2>>>,
}

impl<B: Backend> Dense<B> {
    /// x·W + b: [G·R, in], group after group, to [G·R, out].
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let weight = self.weight.val();
        let [groups, d_in, d_out] = weight.dims();
        let [count, _] = x.dims();
        match &self.bias {
            Some(bias) if cpu::available::<B>() => cpu::linear(x, weight, bias.val()),
            bias => {
                let y = x.reshape([groups, count / groups, d_in]).matmul(weight);
                let y = match bias {
                    Some(bias) => y + bias.val().unsqueeze_dim(1),
                    None => y,
                };
                y.reshape([count, d_out])
            }
        }
    }
}
