//! The stack machine that a pickle is a program for.
//!
//! Each instruction makes at most one node, so the result is in proportion to the bytes. The instructions are
//! those of CPython's `pickletools`.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Node, NodeId};
use crate::checkpoint::PickleError;

/// Runs the pickle and returns all its values and the pickled one.
pub(super) fn run(bytes: &[u8]) -> Step<(Vec<Node>, NodeId)> {
    let (nodes, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
    Machine { bytes, position: 0, at: 0, nodes, stack, marks, memo }.run()
}

struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Position of the current instruction.
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<NodeId>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<usize, NodeId>,
}

type Step<T = ()> = Result<T, PickleError>;

impl<'a> Machine<'a> {
    fn run(mut self) -> Step<(Vec<Node>, NodeId)> {
        loop {
            self.at = self.position;
            let [opcode] = self.take_array()?;
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok((self.nodes, root));
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            // PROTO, FRAME
            0x80 => self.take(1).map(|_| ()),
            0x95 => self.take(8).map(|_| ()),

            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Node::Opaque),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),

            // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
            b'J' => self.take_array().map(i32::from_le_bytes).and_then(|v| self.push(Node::Int(v.into()))),
            b'K' => self.take_array().map(u8::from_le_bytes).and_then(|v| self.push(Node::Int(v.into()))),
            b'M' => self.take_array().map(u16::from_le_bytes).and_then(|v| self.push(Node::Int(v.into()))),
            0x8a => self.take_sized::<1>().map(long).and_then(|node| self.push(node)),
            0x8b => self.take_sized::<4>().map(long).and_then(|node| self.push(node)),
            b'G' => self.take_array().map(f64::from_be_bytes).and_then(|v| self.push(Node::Float(v))),

            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            0x8c => self.take_sized::<1>().and_then(|bytes| self.push_text(bytes)),
            b'X' => self.take_sized::<4>().and_then(|bytes| self.push_text(bytes)),
            0x8d => self.take_sized::<8>().and_then(|bytes| self.push_text(bytes)),

            // SHORT_BINSTRING, BINSTRING, SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
            b'U' | b'C' => self.take_sized::<1>().and_then(|_| self.push(Node::Opaque)),
            b'T' | b'B' => self.take_sized::<4>().and_then(|_| self.push(Node::Opaque)),
            0x8e | 0x96 => self.take_sized::<8>().and_then(|_| self.push(Node::Opaque)),

            // MARK, POP, POP_MARK, DUP
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }

            // EMPTY_LIST, APPEND, APPENDS
            b']' => self.push(Node::List(Vec::new())),
            b'a' => self.pop().and_then(|element| self.append(vec![element])),
            b'e' => self.pop_to_mark().and_then(|elements| self.append(elements)),

            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let elements = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(elements))
            }
            b't' => self.pop_to_mark().and_then(|elements| self.push(Node::Tuple(elements))),

            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.push(Node::Dict(Vec::new())),
            b's' => self.pop_many(2).and_then(|entry| self.set_items(&entry)),
            b'u' => self.pop_to_mark().and_then(|entries| self.set_items(&entries)),

            // EMPTY_SET, ADDITEMS, FROZENSET
            0x8f => self.push(Node::Opaque),
            0x90 => self.pop_to_mark().and_then(|_| self.top()).map(drop),
            0x91 => self.pop_to_mark().and_then(|_| self.push(Node::Opaque)),

            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (_module, name) = (self.take_line()?, self.take_line()?);
                self.push(Node::Global(name))
            }
            0x93 => {
                let (name, _module) = (self.pop_text()?, self.pop_text()?);
                self.push(Node::Global(name))
            }

            // REDUCE and NEWOBJ take a callee and its arguments, NEWOBJ_EX named arguments on top
            b'R' | 0x81 => self.call(),
            0x92 => self.pop().and_then(|_| self.call()),
            // BUILD: an object's state, which is not kept
            b'b' => self.pop().and_then(|_| self.top()).map(drop),
            // BINPERSID
            b'Q' => self.pop().and_then(|id| self.push(Node::Persistent(id))),

            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.take_array().map(u8::from_le_bytes).and_then(|key| self.keep(key.into())),
            b'r' => self.take_array().map(u32::from_le_bytes).and_then(|key| self.keep(key as usize)),
            0x94 => self.keep(self.memo.len()),
            b'h' => self.take_array().map(u8::from_le_bytes).and_then(|key| self.recall(key.into())),
            b'j' => self.take_array().map(u32::from_le_bytes).and_then(|key| self.recall(key as usize)),

            _ => Err(PickleError::Opcode { opcode, at: self.at }),
        }
    }

    // The bytes.

    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..length).ok_or(PickleError::Truncated { at: self.at })?;
        self.position += length;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Step<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    /// Bytes after their number, which takes `N` bytes itself.
    fn take_sized<const N: usize>(&mut self) -> Step<&'a [u8]> {
        let mut length = [0; 8];
        length[..N].copy_from_slice(&self.take_array::<N>()?);
        let too_long = PickleError::Truncated { at: self.at };
        self.take(usize::try_from(u64::from_le_bytes(length)).map_err(|_| too_long)?)
    }

    fn take_line(&mut self) -> Step<Rc<str>> {
        let rest = &self.bytes[self.position..];
        let length =
            rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Truncated { at: self.at })?;
        let line = text(&rest[..length], self.at)?;
        self.position += length + 1;
        Ok(line)
    }

    // The stack.

    fn push(&mut self, node: Node) -> Step {
        self.stack.push(NodeId(self.nodes.len()));
        self.nodes.push(node);
        Ok(())
    }

    fn push_text(&mut self, bytes: &[u8]) -> Step {
        let node = Node::Text(text(bytes, self.at)?);
        self.push(node)
    }

    /// Values above the last mark.
    fn height(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Step<NodeId> {
        let top = self.stack.last().filter(|_| self.height() > 0);
        top.copied().ok_or(PickleError::Stack { at: self.at })
    }

    fn pop(&mut self) -> Step<NodeId> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<NodeId>> {
        if self.height() < count {
            return Err(PickleError::Stack { at: self.at });
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<NodeId>> {
        let mark = self.marks.pop().ok_or(PickleError::Stack { at: self.at })?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_text(&mut self) -> Step<Rc<str>> {
        let id = self.pop()?;
        match &self.nodes[id.0] {
            Node::Text(text) => Ok(Rc::clone(text)),
            _ => Err(PickleError::Kind { at: self.at }),
        }
    }

    // The values.

    fn append(&mut self, elements: Vec<NodeId>) -> Step {
        let list = self.top()?;
        match &mut self.nodes[list.0] {
            Node::List(list) => list.extend(elements),
            // An object of a list class: its elements are not kept.
            Node::Call { .. } => {}
            _ => return Err(PickleError::Kind { at: self.at }),
        }
        Ok(())
    }

    fn set_items(&mut self, keys_and_values: &[NodeId]) -> Step {
        let dictionary = self.top()?;
        let (entries, rest) = keys_and_values.as_chunks::<2>();
        match &mut self.nodes[dictionary.0] {
            Node::Dict(items) | Node::Call { items, .. } if rest.is_empty() => {
                items.extend(entries.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(PickleError::Kind { at: self.at }),
        }
    }

    fn call(&mut self) -> Step {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        self.push(Node::Call { callee, arguments, items: Vec::new() })
    }

    fn keep(&mut self, key: usize) -> Step {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Step {
        let id = self.memo.get(&key).copied().ok_or(PickleError::Memo { at: self.at })?;
        self.stack.push(id);
        Ok(())
    }
}

fn text(bytes: &[u8], at: usize) -> Step<Rc<str>> {
    std::str::from_utf8(bytes).map(Rc::from).map_err(|_| PickleError::Text { at })
}

/// A little-endian two's complement integer of any length.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Opaque;
    }
    let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut extended = [sign; 8];
    extended[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(extended))
}
