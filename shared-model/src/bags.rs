//! Bags of conformers: the input of the network, on the host.

use std::{fmt, sync::Arc};

/// A dense row-major matrix of float32.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Owned(Vec<f32>),
    Shared(SharedValues),
}

/// Values that stand elsewhere, as in a file that is mapped into memory, and never change.
pub type SharedValues = Arc<dyn AsRef<[f32]> + Send + Sync>;

impl Matrix {
    /// A matrix from its values, row by row; `None` if there are not `rows · columns` of them.
    pub fn new(rows: usize, columns: usize, data: Vec<f32>) -> Option<Self> {
        (rows.checked_mul(columns) == Some(data.len())).then_some(Self {
            rows,
            columns,
            data: Data::Owned(data),
        })
    }

    /// A matrix whose values stand elsewhere; they are copied when the matrix is first written to. `None` if there
    /// are not `rows · columns` of them.
    pub fn shared(rows: usize, columns: usize, data: SharedValues) -> Option<Self> {
        let fits = rows.checked_mul(columns) == Some((*data).as_ref().len());
        fits.then_some(Self { rows, columns, data: Data::Shared(data) })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data()[row * self.columns..][..self.columns]
    }

    /// One row, to be written.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        if let Data::Shared(values) = &self.data {
            self.data = Data::Owned((**values).as_ref().to_vec());
        }
        let Data::Owned(values) = &mut self.data else { unreachable!("the values were copied") };
        &mut values[row * self.columns..][..self.columns]
    }

    /// All values, row by row.
    pub fn data(&self) -> &[f32] {
        match &self.data {
            Data::Owned(values) => values,
            Data::Shared(values) => (**values).as_ref(),
        }
    }
}

impl Default for Matrix {
    fn default() -> Self {
        Self { rows: 0, columns: 0, data: Data::Owned(Vec::new()) }
    }
}

impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        (self.rows, self.columns) == (other.rows, other.columns) && self.data() == other.data()
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns, .. } = self;
        f.debug_struct("Matrix")
            .field("rows", rows)
            .field("columns", columns)
            .field("data", &self.data())
            .finish()
    }
}

/// Molecules as bags: one row of 2D features each, and the rows of their conformers.
///
/// The conformers of molecule `m` are the rows `offsets[m]..offsets[m + 1]` of `x3d`; no bag is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Bags {
    x2d: Matrix,
    x3d: Matrix,
    offsets: Vec<usize>,
}

/// Why arrays do not make up bags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BagsError {
    /// Not one more offset than molecules.
    #[error("{offsets} bag offsets for {molecules} molecules: there must be one more than molecules")]
    OffsetCount {
        /// Offsets given.
        offsets: usize,
        /// Rows of the 2D matrix.
        molecules: usize,
    },
    /// Offsets that do not cover the instance rows exactly, from 0 to their number.
    #[error("bag offsets run from {first} to {last}, but there are {instances} instances")]
    OffsetRange {
        /// First offset.
        first: usize,
        /// Last offset.
        last: usize,
        /// Rows of the 3D matrix.
        instances: usize,
    },
    /// A bag without an instance, or offsets that go backwards.
    #[error("molecule {0} (counted from 0) has no conformer")]
    EmptyBag(usize),
}

impl Bags {
    /// Bags from a 2D matrix [M, F2], an instance matrix [I, F3] and M + 1 offsets into the instances.
    ///
    /// # Errors
    /// [`BagsError`] if the offsets do not split the instances into M non-empty bags.
    pub fn new(x2d: Matrix, x3d: Matrix, offsets: Vec<usize>) -> Result<Self, BagsError> {
        if offsets.len() != x2d.rows() + 1 {
            return Err(BagsError::OffsetCount { offsets: offsets.len(), molecules: x2d.rows() });
        }
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        if first != 0 || last != x3d.rows() {
            return Err(BagsError::OffsetRange { first, last, instances: x3d.rows() });
        }
        if let Some(empty) = offsets.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(BagsError::EmptyBag(empty));
        }
        Ok(Self { x2d, x3d, offsets })
    }

    /// Number of molecules, M.
    pub fn len(&self) -> usize {
        self.x2d.rows()
    }

    /// Whether there is no molecule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features of the molecules [M, F2].
    pub fn x2d(&self) -> &Matrix {
        &self.x2d
    }

    /// Features of the instances [I, F3], bag after bag.
    pub fn x3d(&self) -> &Matrix {
        &self.x3d
    }

    /// First instance row of each molecule, and the number of instances at the end.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Instance rows of one molecule.
    pub fn instances(&self, molecule: usize) -> std::ops::Range<usize> {
        self.offsets[molecule]..self.offsets[molecule + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(rows: usize, columns: usize) -> Matrix {
        Matrix::new(rows, columns, vec![0.0; rows * columns]).expect("filled")
    }

    #[test]
    fn a_shared_matrix_is_copied_when_it_is_written_to() {
        let values: SharedValues = Arc::new(vec![1.0, 2.0, 3.0, 4.0]);
        assert!(Matrix::shared(2, 3, values.clone()).is_none());
        let mut matrix = Matrix::shared(2, 2, values.clone()).expect("four values");
        assert_eq!(matrix, Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).expect("four values"));
        matrix.row_mut(1)[0] = 5.0;
        assert_eq!(matrix.data(), [1.0, 2.0, 5.0, 4.0]);
        assert_eq!((*values).as_ref(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn offsets_must_split_the_instances_into_non_empty_bags() {
        assert!(Bags::new(zeros(2, 3), zeros(5, 4), vec![0, 2, 5]).is_ok());
        assert_eq!(
            Bags::new(zeros(2, 3), zeros(5, 4), vec![0, 5]),
            Err(BagsError::OffsetCount { offsets: 2, molecules: 2 })
        );
        assert_eq!(
            Bags::new(zeros(2, 3), zeros(5, 4), vec![0, 2, 4]),
            Err(BagsError::OffsetRange { first: 0, last: 4, instances: 5 })
        );
        assert_eq!(Bags::new(zeros(2, 3), zeros(5, 4), vec![0, 5, 5]), Err(BagsError::EmptyBag(1)));
    }
}
