//! Pruners: which trials to give up before their end.

use super::History;
use crate::study::Trial;

/// A way of telling which running trials are not worth their end.
pub trait Pruner: Send + Sync {
    /// Whether to give up a running trial, asked after each of its reports. `trial` holds all its reports; what the
    /// history says of it may be older.
    fn prunes(&self, history: &History, trial: &Trial) -> bool;
}

/// Every trial runs to its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPruner;

impl Pruner for NoPruner {
    fn prunes(&self, _: &History, _: &Trial) -> bool {
        false
    }
}
