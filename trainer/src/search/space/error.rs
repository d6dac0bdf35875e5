//! What can be wrong with a search space.

use std::path::PathBuf;

use crate::parameters::ParameterError;

/// Why a search space cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// Neither a name nor a file.
    #[error("there is no search space \"{0}\": known are v2 and v1, or give a TOML file")]
    Unknown(String),
    /// A file that cannot be read, or is no TOML.
    #[error("search space {path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A parameter that nothing reads, or a value that it cannot have.
    #[error("search space: {0}")]
    Parameter(#[from] ParameterError),
    /// An entry of a form that means nothing.
    #[error("search space: {parameter} {reason}")]
    Entry {
        /// The parameter.
        parameter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing is left to search.
    #[error("search space: every parameter is fixed; leave at least one to search")]
    NothingToSearch,
}

impl SpaceError {
    pub(super) fn entry(parameter: &str, reason: impl Into<String>) -> Self {
        Self::Entry { parameter: parameter.into(), reason: reason.into() }
    }
}
