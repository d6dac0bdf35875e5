//! Named float32 tensors on the host, in PyTorch's names and layout: what weights look like at rest.
//!
//! A bundle's `weights.safetensors` is such a state dict, so it also loads in PyTorch, and a PyTorch state
//! dict loads here.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A dense row-major float32 tensor on the host. A scalar has the empty shape.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl HostTensor {
    /// A tensor of that shape.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "values must fill the shape {shape:?}");
        Self { shape, data }
    }

    /// Length along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
}

/// Tensors by name, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict(BTreeMap<String, HostTensor>);

/// Why bytes are not a usable state dict.
#[derive(Debug, thiserror::Error)]
pub enum StateDictError {
    /// Not a safetensors file, or a broken one.
    #[error("not a valid safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// A tensor of a type that weights cannot have.
    #[error("tensor \"{name}\" has element type {found}; F32, F16, BF16, F64 and integers can be read")]
    ElementType {
        /// Name of the tensor.
        name: String,
        /// Its element type.
        found: String,
    },
}

impl StateDict {
    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&HostTensor> {
        self.0.get(name)
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: HostTensor) {
        self.0.insert(name.into(), tensor);
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<HostTensor> {
        self.0.remove(name)
    }

    /// All tensors, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HostTensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a safetensors file; every numeric element type becomes float32.
    ///
    /// # Errors
    /// [`StateDictError`] for bytes that are not safetensors, and for element types that are not numbers.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, StateDictError> {
        let file = SafeTensors::deserialize(bytes)?;
        let mut state = Self::default();
        for (name, view) in file.iter() {
            let data = decode_f32(view.dtype(), view.data()).ok_or_else(|| StateDictError::ElementType {
                name: name.to_owned(),
                found: format!("{:?}", view.dtype()),
            })?;
            state.insert(name, HostTensor::new(view.shape(), data));
        }
        Ok(state)
    }

    /// Writes a safetensors file of float32 tensors; the same tensors give the same bytes.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let bytes: Vec<(&str, &HostTensor, Vec<u8>)> = self
            .iter()
            .map(|(name, tensor)| (name, tensor, tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let views = bytes.iter().map(|(name, tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)
                .expect("a host tensor's values fill its shape");
            (*name, view)
        });
        safetensors::serialize(views, None).expect("float32 views of unique names always serialise")
    }
}

impl FromIterator<(String, HostTensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, HostTensor)>>(tensors: I) -> Self {
        Self(tensors.into_iter().collect())
    }
}

/// Little-endian values of any numeric element type as float32, or `None` for a type that is not a number.
pub fn decode_f32(element_type: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    fn decode<const W: usize>(bytes: &[u8], value: impl Fn([u8; W]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<W>().0.iter().map(|&chunk| value(chunk)).collect()
    }
    Some(match element_type {
        Dtype::F32 => decode(bytes, f32::from_le_bytes),
        Dtype::F64 => decode(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::BF16 => decode(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Dtype::F16 => decode(bytes, |b| f16_to_f32(u16::from_le_bytes(b))),
        Dtype::I64 => decode(bytes, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => decode(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::U32 => decode(bytes, |b| u32::from_le_bytes(b) as f32),
        Dtype::U8 | Dtype::BOOL => decode(bytes, |b: [u8; 1]| f32::from(b[0])),
        _ => return None,
    })
}

/// IEEE 754 binary16 to binary32, exactly.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let mantissa = u32::from(bits) & 0x3ff;
    match exponent {
        0 => {
            let magnitude = mantissa as f32 * 2f32.powi(-24);
            f32::from_bits(magnitude.to_bits() | sign)
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | (mantissa << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safetensors_round_trip_keeps_names_shapes_and_bits() {
        let state: StateDict = [
            ("b".to_owned(), HostTensor::new([2, 2], vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5])),
            ("a".to_owned(), HostTensor::new([], vec![0.25])),
        ]
        .into_iter()
        .collect();
        let bytes = state.to_safetensors();
        assert_eq!(StateDict::from_safetensors(&bytes).expect("reads back"), state);
        assert_eq!(bytes, state.to_safetensors(), "the same tensors give the same bytes");
    }

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(f16_to_f32(bits), value);
        }
        assert!(f16_to_f32(0x7c00).is_infinite() && f16_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn truncated_bytes_are_an_error() {
        let state: StateDict =
            [("a".to_owned(), HostTensor::new([3], vec![1.0, 2.0, 3.0]))].into_iter().collect();
        let bytes = state.to_safetensors();
        assert!(StateDict::from_safetensors(&bytes[..bytes.len() - 1]).is_err());
    }
}
