//! AdamW on the parameters of a network: gradients are accumulated, clipped, and used in one pass over each parameter.

use std::any::Any;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{
    Tensor, TensorData, TensorPrimitive,
    backend::{AutodiffBackend, Backend},
    ops::{FloatTensor, FloatTensorOps},
};
use burn_flex::FlexTensor;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use shared_model::adamw::{AdamWStep, sum_of_squares};
use shared_model::network::Model;
use shared_model::state_dict::HostTensor;

use super::LossScaler;

const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// PyTorch's AdamW with its default betas and epsilon; weight decay is decoupled and applies to every parameter that
/// has a gradient. `B` is the backend without gradients.
#[derive(Debug)]
pub struct AdamW<B: Backend> {
    weight_decay: f64,
    max_norm: Option<f64>,
    /// One a parameter, in the order in which the network is visited.
    slots: Vec<Slot<B>>,
}

#[derive(Debug)]
struct Slot<B: Backend> {
    gradient: Option<FloatTensor<B>>,
    moments: Option<Moments<B>>,
}

#[derive(Debug)]
struct Moments<B: Backend> {
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    steps: u64,
}

/// The moments of one parameter on the host, and after how many steps; none before the first.
pub type MomentState = Option<([HostTensor; 2], u64)>;

impl<B: Backend> AdamW<B> {
    /// An optimiser that has not made a step; gradients together longer than `max_norm` are scaled down to it.
    pub fn new(weight_decay: f64, max_norm: Option<f64>) -> Self {
        Self { weight_decay, max_norm, slots: Vec::new() }
    }

    /// Adds the gradients of a batch to those that the next step uses, and gives back the network for the next batch.
    ///
    /// Its parameters are new leaves of the autodiff graph. A backward pass forgets the old ones, and what is computed
    /// from a forgotten leaf can lose its gradient to the clean-up after another thread's backward pass
    /// (<https://github.com/tracel-ai/burn/issues/5573>).
    pub fn accumulate<A>(&mut self, model: Model<A>, mut gradients: A::Gradients) -> Model<A>
    where
        A: AutodiffBackend<InnerBackend = B>,
    {
        let gradients = &mut gradients;
        model.map(&mut Accumulation::<A> { slots: &mut self.slots, index: 0, gradients })
    }

    /// Updates the network with the accumulated gradients, which are used up.
    pub fn step<A>(&mut self, model: Model<A>, lr: f64) -> Model<A>
    where
        A: AutodiffBackend<InnerBackend = B>,
    {
        let gradient_scale = self.clip();
        self.update(model, lr, gradient_scale)
    }

    /// Updates the network like [`step`](Self::step) with gradients of a scaled loss, unless one of them is infinite or
    /// NaN; tells whether it did. Reads back from the device.
    pub fn step_scaled<A>(&mut self, model: Model<A>, lr: f64, scaler: &mut LossScaler) -> (Model<A>, bool)
    where
        A: AutodiffBackend<InnerBackend = B>,
    {
        let scale = scaler.scale();
        let norm = self.squares().on_host().sqrt() / scale;
        if !scaler.accepts(norm.is_finite()) {
            self.slots.iter_mut().for_each(|slot| slot.gradient = None);
            return (model, false);
        }
        let clipped = self.max_norm.map_or(1.0, |max_norm| clip_factor(norm, max_norm));
        (self.update(model, lr, clipped / scale), true)
    }

    fn update<A>(&mut self, model: Model<A>, lr: f64, gradient_scale: f64) -> Model<A>
    where
        A: AutodiffBackend<InnerBackend = B>,
    {
        let weight_decay = self.weight_decay;
        let step = AdamWStep { lr, weight_decay, betas: BETAS, epsilon: EPSILON, step: 0, gradient_scale };
        model.map(&mut Update { slots: self.slots.iter_mut(), step })
    }

    /// The moments of every parameter. Reads back from the device.
    pub fn state(&self) -> Vec<MomentState> {
        let moments =
            |moments: &Moments<B>| ([&moments.first, &moments.second].map(to_host::<B>), moments.steps);
        self.slots.iter().map(|slot| slot.moments.as_ref().map(moments)).collect()
    }

    /// Takes up moments that [`state`](Self::state) gave.
    pub fn restore(&mut self, state: Vec<MomentState>, device: &B::Device) {
        let moments = |([first, second], steps): ([HostTensor; 2], u64)| Moments {
            first: from_host::<B>(&first, device),
            second: from_host::<B>(&second, device),
            steps,
        };
        self.slots =
            state.into_iter().map(|state| Slot { gradient: None, moments: state.map(moments) }).collect();
    }

    /// Clips the gradients by their norm, all parameters together, like PyTorch's `clip_grad_norm_`: on a GPU, where
    /// nothing is read back, the gradients themselves; on the CPU their factor is returned.
    fn clip(&mut self) -> f64 {
        let Some(max_norm) = self.max_norm else { return 1.0 };
        let squares = match self.squares() {
            Squares::OnHost(squares) => return clip_factor(squares.sqrt(), max_norm),
            Squares::OnDevice(squares) => squares,
        };
        let factor = ((squares.sqrt() + 1e-6).recip() * max_norm).clamp_max(1.0);
        for gradient in self.slots.iter_mut().filter_map(|slot| slot.gradient.as_mut()) {
            let rank = burn::tensor::TensorMetadata::shape(gradient).num_dims();
            let factor = B::float_reshape(primitive(factor.clone()), vec![1; rank].into());
            *gradient = B::float_mul(gradient.clone(), factor);
        }
        1.0
    }

    /// Sum of the squares of the gradients of all parameters.
    fn squares(&mut self) -> Squares<B> {
        let mut gradients: Vec<_> = self.slots.iter_mut().filter_map(|slot| slot.gradient.as_mut()).collect();
        let on_host: Option<f64> =
            gradients.iter_mut().map(|gradient| Some(sum_of_squares(values(flex(*gradient)?)))).sum();
        if let Some(squares) = on_host {
            return Squares::OnHost(squares);
        }
        let squares = gradients.iter().map(|gradient| {
            let square = B::float_mul((*gradient).clone(), (*gradient).clone());
            tensor::<B, 1>(B::float_sum(square))
        });
        Squares::OnDevice(squares.reduce(|a, b| a + b).expect("some parameter has a gradient"))
    }
}

/// A sum of squares where it was computed.
enum Squares<B: Backend> {
    OnHost(f64),
    OnDevice(Tensor<B, 1>),
}

impl<B: Backend> Squares<B> {
    /// The number. Reads back from the device.
    fn on_host(self) -> f64 {
        match self {
            Self::OnHost(squares) => squares,
            Self::OnDevice(squares) => squares.into_data().to_vec::<f32>().expect("float32")[0].into(),
        }
    }
}

/// What shortens gradients of this length to `max_norm`, where they are longer.
fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

struct Accumulation<'a, A: AutodiffBackend> {
    slots: &'a mut Vec<Slot<A::InnerBackend>>,
    index: usize,
    gradients: &'a mut A::Gradients,
}

impl<A: AutodiffBackend> ModuleMapper<A> for Accumulation<'_, A> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        if self.index == self.slots.len() {
            self.slots.push(Slot { gradient: None, moments: None });
        }
        let slot = &mut self.slots[self.index];
        self.index += 1;
        if let Some(gradient) = param.val().grad_remove(self.gradients) {
            let gradient = primitive(gradient);
            slot.gradient = Some(match slot.gradient.take() {
                Some(sum) => A::InnerBackend::float_add(sum, gradient),
                None => gradient,
            });
        }
        param.map(|parameter| leaf(parameter.inner()))
    }
}

struct Update<'a, B: Backend> {
    slots: std::slice::IterMut<'a, Slot<B>>,
    step: AdamWStep,
}

impl<A: AutodiffBackend> ModuleMapper<A> for Update<'_, A::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        let slot = self.slots.next().expect("gradients of this network were accumulated");
        let Some(gradient) = slot.gradient.take() else { return param };
        let moments = slot.moments.get_or_insert_with(|| {
            let zeros = || primitive(tensor::<A::InnerBackend, D>(gradient.clone()).zeros_like());
            Moments { first: zeros(), second: zeros(), steps: 0 }
        });
        moments.steps += 1;
        let step = AdamWStep { step: moments.steps, ..self.step };
        param.map(|parameter| leaf(update::<A::InnerBackend, D>(&step, parameter.inner(), gradient, moments)))
    }
}

/// A parameter as a new leaf of the autodiff graph.
fn leaf<A: AutodiffBackend, const D: usize>(parameter: Tensor<A::InnerBackend, D>) -> Tensor<A, D> {
    Tensor::from_inner(parameter).require_grad()
}

/// One step of one parameter: fused and in place on the CPU, by tensor operations elsewhere.
fn update<B: Backend, const D: usize>(
    step: &AdamWStep,
    parameter: Tensor<B, D>,
    mut gradient: FloatTensor<B>,
    moments: &mut Moments<B>,
) -> Tensor<B, D> {
    let mut parameter = primitive(parameter);
    let on_cpu = [&mut parameter, &mut gradient, &mut moments.first, &mut moments.second].map(flex);
    if let [Some(p), Some(g), Some(m), Some(v)] = on_cpu {
        update_values(step, values_mut(p), values(g), [values_mut(m), values_mut(v)]);
        return tensor(parameter);
    }
    let (parameter, gradient) = (tensor::<B, D>(parameter), tensor::<B, D>(gradient));
    let gradient = if step.gradient_scale == 1.0 { gradient } else { gradient * step.gradient_scale };
    let [beta1, beta2] = step.betas;
    let first = tensor::<B, D>(moments.first.clone());
    let first = first.clone() + (gradient.clone() - first) * (1.0 - beta1);
    let square = gradient.clone() * gradient;
    let second = tensor::<B, D>(moments.second.clone()) * beta2 + square * (1.0 - beta2);
    let root = second.clone().sqrt() / step.second_correction() + step.epsilon;
    (moments.first, moments.second) = (primitive(first.clone()), primitive(second));
    parameter * step.decay() - first / root * step.step_size()
}

/// Values that are worth a thread of their own.
const VALUES_OF_A_THREAD: usize = 1 << 14;

/// One step of one parameter, in parallel where it is large.
fn update_values(step: &AdamWStep, p: &mut [f32], g: &[f32], [m, v]: [&mut [f32]; 2]) {
    let size = VALUES_OF_A_THREAD;
    let moments = m.par_chunks_mut(size).zip(v.par_chunks_mut(size));
    let all = p.par_chunks_mut(size).zip(g.par_chunks(size)).zip(moments);
    all.for_each(|((p, g), (m, v))| step.update(p, g, m, v));
}

/// The tensor as one of the CPU backend, if it is.
fn flex<T: Any>(tensor: &mut T) -> Option<&mut FlexTensor> {
    (tensor as &mut dyn Any).downcast_mut()
}

/// The values of a tensor, which is first made row-major, without anything else in its memory.
fn values(tensor: &mut FlexTensor) -> &[f32] {
    let whole = tensor.storage::<f32>().len() == tensor.layout().num_elements();
    if !(whole && tensor.is_contiguous()) {
        *tensor = tensor.to_contiguous();
    }
    tensor.storage()
}

/// The values of a tensor, copied if someone else holds them.
fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    values(tensor);
    tensor.storage_mut()
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn to_host<B: Backend>(tensor: &FloatTensor<B>) -> HostTensor {
    let data = pollster::block_on(B::float_into_data(tensor.clone())).expect("the device answers");
    let shape = data.shape.to_vec();
    HostTensor::new(shape, data.to_vec().expect("float32"))
}

fn from_host<B: Backend>(tensor: &HostTensor, device: &B::Device) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(tensor.data().to_vec(), tensor.shape().to_vec()), device)
}
