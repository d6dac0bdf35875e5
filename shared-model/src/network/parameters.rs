//! Where a network's parameters come from: a state dict, or random initial values.
//!
//! Every layer is built by asking a [`ParameterSource`] for its tensors by their PyTorch names, so one
//! traversal fixes names, shapes and initialisation, and serves import, bundles and training alike.

use std::collections::BTreeSet;

use burn::module::{ModuleVisitor, Param, ParamId};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::NetworkError;
use crate::state_dict::{HostTensor, StateDict};

/// Initial values of a tensor in PyTorch's layout, [out, in] for a weight.
#[derive(Debug, Clone, Copy)]
pub(super) enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with mean 0 and that standard deviation.
    Normal(f32),
    /// Uniform within ± this bound.
    Uniform(f32),
    /// Glorot & Bengio 2010: uniform within ± gain · sqrt(6 / (fan_in + fan_out)).
    Xavier(f32),
    /// He et al. 2015 with the ReLU gain: uniform within ± sqrt(6 / fan_in).
    Kaiming,
    /// The first half of the rows is the gate's (Kaiming), the second the value's (Xavier / sqrt 2).
    GateThenValue,
    /// The first half of the rows is the value's (Xavier / sqrt 2), the second the gate's (Kaiming).
    ValueThenGate,
}

impl Init {
    fn values(self, shape: &[usize], random: &mut ChaCha8Rng) -> Vec<f32> {
        let count = shape.iter().product();
        let fans = || match shape {
            [fan_out, fan_in] => (*fan_in as f32, *fan_out as f32),
            _ => unreachable!("fan-based initialisation is used for matrices only"),
        };
        let mut uniform =
            |bound: f32| (0..count).map(|_| random.random_range(-1.0f32..=1.0) * bound).collect::<Vec<f32>>();
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Normal(deviation) => normal(count, random).map(|value| value * deviation).collect(),
            Self::Uniform(bound) => uniform(bound),
            Self::Xavier(gain) => {
                let (fan_in, fan_out) = fans();
                uniform(gain * (6.0 / (fan_in + fan_out)).sqrt())
            }
            Self::Kaiming => uniform((6.0 / fans().0).sqrt()),
            Self::GateThenValue | Self::ValueThenGate => {
                let half = [shape[0] / 2, shape[1]];
                let value = Self::Xavier(std::f32::consts::FRAC_1_SQRT_2);
                let (first, second) = match self {
                    Self::GateThenValue => (Self::Kaiming, value),
                    _ => (value, Self::Kaiming),
                };
                let mut values = first.values(&half, random);
                values.extend(second.values(&half, random));
                values
            }
        }
    }
}

/// Standard normal values by the Box–Muller transform.
fn normal(count: usize, random: &mut ChaCha8Rng) -> impl Iterator<Item = f32> {
    (0..count).map(|_| {
        let radius = (-2.0 * (1.0 - random.random_range(0.0f32..1.0)).ln()).sqrt();
        radius * (std::f32::consts::TAU * random.random_range(0.0f32..1.0)).cos()
    })
}

/// How a parameter is laid out in the state dict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As in the network.
    Same,
    /// A weight [out, in] that the network holds as [in, out].
    Transposed,
    /// A scalar that the network holds as a vector of one.
    Scalar,
}

/// Names of a network's parameters in the state dict; the index is the parameter's identifier.
#[derive(Debug, Clone, Default)]
pub(super) struct ParameterNames(Vec<(String, Layout)>);

enum Origin<'a> {
    Random(Box<ChaCha8Rng>),
    State { state: &'a StateDict, used: BTreeSet<String> },
}

/// Hands out the parameters of a network under construction.
pub(super) struct ParameterSource<'a, B: Backend> {
    origin: Origin<'a>,
    device: &'a B::Device,
    names: ParameterNames,
}

impl<'a, B: Backend> ParameterSource<'a, B> {
    pub(super) fn random(random: ChaCha8Rng, device: &'a B::Device) -> Self {
        Self { origin: Origin::Random(Box::new(random)), device, names: ParameterNames::default() }
    }

    pub(super) fn state(state: &'a StateDict, device: &'a B::Device) -> Self {
        let origin = Origin::State { state, used: BTreeSet::new() };
        Self { origin, device, names: ParameterNames::default() }
    }

    /// A fully connected layer: `{name}.weight` [out, in] and `{name}.bias` [out].
    pub(super) fn linear(
        &mut self,
        name: &str,
        d_in: usize,
        d_out: usize,
        weight: Init,
    ) -> Result<Linear<B>, NetworkError> {
        let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
        Ok(Linear {
            weight: self.transposed(&weight_name, d_in, d_out, weight)?,
            // PyTorch's own default draws the bias like the weight; every other layer starts at zero.
            bias: Some(self.vector(
                &bias_name,
                d_out,
                if matches!(weight, Init::Uniform(_)) { weight } else { Init::Constant(0.0) },
            )?),
        })
    }

    /// A layer normalisation: `{name}.weight` and `{name}.bias`, eps 1e-5.
    pub(super) fn layer_norm(&mut self, name: &str, width: usize) -> Result<LayerNorm<B>, NetworkError> {
        let mut norm = LayerNormConfig::new(width).init(self.device);
        norm.gamma = self.vector(&format!("{name}.weight"), width, Init::Constant(1.0))?;
        norm.beta = Some(self.vector(&format!("{name}.bias"), width, Init::Constant(0.0))?);
        Ok(norm)
    }

    /// A weight that is [out, in] in the state dict and [in, out] in the network.
    pub(super) fn transposed(
        &mut self,
        name: &str,
        d_in: usize,
        d_out: usize,
        init: Init,
    ) -> Result<Param<Tensor<B, 2>>, NetworkError> {
        let values = self.take(name, vec![d_out, d_in], init)?;
        Ok(self.parameter(name, Layout::Transposed, transpose(&values, d_out, d_in), [d_in, d_out]))
    }

    /// A vector.
    pub(super) fn vector(
        &mut self,
        name: &str,
        width: usize,
        init: Init,
    ) -> Result<Param<Tensor<B, 1>>, NetworkError> {
        let values = self.take(name, vec![width], init)?;
        Ok(self.parameter(name, Layout::Same, values, [width]))
    }

    /// A tensor of three axes.
    pub(super) fn tensor3(
        &mut self,
        name: &str,
        shape: [usize; 3],
        init: Init,
    ) -> Result<Param<Tensor<B, 3>>, NetworkError> {
        let values = self.take(name, shape.to_vec(), init)?;
        Ok(self.parameter(name, Layout::Same, values, shape))
    }

    /// A scalar, held as a vector of one.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> Result<Param<Tensor<B, 1>>, NetworkError> {
        let values = self.take(name, vec![], Init::Constant(value))?;
        Ok(self.parameter(name, Layout::Scalar, values, [1]))
    }

    /// Ends the construction: a state dict must have been used up.
    pub(super) fn finish(self) -> Result<ParameterNames, NetworkError> {
        if let Origin::State { state, used } = &self.origin {
            let extra: Vec<String> =
                state.iter().map(|(name, _)| name).filter(|&n| !used.contains(n)).map(Into::into).collect();
            if !extra.is_empty() {
                return Err(NetworkError::UnexpectedTensors(extra));
            }
        }
        Ok(self.names)
    }

    fn take(&mut self, name: &str, shape: Vec<usize>, init: Init) -> Result<Vec<f32>, NetworkError> {
        match &mut self.origin {
            Origin::Random(random) => Ok(init.values(&shape, random)),
            Origin::State { state, used } => {
                let tensor = state.get(name).ok_or_else(|| NetworkError::MissingTensor(name.into()))?;
                let found = tensor.shape();
                let is_scalar = shape.is_empty() && (found.is_empty() || found == [1]);
                if found != shape && !is_scalar {
                    return Err(NetworkError::WrongShape {
                        name: name.into(),
                        expected: shape,
                        found: found.into(),
                    });
                }
                used.insert(name.to_owned());
                Ok(tensor.data().to_vec())
            }
        }
    }

    fn parameter<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        values: Vec<f32>,
        shape: [usize; D],
    ) -> Param<Tensor<B, D>> {
        let id = ParamId::from(self.names.0.len() as u64);
        self.names.0.push((name.to_owned(), layout));
        let tensor = Tensor::from_data(TensorData::new(values, shape), self.device);
        Param::initialized(id, tensor.require_grad())
    }
}

/// Reads a network's parameters, or tensors that belong to them, back into PyTorch's names and layout.
pub(super) struct StateCollector<'a> {
    names: &'a ParameterNames,
    state: StateDict,
}

impl<'a> StateCollector<'a> {
    pub(super) fn new(names: &'a ParameterNames) -> Self {
        Self { names, state: StateDict::default() }
    }

    pub(super) fn into_state(self) -> StateDict {
        self.state
    }

    /// Adds the tensor of the parameter with that identifier.
    pub(super) fn add<B: Backend, const D: usize>(&mut self, id: ParamId, tensor: Tensor<B, D>) {
        let (name, layout) = &self.names.0[id.val() as usize];
        let shape = tensor.dims().to_vec();
        let values: Vec<f32> =
            tensor.into_data().convert::<f32>().to_vec().expect("converted to float32 the line before");
        let tensor = match layout {
            Layout::Same => HostTensor::new(shape, values),
            Layout::Transposed => {
                HostTensor::new([shape[1], shape[0]], transpose(&values, shape[0], shape[1]))
            }
            Layout::Scalar => HostTensor::new([], values),
        };
        self.state.insert(name, tensor);
    }
}

impl<B: Backend> ModuleVisitor<B> for StateCollector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.add(param.id, param.val());
    }
}

/// Collects the gradients of the parameters that have one.
pub(super) struct GradientCollector<'a, B: AutodiffBackend> {
    pub collector: StateCollector<'a>,
    pub gradients: &'a B::Gradients,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for GradientCollector<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.collector.add(param.id, gradient);
        }
    }
}

/// Transposes a row-major matrix.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect()
}
