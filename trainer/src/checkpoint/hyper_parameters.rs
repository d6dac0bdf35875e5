//! Hyper-parameters as JSON.

use serde_json::{Map, Value};

use super::CheckpointError;
use super::pickle::{Node, NodeId, Pickle};

/// Deepest nesting of lists and dictionaries.
const MAX_DEPTH: usize = 32;
/// Largest total of values and bytes of text. A pickle may refer to one list many times, so that a few bytes
/// describe millions of values.
const MAX_SIZE: usize = 1 << 22;

/// Reads a JSON file of hyper-parameters: one object.
///
/// # Errors
/// [`CheckpointError::Json`] for anything else.
pub fn from_json(bytes: &[u8]) -> Result<Map<String, Value>, CheckpointError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// The dictionary at `root` of a pickle.
///
/// Values without a counterpart in JSON (objects, bytes, numbers that are not finite) become null;
/// dictionaries lose the entries whose names are neither text nor numbers.
pub(super) fn from_pickle(pickle: &Pickle, root: NodeId) -> Result<Map<String, Value>, CheckpointError> {
    match (Conversion { pickle, size_left: MAX_SIZE }).value(root, 0)? {
        Value::Object(map) => Ok(map),
        _ => Err(CheckpointError::HyperParametersType),
    }
}

struct Conversion<'a> {
    pickle: &'a Pickle,
    size_left: usize,
}

impl Conversion<'_> {
    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, CheckpointError> {
        let pickle = self.pickle;
        self.charge(1)?;
        if depth > MAX_DEPTH {
            return Err(CheckpointError::HyperParametersTooLarge);
        }
        if let Some(items) = pickle.items(id) {
            let mut map = Map::new();
            for &(key, value) in items {
                if let Some(key) = self.key(key)? {
                    map.insert(key, self.value(value, depth + 1)?);
                }
            }
            return Ok(Value::Object(map));
        }
        Ok(match pickle.node(id) {
            &Node::Bool(value) => value.into(),
            &Node::Int(value) => value.into(),
            // Becomes null where it is not finite.
            &Node::Float(value) => value.into(),
            Node::Text(text) => {
                self.charge(text.len())?;
                text.to_string().into()
            }
            Node::List(elements) | Node::Tuple(elements) => {
                let elements = elements.iter().map(|&element| self.value(element, depth + 1));
                Value::Array(elements.collect::<Result<_, _>>()?)
            }
            _ => Value::Null,
        })
    }

    fn key(&mut self, id: NodeId) -> Result<Option<String>, CheckpointError> {
        let key = match self.pickle.node(id) {
            Node::Text(text) => text.to_string(),
            Node::Int(number) => number.to_string(),
            _ => return Ok(None),
        };
        self.charge(key.len())?;
        Ok(Some(key))
    }

    fn charge(&mut self, size: usize) -> Result<(), CheckpointError> {
        self.size_left = self.size_left.checked_sub(size).ok_or(CheckpointError::HyperParametersTooLarge)?;
        Ok(())
    }
}
