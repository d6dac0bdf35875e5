//! The zip file that `torch.save` writes: `<name>/data.pkl`, `<name>/data/0`, `<name>/data/1`, …

use std::io::{Cursor, Read};

use zip::read::ZipArchive;
use zip::result::ZipError;
use zip::{CompressionMethod, read::ZipFile};

use super::CheckpointError;

/// Largest data.pkl that is read: a value of the parsed pickle takes many times the byte that can describe
/// it. Ten thousand tensors take 2 MB.
const MAX_PICKLE: u64 = 16 << 20;

/// An open checkpoint file.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// What comes before `data.pkl` in the names, with the slash.
    prefix: String,
    /// Bytes that may still be read in all: entries that overlap could add up to more than the file.
    bytes_left: u64,
}

impl<'a> Archive<'a> {
    /// Opens the file, without reading an entry but its byte order.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(CheckpointError::NotAZip)?;
        let prefix = zip.file_names().find_map(pickle_prefix).ok_or(CheckpointError::NoPickle)?.to_owned();
        let mut archive = Self { zip, prefix, bytes_left: bytes.len() as u64 };
        // Files of early PyTorch versions lack the entry, and are little-endian.
        if let Some(order) = archive.read("byteorder", 16)?.filter(|order| order != b"little") {
            return Err(CheckpointError::ByteOrder(String::from_utf8_lossy(&order).into_owned()));
        }
        Ok(archive)
    }

    /// The bytes of `data.pkl`.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, CheckpointError> {
        self.read("data.pkl", MAX_PICKLE)?.ok_or(CheckpointError::NoPickle)
    }

    /// The bytes of a storage, or `None` if there is none of that key.
    pub(super) fn storage(&mut self, key: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        self.read(&format!("data/{key}"), u64::MAX)
    }

    fn read(&mut self, entry: &str, limit: u64) -> Result<Option<Vec<u8>>, CheckpointError> {
        let name = format!("{}{entry}", self.prefix);
        let mut file: ZipFile<_> = match self.zip.by_name(&name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(CheckpointError::Entry { name, reason: error.into() }),
        };
        if file.compression() != CompressionMethod::Stored || file.encrypted() {
            return Err(CheckpointError::Compressed(name));
        }
        let size = file.size();
        if size > limit {
            return Err(CheckpointError::EntryTooLarge { name, size });
        }
        let Some(bytes_left) = self.bytes_left.checked_sub(size) else {
            return Err(CheckpointError::EntryTooLarge { name, size });
        };
        // Stored entries end where they claim to; one byte more lets the reader see the end and check the
        // sum.
        let mut bytes = Vec::with_capacity(size as usize + 1);
        match file.by_ref().take(size + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 == size => {
                self.bytes_left = bytes_left;
                Ok(Some(bytes))
            }
            Ok(_) => {
                let reason = std::io::Error::other("its length is not what it claims");
                Err(CheckpointError::Entry { name, reason })
            }
            Err(reason) => Err(CheckpointError::Entry { name, reason }),
        }
    }
}

/// `archive/` of `archive/data.pkl`, for entries at most one folder deep.
fn pickle_prefix(name: &str) -> Option<&str> {
    let prefix = name.strip_suffix("data.pkl")?;
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    (prefix.is_empty() || (prefix.ends_with('/') && !folder.contains('/'))).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pickle_lies_at_most_one_folder_deep() {
        assert_eq!(pickle_prefix("archive/data.pkl"), Some("archive/"));
        assert_eq!(pickle_prefix("data.pkl"), Some(""));
        assert_eq!(pickle_prefix("a/b/data.pkl"), None);
        assert_eq!(pickle_prefix("archive/mydata.pkl"), None);
    }
}
