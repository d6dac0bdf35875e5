//! A fingerprint of what a model was trained on.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use shared_model::bags::Matrix;

use super::dataset::{Dataset, Targets};

impl Dataset {
    /// SHA-256 of the dataset, as 64 hexadecimal digits: the same for the same data, whatever files they came from.
    ///
    /// What is hashed, in this order: the text `optimil dataset 1`; task names; columns of the two auxiliary
    /// groups; names of the 2D and 3D features; identifiers; splits; folds; bag offsets; conformers; 2D and 3D
    /// features; labels; weights; for each auxiliary group targets, mask and weights. Numbers are little-endian:
    /// counts and offsets as u64, features, targets and weights as float32, labels and masks as one byte. Every
    /// list begins with its count, every text with its length in bytes, every optional value with a byte 0 or 1,
    /// every matrix with its rows and columns. SMILES are not part of it.
    pub fn sha256(&self) -> String {
        self.digest.0.get_or_init(|| self.computed_sha256()).clone()
    }

    fn computed_sha256(&self) -> String {
        let schema = self.schema();
        let mut hash = Hash(Sha256::new());
        hash.text("optimil dataset 1");
        hash.texts(schema.tasks.iter().map(|task| &task.name));
        hash.texts(schema.absorbance.iter().map(|output| &output.column));
        hash.texts(schema.fluorescence.iter().map(|output| &output.column));
        hash.texts(self.names_2d().iter());
        hash.texts(self.names_3d().iter());
        hash.texts(self.ids().iter());
        hash.count(self.splits().len());
        for split in self.splits() {
            hash.flag(split.is_some());
            split.iter().for_each(|split| hash.text(split));
        }
        hash.count(self.folds().len());
        for fold in self.folds() {
            hash.flag(fold.is_some());
            fold.iter().for_each(|&fold| hash.count(fold as usize));
        }
        hash.count(self.bags().offsets().len());
        self.bags().offsets().iter().for_each(|&offset| hash.count(offset));
        hash.texts(self.conformers().iter());
        hash.matrix(self.bags().x2d());
        hash.matrix(self.bags().x3d());
        hash.flags(self.labels());
        hash.matrix(self.weights());
        hash.targets(self.absorbance());
        hash.targets(self.fluorescence());
        hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The SHA-256 of a dataset, once it is known. It says nothing that the data do not say.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownDigest(pub OnceLock<String>);

impl PartialEq for KnownDigest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

struct Hash(Sha256);

impl Hash {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.0.update([u8::from(flag)]);
    }

    fn flags(&mut self, flags: &[bool]) {
        self.count(flags.len());
        flags.iter().for_each(|&flag| self.flag(flag));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a String>) {
        self.count(texts.len());
        texts.for_each(|text| self.text(text));
    }

    fn matrix(&mut self, matrix: &Matrix) {
        self.count(matrix.rows());
        self.count(matrix.columns());
        let mut bytes = Vec::with_capacity(4 * matrix.columns());
        for row in 0..matrix.rows() {
            bytes.clear();
            bytes.extend(matrix.row(row).iter().flat_map(|value| value.to_le_bytes()));
            self.0.update(&bytes);
        }
    }

    fn targets(&mut self, targets: &Targets) {
        self.matrix(targets.values());
        self.flags(targets.mask());
        self.matrix(targets.weights());
    }
}
