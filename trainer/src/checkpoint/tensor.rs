//! Tensors of a checkpoint: what `torch._utils._rebuild_tensor_v2` would build from a pickle.

use safetensors::tensor::Dtype;
use shared_model::state_dict::{HostTensor, decode_f32};

use super::TensorError;
use super::pickle::{Node, NodeId, Pickle};

/// PyTorch itself allows 64 dimensions.
const MAX_DIMENSIONS: usize = 64;

/// One storage of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StorageReference {
    /// Name of the entry below `data/`.
    pub(super) key: String,
    element_type: Dtype,
    length: usize,
}

/// A tensor as a view of a storage. Shape and strides are of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorReference {
    pub(super) storage: StorageReference,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    value_count: usize,
}

impl StorageReference {
    /// From `("storage", <storage type>, key, device, number of values)`.
    fn parse(pickle: &Pickle, id: NodeId) -> Result<Self, TensorError> {
        let &Node::Persistent(description) = pickle.node(id) else {
            return Err(TensorError::NotATensor);
        };
        let Node::Tuple(parts) = pickle.node(description) else {
            return Err(TensorError::NotATensor);
        };
        let &[_, element_type, key, _, length] = parts.as_slice() else {
            return Err(TensorError::NotATensor);
        };
        let (Node::Global(name), Node::Text(key)) = (pickle.node(element_type), pickle.node(key)) else {
            return Err(TensorError::NotATensor);
        };
        let element_type = match &**name {
            "FloatStorage" => Dtype::F32,
            "DoubleStorage" => Dtype::F64,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::BOOL,
            _ => return Err(TensorError::ElementType(name.to_string())),
        };
        Ok(Self { key: key.to_string(), element_type, length: size(pickle, length)? })
    }

    /// The values of the storage from its bytes in the file.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Vec<f32>, TensorError> {
        let expected = self.length.checked_mul(self.element_type.bitsize() / 8).ok_or(TensorError::Layout)?;
        let bytes =
            bytes.get(..expected).ok_or(TensorError::StorageTooShort { expected, found: bytes.len() })?;
        Ok(decode_f32(self.element_type, bytes).expect("every storage type is a number"))
    }
}

impl TensorReference {
    /// From the object that `_rebuild_tensor_v2(storage, offset, size, stride, …)` would make, or a parameter
    /// around it.
    pub(super) fn parse(pickle: &Pickle, id: NodeId) -> Result<Self, TensorError> {
        let (mut name, mut arguments) = pickle.call(id).ok_or(TensorError::NotATensor)?;
        // A call refers to calls before it only, so this ends.
        while let ("_rebuild_parameter" | "_rebuild_parameter_with_state", [data, ..]) = (name, arguments) {
            (name, arguments) = pickle.call(*data).ok_or(TensorError::NotATensor)?;
        }
        let ("_rebuild_tensor_v2" | "_rebuild_tensor", &[storage, offset, shape, strides, ..]) =
            (name, arguments)
        else {
            return Err(TensorError::NotATensor);
        };
        let storage = StorageReference::parse(pickle, storage)?;
        let offset = size(pickle, offset)?;
        let (shape, strides) = (sizes(pickle, shape)?, sizes(pickle, strides)?);
        if shape.len() != strides.len() {
            return Err(TensorError::Layout);
        }
        let value_count = shape
            .iter()
            .try_fold(1usize, |product, &length| product.checked_mul(length))
            .ok_or(TensorError::Layout)?;
        Ok(Self { storage, offset, shape, strides, value_count })
    }

    /// Number of values.
    pub(super) fn value_count(&self) -> usize {
        self.value_count
    }

    /// The tensor's values out of its storage's.
    pub(super) fn gather(&self, storage: &[f32]) -> Result<HostTensor, TensorError> {
        let mut values = Vec::new();
        if self.value_count > 0 {
            let last = self.last_position().ok_or(TensorError::Layout)?;
            if last >= storage.len() {
                return Err(TensorError::OutOfStorage(storage.len()));
            }
            values.reserve_exact(self.value_count);
            let mut index = vec![0; self.shape.len()];
            let mut position = self.offset;
            while values.len() < self.value_count {
                values.push(storage[position]);
                self.advance(&mut index, &mut position);
            }
        }
        Ok(HostTensor::new(self.shape.clone(), values))
    }

    /// Position of the last value in the storage; the tensor has one. `None` if it overflows.
    fn last_position(&self) -> Option<usize> {
        self.shape.iter().zip(&self.strides).try_fold(self.offset, |position, (&length, &stride)| {
            position.checked_add((length - 1).checked_mul(stride)?)
        })
    }

    /// Moves to the next value in row-major order, and from the last one back to the first.
    fn advance(&self, index: &mut [usize], position: &mut usize) {
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < self.shape[axis] {
                *position += self.strides[axis];
                return;
            }
            index[axis] = 0;
            *position -= (self.shape[axis] - 1) * self.strides[axis];
        }
    }
}

fn size(pickle: &Pickle, id: NodeId) -> Result<usize, TensorError> {
    match *pickle.node(id) {
        Node::Int(value) => usize::try_from(value).map_err(|_| TensorError::Layout),
        _ => Err(TensorError::NotATensor),
    }
}

fn sizes(pickle: &Pickle, id: NodeId) -> Result<Vec<usize>, TensorError> {
    match pickle.node(id) {
        Node::Tuple(elements) if elements.len() > MAX_DIMENSIONS => Err(TensorError::Layout),
        Node::Tuple(elements) => elements.iter().map(|&element| size(pickle, element)).collect(),
        _ => Err(TensorError::NotATensor),
    }
}
