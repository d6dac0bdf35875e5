//! The file of a dataset.
//!
//! Little-endian throughout: a header of 64 bytes ([`MAGIC`], the hash of all that follows, zeros), rows and columns
//! of the 2D and of the 3D matrix (u64), their values (float32), and then everything else, lists with their count
//! and texts with their length before them (u64).

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
    sync::Arc,
    thread,
};

use memmap2::Mmap;
use shared_model::{
    bags::{Bags, Matrix},
    schema::TaskSchema,
};

use super::{
    UNFINISHED,
    key::{hash_of, hash_of_bytes},
};
use crate::data::{Dataset, Report, Targets, digest::KnownDigest};

const MAGIC: &[u8; 16] = b"optimil dataset\n";

/// Bytes of the header.
const HEADER: usize = 64;

/// Writes an entry, which appears under its name when it is complete.
///
/// It is not forced to disk: what a power failure leaves is recognised by its hash.
pub(super) fn write(path: &Path, dataset: &Dataset) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let suffix = format!(".{UNFINISHED}");
    let mut temporary = tempfile::Builder::new().suffix(&suffix).tempfile_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 18, temporary.as_file_mut());
    out.write_all(&[0; HEADER])?;
    // The digest of the dataset takes as long as writing the matrices.
    thread::scope(|scope| {
        let digest = scope.spawn(|| dataset.sha256());
        let bags = dataset.bags();
        let matrices = [bags.x2d(), bags.x3d()];
        for matrix in matrices {
            count(&mut out, matrix.rows())?;
            count(&mut out, matrix.columns())?;
        }
        matrices.into_iter().try_for_each(|matrix| floats(&mut out, matrix.data()))?;
        let digest = digest.join().map_err(|_| io::Error::other("the digest failed"))?;
        text(&mut out, &digest)?;
        describe(&mut out, dataset)
    })?;
    out.flush()?;
    drop(out);
    let file = temporary.as_file_mut();
    file.seek(SeekFrom::Start(HEADER as u64))?;
    let hash = hash_of(&mut *file)?;
    file.rewind()?;
    file.write_all(MAGIC)?;
    file.write_all(&hash)?;
    temporary.persist(path)?;
    Ok(())
}

/// All but the features.
fn describe(out: &mut impl Write, dataset: &Dataset) -> io::Result<()> {
    let optional = |texts: &[Option<String>]| -> Vec<String> { texts.iter().map(marked).collect() };
    texts(out, dataset.ids())?;
    texts(out, &optional(dataset.smiles()))?;
    texts(out, &optional(dataset.splits()))?;
    // No fold is 0, fold n is n + 1.
    counts(out, dataset.folds().iter().map(|fold| fold.map_or(0, |fold| fold as usize + 1)))?;
    counts(out, dataset.bags().offsets().iter().copied())?;
    for names in [dataset.conformers(), dataset.names_2d(), dataset.names_3d()] {
        texts(out, names)?;
    }
    flags(out, dataset.labels())?;
    matrix(out, dataset.weights())?;
    for targets in [dataset.absorbance(), dataset.fluorescence()] {
        matrix(out, targets.values())?;
        flags(out, targets.mask())?;
        matrix(out, targets.weights())?;
    }
    texts(out, &dataset.report().dropped)?;
    texts(out, &dataset.report().absent_columns)
}

fn count(out: &mut impl Write, count: usize) -> io::Result<()> {
    out.write_all(&(count as u64).to_le_bytes())
}

fn counts(out: &mut impl Write, counts: impl ExactSizeIterator<Item = usize>) -> io::Result<()> {
    count(out, counts.len())?;
    counts.into_iter().try_for_each(|each| count(out, each))
}

fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    count(out, text.len())?;
    out.write_all(text.as_bytes())
}

fn texts(out: &mut impl Write, texts: &[String]) -> io::Result<()> {
    count(out, texts.len())?;
    texts.iter().try_for_each(|each| text(out, each))
}

/// An optional text as a text: `+` and itself, or nothing.
fn marked(text: &Option<String>) -> String {
    text.as_ref().map_or_else(String::new, |text| format!("+{text}"))
}

fn unmarked(text: String) -> Option<String> {
    text.strip_prefix('+').map(str::to_owned)
}

fn flags(out: &mut impl Write, flags: &[bool]) -> io::Result<()> {
    count(out, flags.len())?;
    flags.iter().try_for_each(|&flag| out.write_all(&[u8::from(flag)]))
}

fn matrix(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    count(out, matrix.rows())?;
    count(out, matrix.columns())?;
    floats(out, matrix.data())
}

fn floats(out: &mut impl Write, floats: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1 << 16);
    for part in floats.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads an entry of tables of that schema.
///
/// # Errors
/// Of the kind `NotFound` if there is none; or that it is not, or no longer, what was written.
pub(super) fn read(path: &Path, schema: &TaskSchema) -> io::Result<Dataset> {
    let map = Arc::new(map(&File::open(path)?)?);
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file is damaged");
    let (header, body) = map.split_at_checked(HEADER).ok_or_else(damaged)?;
    if header[..16] != *MAGIC || header[16..48] != hash_of_bytes(body) {
        return Err(damaged());
    }
    let rest = Rest { map: &map, at: HEADER };
    rest.dataset(schema).ok_or_else(damaged)
}

/// The part of a file that is still to be read.
struct Rest<'a> {
    map: &'a Arc<Mmap>,
    at: usize,
}

impl Rest<'_> {
    fn dataset(mut self, schema: &TaskSchema) -> Option<Dataset> {
        let (rows_2d, columns_2d, rows_3d, columns_3d) =
            (self.count()?, self.count()?, self.count()?, self.count()?);
        let (x2d, x3d) = (self.mapped(rows_2d, columns_2d)?, self.mapped(rows_3d, columns_3d)?);
        let digest = KnownDigest(self.text()?.into());
        let ids = self.list(Self::text)?;
        let smiles = self.list(|rest| rest.text().map(unmarked))?;
        let splits = self.list(|rest| rest.text().map(unmarked))?;
        let fold = |fold: usize| {
            fold.checked_sub(1).map(|fold| u32::try_from(fold).ok()).map_or(Some(None), |fold| fold.map(Some))
        };
        let folds = self.list(|rest| rest.count().and_then(fold))?;
        let offsets = self.list(Self::count)?;
        let conformers = self.list(Self::text)?;
        let (names_2d, names_3d) = (self.list(Self::text)?, self.list(Self::text)?);
        let labels = self.list(Self::flag)?;
        let weights = self.matrix()?;
        let (absorbance, fluorescence) = (self.targets()?, self.targets()?);
        let report = Report { dropped: self.list(Self::text)?, absent_columns: self.list(Self::text)? };
        Some(Dataset {
            schema: schema.clone(),
            ids,
            smiles,
            splits,
            folds,
            bags: Bags::new(x2d, x3d, offsets).ok()?,
            conformers,
            names_2d,
            names_3d,
            labels,
            weights,
            absorbance,
            fluorescence,
            report,
            digest,
        })
    }

    /// The range of the next bytes.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let start = self.at;
        self.at = start.checked_add(length).filter(|&end| end <= self.map.len())?;
        Some(start..self.at)
    }

    fn count(&mut self) -> Option<usize> {
        let bytes = self.take(8)?;
        usize::try_from(u64::from_le_bytes(self.map[bytes].try_into().ok()?)).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        let byte = self.take(1)?;
        Some(self.map[byte] == [1])
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        str::from_utf8(&self.map[bytes]).ok().map(str::to_owned)
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        (0..count).map(|_| each(self)).collect()
    }

    fn targets(&mut self) -> Option<Targets> {
        Some(Targets { values: self.matrix()?, mask: self.list(Self::flag)?, weights: self.matrix()? })
    }

    fn matrix(&mut self) -> Option<Matrix> {
        let (rows, columns) = (self.count()?, self.count()?);
        let bytes = self.take(rows.checked_mul(columns)?.checked_mul(4)?)?;
        let values = self.map[bytes].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        Matrix::new(rows, columns, values)
    }

    /// A matrix that stays in the file.
    fn mapped(&mut self, rows: usize, columns: usize) -> Option<Matrix> {
        let range = self.take(rows.checked_mul(columns)?.checked_mul(4)?)?;
        Matrix::shared(rows, columns, Arc::new(MappedValues { map: self.map.clone(), range }))
    }
}

/// Numbers in a file. They begin at a multiple of four bytes.
struct MappedValues {
    map: Arc<Mmap>,
    range: Range<usize>,
}

impl AsRef<[f32]> for MappedValues {
    fn as_ref(&self) -> &[f32] {
        #[allow(unsafe_code)]
        // SAFETY: every four bytes are a float32. Those of the file are little-endian, as is the processor, or else
        // there is no cache.
        let (before, values, behind) = unsafe { self.map[self.range.clone()].align_to::<f32>() };
        debug_assert!(before.is_empty() && behind.is_empty(), "the numbers are aligned");
        values
    }
}

fn map(file: &File) -> io::Result<Mmap> {
    #[allow(unsafe_code)]
    // SAFETY: an entry is written under another name and never changed once it has its own; to remove it leaves what
    // is mapped as it is.
    unsafe {
        Mmap::map(file)
    }
}
