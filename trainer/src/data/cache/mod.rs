//! Datasets as they were read, kept for the next run.
//!
//! An entry is named after the content of the tables and everything else that decides what is made of them, so
//! that an entry is either right or not found. It is mapped into memory: nothing is parsed or copied but the names.

mod entry;
mod key;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use shared_model::schema::TaskSchema;

use self::key::Key;
use super::{DataError, Dataset, Labels, Splits, Tables, load};

/// A folder of datasets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The folder, which need not exist.
    pub folder: PathBuf,
    /// Most bytes of all entries; the least recently used are removed first.
    pub most_bytes: u64,
    /// Bytes of the tables below which they are read anew each time, since that takes no longer.
    pub least_bytes: u64,
}

impl Cache {
    /// A cache of up to 20 GiB for tables of at least 4 MiB.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, most_bytes: 20 << 30, least_bytes: 4 << 20 }
    }

    /// The cache in the folder that the platform has for such things, if it has one.
    pub fn of_user() -> Option<Self> {
        Some(Self::new(dirs::cache_dir()?.join("optimil")))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{ENTRY}", key.name))
    }

    /// Writes an entry, and removes what is then too much.
    fn store(&self, path: &Path, dataset: &Dataset) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        entry::write(path, dataset)?;
        self.tidy()
    }

    /// Removes the least recently used entries until the others have room, and files that a run left unfinished.
    fn tidy(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            // Another process may have removed it.
            let Ok(metadata) = file.metadata() else { continue };
            let used = metadata.modified()?;
            let path = file.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(ENTRY) => entries.push((used, metadata.len(), path)),
                Some(UNFINISHED) if used + Duration::from_hours(24) < SystemTime::now() => {
                    _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        entries.sort_by(|one, other| other.cmp(one));
        let mut bytes: u64 = 0;
        for (_, length, path) in entries {
            bytes = bytes.saturating_add(length);
            if bytes > self.most_bytes {
                // On some systems a file that is in use cannot be removed; it goes another time.
                _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

/// Ending of the name of an entry.
const ENTRY: &str = "dataset";

/// Ending of the name of an entry that is being written.
const UNFINISHED: &str = "partial";

/// As [`load`], from the cache if the same tables were read before, or else for the next time.
///
/// Trouble with the cache is no error: the tables are read, and the second value says in a sentence what happened.
///
/// # Errors
/// As [`load`].
pub fn load_cached(
    tables: &Tables,
    schema: &TaskSchema,
    splits: &Splits,
    labels: Labels,
    cache: &Cache,
) -> Result<(Dataset, Option<String>), DataError> {
    // Tables that cannot be read are named by `load`.
    let key = Key::of(tables, schema, splits, labels, cache.least_bytes).ok().flatten();
    let Some(key) = key.filter(|_| cfg!(target_endian = "little")) else {
        return Ok((load(tables, schema, splits, labels)?, None));
    };
    let path = cache.path(&key);
    let mut notice = None;
    match entry::read(&path, schema) {
        Ok(dataset) => {
            // The time of the last use. Without the right to set it, the entry merely looks older.
            _ = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()));
            return Ok((dataset, None));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            notice = Some(format!("{} is of no use ({error}): the tables are read instead", path.display()));
        }
    }
    let dataset = load(tables, schema, splits, labels)?;
    if key.still_fits(tables)
        && let Err(error) = cache.store(&path, &dataset)
    {
        notice = Some(format!(
            "the tables cannot be kept for the next run in {}: {error}",
            cache.folder.display()
        ));
    }
    Ok((dataset, notice))
}
