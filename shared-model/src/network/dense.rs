//! Fully connected layers.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, backend::Backend};

use super::cpu;
use super::half::{cast, float32};

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
        float32(self.in_type_of_weights(x))
    }

    /// The same, left in the type of the weights.
    pub fn in_type_of_weights(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let weight = self.weight.val();
        let [groups, d_in, d_out] = weight.dims();
        let [count, _] = x.dims();
        match &self.bias {
            Some(bias) if self.is_fused() => cpu::linear(x, weight, bias.val()),
            bias => {
                let dtype = weight.dtype();
                let y = cast(x, dtype).reshape([groups, count / groups, d_in]).matmul(weight);
                let y = match bias {
                    Some(bias) => y + cast(bias.val(), dtype).unsqueeze_dim(1),
                    None => y,
                };
                y.reshape([count, d_out])
            }
        }
    }

    /// Whether the fused layers of the CPU compute this one: they know float32 only.
    pub fn is_fused(&self) -> bool {
        cpu::available::<B>() && self.weight.val().dtype() == DType::F32
    }
}
