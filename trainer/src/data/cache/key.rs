//! What decides the content of a dataset, as one hash.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use blake3::Hasher;
use shared_model::schema::TaskSchema;

use crate::data::{
    Labels, Splits, Tables,
    in_order::{all_cores, in_order},
};

/// To be raised when datasets are made differently of the same tables, or their files look different.
const VERSION: &str = "1";

/// Bytes that a thread hashes at once.
const SEGMENT: usize = 1 << 20;

/// The name of a dataset.
pub(super) struct Key {
    /// 64 hexadecimal digits.
    pub name: String,
    stamps: Vec<Stamp>,
}

/// Length and time of the last change of a file.
type Stamp = (u64, SystemTime);

impl Key {
    /// The key of what [`load`](crate::data::load) makes of the same arguments; `None` for tables of less than
    /// `least_bytes`.
    pub fn of(
        tables: &Tables,
        schema: &TaskSchema,
        splits: &Splits,
        labels: Labels,
        least_bytes: u64,
    ) -> io::Result<Option<Self>> {
        let stamps = stamps(tables)?;
        if stamps.iter().map(|(length, _)| length).sum::<u64>() < least_bytes {
            return Ok(None);
        }
        let schema = serde_json::to_string(schema)?;
        let request = format!("{VERSION} {} {schema} {splits:?} {labels:?}", env!("CARGO_PKG_VERSION"));
        let mut hash = Hasher::new();
        hash.update(&(request.len() as u64).to_le_bytes()).update(request.as_bytes());
        for path in paths(tables) {
            match path {
                Some(path) => hash.update(&[1]).update(&hash_of(File::open(path)?)?),
                None => hash.update(&[0]),
            };
        }
        Ok(Some(Self { name: hash.finalize().to_hex().to_string(), stamps }))
    }

    /// Whether no table has changed since.
    pub fn still_fits(&self, tables: &Tables) -> bool {
        stamps(tables).is_ok_and(|stamps| stamps == self.stamps)
    }
}

/// The tables by their role.
fn paths(tables: &Tables) -> [Option<&Path>; 4] {
    let Tables { labels, feat2d, feat3d, feat3d_qm } = tables;
    [labels.as_deref(), feat2d.as_deref(), Some(feat3d), feat3d_qm.as_deref()]
}

fn stamps(tables: &Tables) -> io::Result<Vec<Stamp>> {
    let stamp =
        |path: &Path| fs::metadata(path).and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
    paths(tables).into_iter().flatten().map(stamp).collect()
}

/// The hash of the hashes of all segments that are read.
pub(super) fn hash_of(mut input: impl Read + Send) -> io::Result<[u8; 32]> {
    let next = || {
        let mut segment = Vec::with_capacity(SEGMENT);
        input.by_ref().take(SEGMENT as u64).read_to_end(&mut segment)?;
        Ok((!segment.is_empty()).then_some(segment))
    };
    hash_of_segments(next)
}

/// The same of bytes in memory.
pub(super) fn hash_of_bytes(bytes: &[u8]) -> [u8; 32] {
    let mut segments = bytes.chunks(SEGMENT);
    hash_of_segments(|| Ok(segments.next())).expect("memory is read without fail")
}

fn hash_of_segments<S: AsRef<[u8]> + Send>(
    next: impl FnMut() -> io::Result<Option<S>> + Send,
) -> io::Result<[u8; 32]> {
    let mut hash = Hasher::new();
    let work = |segment: S| Ok(*blake3::hash(segment.as_ref()).as_bytes());
    in_order(all_cores(), next, work, |segment| {
        hash.update(&segment);
        Ok::<(), io::Error>(())
    })?;
    Ok(*hash.finalize().as_bytes())
}
