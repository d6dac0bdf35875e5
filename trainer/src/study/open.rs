//! Which storage a path or URL names.

use std::path::Path;
use std::sync::Arc;

use super::database::Database;
use super::postgres::Postgres;
#[cfg(feature = "sqlite")]
use super::sqlite::Sqlite;
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
    let Some((scheme, rest)) = storage.split_once("://") else {
        let path = Path::new(storage);
        if access == Access::Existing && !path.exists() {
            return Err(unavailable(storage, "there is no such file"));
        }
        return Ok(Arc::new(Journal::open(path)?));
    };
    // SQLAlchemy's URLs may name a driver: postgresql+psycopg2.
    match scheme.split('+').next().unwrap_or_default() {
        "sqlite" => sqlite(rest, access),
        "postgresql" | "postgres" => Ok(Arc::new(Database::open(Postgres::new(storage), access)?)),
        _ => Err(unavailable(
            &format!("{scheme}://…"),
            "no storage of that kind is known; name the path of a journal file, sqlite:///FILE, or \
             postgresql://USER:PASSWORD@HOST/DATABASE",
        )),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(rest: &str, access: Access) -> Result<Arc<dyn Storage>, StorageError> {
    Ok(Arc::new(Database::open(Sqlite::new(rest, access)?, access)?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(rest: &str, _: Access) -> Result<Arc<dyn Storage>, StorageError> {
    let reason = "this program was built without SQLite (cargo feature `sqlite`); use a journal (the path of a file) or \
                  PostgreSQL";
    Err(unavailable(&format!("sqlite://{rest}"), reason))
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
