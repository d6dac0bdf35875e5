//! Files of a run that cannot be read or written.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Which file, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read, or does not hold what it should.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system or the reader said.
        reason: String,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: {reason}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system or the writer said.
        reason: String,
    },
}

impl FileError {
    /// A file that cannot be read.
    pub fn unreadable(path: &Path, reason: impl Display) -> Self {
        Self::Unreadable { path: path.into(), reason: reason.to_string() }
    }

    /// A file that cannot be written.
    pub fn unwritable(path: &Path, reason: impl Display) -> Self {
        Self::Unwritable { path: path.into(), reason: reason.to_string() }
    }
}
