//! Standardisation of raw features inside the network, so that it goes wherever the network goes.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::NetworkError;
use super::parameters::ParameterSource;

/// Mean and standard deviation of each feature over the molecules that a network was trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStatistics {
    /// Means of the 2D features `[F2]`.
    pub mean_2d: Vec<f32>,
    /// Standard deviations of the 2D features `[F2]`, 1 for a constant feature.
    pub std_2d: Vec<f32>,
    /// Means of the 3D features over all instances `[F3]`.
    pub mean_3d: Vec<f32>,
    /// Standard deviations of the 3D features `[F3]`, 1 for a constant feature.
    pub std_3d: Vec<f32>,
}

/// Statistics of the features of one input: part of the weights, but not trained.
#[derive(Module, Debug)]
pub(super) struct FeatureScaling<B: Backend> {
    mean: Param<Tensor<B, 1>>,
    std: Param<Tensor<B, 1>>,
}

impl<B: Backend> FeatureScaling<B> {
    /// The statistics `{name}.mean` and `{name}.std`; without weights, those that change nothing.
    pub fn build(name: &str, width: usize, source: &mut ParameterSource<B>) -> Result<Self, NetworkError> {
        Ok(Self {
            mean: source.buffer(&format!("{name}.mean"), width, 0.0)?,
            std: source.buffer(&format!("{name}.std"), width, 1.0)?,
        })
    }

    /// The same with other statistics.
    pub fn with(self, mean: &[f32], std: &[f32]) -> Self {
        let replace = |param: Param<Tensor<B, 1>>, values: &[f32]| {
            param.map(|old| {
                let data = TensorData::new(values.to_vec(), old.dims());
                Tensor::from_data(data, &old.device())
            })
        };
        Self { mean: replace(self.mean, mean), std: replace(self.std, std) }
    }

    /// (x - mean) / std of rows [R, F].
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        (x - self.mean.val().unsqueeze()) / self.std.val().unsqueeze()
    }
}
