//! Where a network's parameters come from: a state dict, or random initial values.
//!
//! Every layer is built by asking a [`ParameterSource`] for its tensors by their PyTorch names, so one
//! traversal fixes names, shapes and initialisation, and serves import, bundles and training alike.

use std::collections::BTreeSet;

use burn::module::{ModuleVisitor, Param, ParamId};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::NetworkError;
use super::dense::Dense;
use super::layer_norm::LayerNorm;
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

/// Where a parameter of the network stands in the state dict.
#[derive(Debug, Clone)]
struct Place {
    /// One name a group: parameters of like layers are stacked along the first axis.
    names: Vec<String>,
    /// Shape of the tensor under each name.
    shape: Vec<usize>,
    /// Whether that is a weight [out, in], which the network holds as [in, out].
    transposed: bool,
}

/// The places of a network's parameters in the state dict; the index is the parameter's identifier.
#[derive(Debug, Clone, Default)]
pub(super) struct ParameterNames(Vec<Place>);

impl ParameterNames {
    /// Whether a parameter is made of weight matrices, by which something is multiplied.
    #[cfg(feature = "autodiff")]
    pub(super) fn is_matrix(&self, id: ParamId) -> bool {
        self.0[id.val() as usize].transposed
    }
}

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

    /// Fully connected layers of one shape, one a name: `{name}.weight` [out, in] and `{name}.bias` [out].
    pub(super) fn dense(
        &mut self,
        names: &[String],
        d_in: usize,
        d_out: usize,
        weight: Init,
    ) -> Result<Dense<B>, NetworkError> {
        // PyTorch's own default draws the bias like the weight; every other layer starts at zero.
        let bias = if matches!(weight, Init::Uniform(_)) { weight } else { Init::Constant(0.0) };
        let weight = self.dense_weight(names, d_in, d_out, weight)?;
        let bias = self.stacked(&suffixed(names, "bias"), vec![d_out], false, bias, [names.len(), d_out])?;
        Ok(Dense { weight, bias: Some(bias) })
    }

    /// A fully connected layer without bias: `{name}.weight` [out, in].
    pub(super) fn dense_without_bias(
        &mut self,
        name: &str,
        d_in: usize,
        d_out: usize,
        weight: Init,
    ) -> Result<Dense<B>, NetworkError> {
        Ok(Dense { weight: self.dense_weight(&[name.to_owned()], d_in, d_out, weight)?, bias: None })
    }

    fn dense_weight(
        &mut self,
        names: &[String],
        d_in: usize,
        d_out: usize,
        init: Init,
    ) -> Result<Param<Tensor<B, 3>>, NetworkError> {
        let shape = [names.len(), d_in, d_out];
        self.stacked(&suffixed(names, "weight"), vec![d_out, d_in], true, init, shape)
    }

    /// Layer normalisations of one width, one a name: `{name}.weight` and `{name}.bias`.
    pub(super) fn layer_norm(
        &mut self,
        names: &[String],
        width: usize,
    ) -> Result<LayerNorm<B>, NetworkError> {
        let shape = [names.len(), width];
        let mut row = |suffix, value| {
            self.stacked(&suffixed(names, suffix), vec![width], false, Init::Constant(value), shape)
        };
        Ok(LayerNorm { gamma: row("weight", 1.0)?, beta: row("bias", 0.0)? })
    }

    /// Scalars, one a name, held as a vector.
    pub(super) fn scalars(
        &mut self,
        names: &[String],
        value: f32,
    ) -> Result<Param<Tensor<B, 1>>, NetworkError> {
        self.stacked(names, vec![], false, Init::Constant(value), [names.len()])
    }

    /// A weight that is [out, in] in the state dict and [in, out] in the network.
    pub(super) fn transposed(
        &mut self,
        name: &str,
        d_in: usize,
        d_out: usize,
        init: Init,
    ) -> Result<Param<Tensor<B, 2>>, NetworkError> {
        self.stacked(&[name.to_owned()], vec![d_out, d_in], true, init, [d_in, d_out])
    }

    /// A tensor that is the same in the state dict.
    pub(super) fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<Tensor<B, D>>, NetworkError> {
        self.stacked(&[name.to_owned()], shape.to_vec(), false, init, shape)
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

    fn take(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>, NetworkError> {
        match &mut self.origin {
            Origin::Random(random) => Ok(init.values(shape, random)),
            Origin::State { state, used } => {
                let tensor = state.get(name).ok_or_else(|| NetworkError::MissingTensor(name.into()))?;
                let found = tensor.shape();
                let is_scalar = shape.is_empty() && (found.is_empty() || found == [1]);
                if found != shape && !is_scalar {
                    return Err(NetworkError::WrongShape {
                        name: name.into(),
                        expected: shape.to_vec(),
                        found: found.into(),
                    });
                }
                used.insert(name.to_owned());
                Ok(tensor.data().to_vec())
            }
        }
    }

    /// A vector that is part of the state dict, but not trained.
    pub(super) fn buffer(
        &mut self,
        name: &str,
        width: usize,
        value: f32,
    ) -> Result<Param<Tensor<B, 1>>, NetworkError> {
        let param = self.tensor(name, [width], Init::Constant(value))?;
        Ok(param.map(|tensor| tensor.detach().set_require_grad(false)))
    }

    /// A parameter of shape `stacked` in the network, made of the tensors of shape `shape` under the names.
    fn stacked<const D: usize>(
        &mut self,
        names: &[String],
        shape: Vec<usize>,
        transposed: bool,
        init: Init,
        stacked: [usize; D],
    ) -> Result<Param<Tensor<B, D>>, NetworkError> {
        let mut values = Vec::with_capacity(stacked.iter().product());
        for name in names {
            let tensor = self.take(name, &shape, init)?;
            values.extend(if transposed { transpose(&tensor, shape[0], shape[1]) } else { tensor });
        }
        let id = ParamId::from(self.names.0.len() as u64);
        self.names.0.push(Place { names: names.to_vec(), shape, transposed });
        let tensor = Tensor::from_data(TensorData::new(values, stacked), self.device);
        Ok(Param::initialized(id, tensor.require_grad()))
    }
}

fn suffixed(names: &[String], suffix: &str) -> Vec<String> {
    names.iter().map(|name| format!("{name}.{suffix}")).collect()
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
        let place = &self.names.0[id.val() as usize];
        let values: Vec<f32> =
            tensor.into_data().convert::<f32>().to_vec().expect("converted to float32 the line before");
        for (name, values) in place.names.iter().zip(values.chunks_exact(values.len() / place.names.len())) {
            let values = match *place.shape {
                [d_out, d_in] if place.transposed => transpose(values, d_in, d_out),
                _ => values.to_vec(),
            };
            self.state.insert(name, HostTensor::new(place.shape.clone(), values));
        }
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
