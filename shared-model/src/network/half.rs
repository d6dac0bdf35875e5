//! Products in half precision, for training: the weights decide, and what meets them is brought to their type.
//!
//! A network whose weights are float32, as every network outside of training is, never gets here.

#[cfg(feature = "autodiff")]
use burn::module::{ModuleMapper, Param};
#[cfg(feature = "autodiff")]
use burn::tensor::FloatDType;
use burn::tensor::{DType, Tensor, backend::Backend};

#[cfg(feature = "autodiff")]
use super::parameters::ParameterNames;

/// The tensor in another type. Its gradient comes back in its own.
pub(super) fn cast<B: Backend, const D: usize>(x: Tensor<B, D>, dtype: DType) -> Tensor<B, D> {
    #[cfg(feature = "autodiff")]
    if x.dtype() != dtype {
        return x.cast(dtype);
    }
    debug_assert_eq!(x.dtype(), dtype, "half precision is for training only");
    x
}

/// The tensor in float32, for whatever is no product.
pub(super) fn float32<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    cast(x, DType::F32)
}

/// x·W in the type of the weights, the result in float32.
pub(super) fn product<B: Backend, const D: usize>(x: Tensor<B, D>, weight: Tensor<B, D>) -> Tensor<B, D> {
    float32(cast(x, weight.dtype()).matmul(weight))
}

/// Rounds the matrices of a network to a type.
#[cfg(feature = "autodiff")]
pub(super) struct RoundMatrices<'a> {
    pub names: &'a ParameterNames,
    pub dtype: FloatDType,
}

#[cfg(feature = "autodiff")]
impl<B: Backend> ModuleMapper<B> for RoundMatrices<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.names.is_matrix(param.id) { param.map(|weight| weight.cast(self.dtype)) } else { param }
    }
}
