//! Which storage a path or URL names.

use std::path::Path;
use std::sync::Arc;

use super::{Journal, Storage, StorageError};

/// Whether the storage has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is made if it is missing.
    Create,
    /// It is an error if it is missing.
    Existing,
}

/// Opens the storage that a path (a journal file) or a URL names.
///
/// # Errors
/// That it cannot be reached or read, or that nothing of the kind is known.
pub fn open(storage: &str, access: Access) -> Result<Arc<dyn Storage>, StorageError> {
    let Some((scheme, _)) = storage.split_once("://") else {
        let path = Path::new(storage);
        if access == Access::Existing && !path.exists() {
            return Err(unavailable(storage, "there is no such file"));
        }
        return Ok(Arc::new(Journal::open(path)?));
    };
    let known = "the path of a journal file";
    Err(unavailable(&format!("{scheme}://…"), &format!("no storage of that kind is known; name {known}")))
}

fn unavailable(storage: &str, reason: &str) -> StorageError {
    StorageError::Unavailable { storage: storage.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_answered_with_the_known_ones() {
        let error =
            open("redis://me:secret@host", Access::Create).map(|_| ()).expect_err("unknown").to_string();
        assert!(error.contains("journal file") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_missing_file_is_made_only_where_that_is_wanted() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("journal.log");
        let path = path.to_str().expect("UTF-8");
        assert!(open(path, Access::Existing).is_err());
        assert!(open(path, Access::Create).is_ok());
        assert!(!Path::new(path).exists(), "the first study makes it");
    }
}
