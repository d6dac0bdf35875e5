//! Python's pickle format as data: protocols 2 to 5, as far as `torch.save` uses them.
//!
//! A pickle is a program for a stack machine that builds objects. Here it builds inert nodes: a class or
//! function is its name, a call is the name and the arguments.

mod machine;

use std::rc::Rc;

use super::PickleError;

/// Index of a node in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(usize);

/// One value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Vec<NodeId>),
    Tuple(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    /// A class or function by its name, without its module.
    Global(Rc<str>),
    /// An object, as the call that would make it, and the dictionary entries that would be put in.
    Call {
        callee: NodeId,
        arguments: NodeId,
        items: Vec<(NodeId, NodeId)>,
    },
    /// A reference out of the pickle, here to a storage.
    Persistent(NodeId),
    /// `None`, bytes, sets and integers beyond 64 bits: nothing here needs them.
    Opaque,
}

/// The values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    nodes: Vec<Node>,
    root: NodeId,
}

impl Pickle {
    /// Reads a pickle up to its end; bytes after it do not matter.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PickleError> {
        let (nodes, root) = machine::run(bytes)?;
        Ok(Self { nodes, root })
    }

    /// The pickled value.
    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    /// A value.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The entries of a dictionary, or of an object of a dictionary class; `None` for other values.
    pub(super) fn items(&self, id: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match self.node(id) {
            Node::Dict(items) => Some(items),
            Node::Call { items, .. } if !items.is_empty() => Some(items),
            Node::Call { .. } if self.call(id).is_some_and(|(name, _)| name == "OrderedDict") => Some(&[]),
            _ => None,
        }
    }

    /// The entry of that name; the last one, as in Python.
    pub(super) fn get(&self, dictionary: NodeId, name: &str) -> Option<NodeId> {
        let is_named = |key: NodeId| matches!(self.node(key), Node::Text(text) if &**text == name);
        self.items(dictionary)?.iter().rev().find(|(key, _)| is_named(*key)).map(|&(_, value)| value)
    }

    /// Name and arguments of the call that an object stands for; `None` for other values.
    pub(super) fn call(&self, id: NodeId) -> Option<(&str, &[NodeId])> {
        let Node::Call { callee, arguments, .. } = self.node(id) else { return None };
        match (self.node(*callee), self.node(*arguments)) {
            (Node::Global(name), Node::Tuple(arguments)) => Some((name, arguments)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(bytes: &[u8]) -> Node {
        let pickle = Pickle::parse(bytes).expect("a pickle");
        pickle.node(pickle.root()).clone()
    }

    #[test]
    fn integers_of_every_width() {
        let numbers: [(&[u8], i64); 8] = [
            (b"K\xff.", 255),
            (b"M\x00\x01.", 256),
            (b"J\xff\xff\xff\xff.", -1),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\x80.", -128),
            (b"\x8a\x02\x80\x00.", 128),
            (b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", i64::MAX),
            (b"\x8b\x01\x00\x00\x00\x07.", 7),
        ];
        for (bytes, number) in numbers {
            assert_eq!(root(bytes), Node::Int(number), "{bytes:x?}");
        }
        assert_eq!(root(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."), Node::Opaque);
    }

    #[test]
    fn a_kept_list_is_one_list_however_often_it_is_recalled() {
        // ([], the same) and then 5 appended through the second reference.
        let pickle = Pickle::parse(b"\x80\x02]q\x00h\x00K\x05a\x86.").expect("a pickle");
        let Node::Tuple(pair) = pickle.node(pickle.root()) else { panic!("a pair") };
        assert_eq!(pair[0], pair[1]);
        assert!(matches!(pickle.node(pair[0]), Node::List(elements) if elements.len() == 1));
    }

    #[test]
    fn protocol_4_names_and_memo_read_like_protocol_2() {
        let old = b"\x80\x02ccollections\nOrderedDict\nq\x00)R.".as_slice();
        let new =
            b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94.";
        for bytes in [old, new] {
            let pickle = Pickle::parse(bytes).expect("a pickle");
            assert_eq!(pickle.call(pickle.root()), Some(("OrderedDict", [].as_slice())));
            assert_eq!(pickle.items(pickle.root()), Some([].as_slice()));
        }
    }

    #[test]
    fn every_failure_says_where_it_is() {
        let failures: [(&[u8], PickleError); 9] = [
            (b"", PickleError::Truncated { at: 0 }),
            (b"\x80\x02X\xff\xff\xff\xffab", PickleError::Truncated { at: 2 }),
            (b"ctorch\nTensor", PickleError::Truncated { at: 0 }),
            (b"}i", PickleError::Opcode { opcode: b'i', at: 1 }),
            (b".", PickleError::Stack { at: 0 }),
            (b"K\x01(0.", PickleError::Stack { at: 3 }),
            (b"h\x07.", PickleError::Memo { at: 0 }),
            (b"K\x01K\x02a.", PickleError::Kind { at: 4 }),
            (b"X\x01\0\0\0\xff.", PickleError::Text { at: 0 }),
        ];
        for (bytes, error) in failures {
            assert_eq!(Pickle::parse(bytes).unwrap_err(), error, "{bytes:x?}");
        }
    }
}
