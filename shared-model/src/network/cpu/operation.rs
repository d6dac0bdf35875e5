//! Operations over slices as nodes of the autodiff graph.

use std::any::{Any, TypeId};
use std::fmt::Debug;

use burn::backend::Flex;
#[cfg(feature = "autodiff")]
use burn::backend::{
    Autodiff,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
};
use burn::tensor::backend::Backend;
#[cfg(feature = "autodiff")]
use burn::tensor::backend::BackendTypes;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use burn_flex::FlexTensor;

/// A differentiable function of N tensors.
pub(super) trait Operation<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass needs beside the inputs.
    type Saved: Clone + Debug + Send + 'static;

    /// The result, and what is to be saved.
    fn forward(&self, inputs: &[FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// The gradients of the inputs, given that of the result. Those of inputs that are not wanted may be left out.
    fn backward(
        &self,
        inputs: &[FlexTensor; N],
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// Applies an operation to tensors of a CPU backend.
pub(super) fn apply<B: Backend, O: Operation<N>, const N: usize>(
    operation: O,
    inputs: [B::FloatTensorPrimitive; N],
) -> B::FloatTensorPrimitive {
    if TypeId::of::<B>() == TypeId::of::<Flex>() {
        let inputs = inputs.map(|input| contiguous(cast(input)));
        return cast(operation.forward(&inputs).0);
    }
    apply_tracked::<B, O, N>(operation, inputs)
}

#[cfg(not(feature = "autodiff"))]
fn apply_tracked<B: Backend, O: Operation<N>, const N: usize>(
    _: O,
    _: [B::FloatTensorPrimitive; N],
) -> B::FloatTensorPrimitive {
    unreachable!("the fused layers are used on the CPU only, and this build has no automatic differentiation")
}

#[cfg(feature = "autodiff")]
fn apply_tracked<B: Backend, O: Operation<N>, const N: usize>(
    operation: O,
    inputs: [B::FloatTensorPrimitive; N],
) -> B::FloatTensorPrimitive {
    type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;
    let inputs: [Tracked; N] = inputs.map(cast);
    let nodes = std::array::from_fn(|index| inputs[index].node.clone());
    let values = inputs.map(|input| contiguous(input.primitive));
    let step = Step::<O, N>(std::marker::PhantomData);
    let output = match step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = operation.forward(&values);
            prepared.finish(State { operation, inputs: values, saved }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(&values).0),
    };
    cast(output)
}

/// The backward pass of an operation.
#[cfg(feature = "autodiff")]
#[derive(Debug)]
struct Step<O, const N: usize>(std::marker::PhantomData<O>);

#[cfg(feature = "autodiff")]
#[derive(Clone, Debug)]
struct State<O: Operation<N>, const N: usize> {
    operation: O,
    inputs: [FlexTensor; N],
    saved: O::Saved,
}

#[cfg(feature = "autodiff")]
impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O, N> {
    type State = State<O, N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let State { operation, inputs, saved } = ops.state;
        let wanted = std::array::from_fn(|index| ops.parents[index].is_some());
        let results = operation.backward(&inputs, saved, gradient, wanted);
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let (Some(parent), Some(result)) = (parent, result) {
                gradients.register::<Flex>(parent.id, result);
            }
        }
    }
}

/// A value as the type that it is known to have.
fn cast<T: 'static, U: 'static>(value: T) -> U {
    let value: Box<dyn Any> = Box::new(value);
    *value.downcast().expect("the backend was recognised before")
}

fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// The values of a contiguous float32 tensor.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous float32, made so when the operation was applied")
}

/// A tensor of these values.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// What a tensor is made of.
pub(super) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> B::FloatTensorPrimitive {
    tensor.into_primitive().tensor()
}

/// A tensor of what it is made of.
pub(super) fn from_primitive<B: Backend, const D: usize>(primitive: B::FloatTensorPrimitive) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
