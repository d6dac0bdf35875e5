//! Matrix products into slices that are there already.

/// A matrix over a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of that many columns.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        assert!(
            columns > 0 && values.len().is_multiple_of(columns),
            "{} values in rows of {columns}",
            values.len()
        );
        Self { values, rows: values.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transposed matrix.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Products of so many multiplications are worth more than one thread.
const PARALLEL_THRESHOLD: usize = 192 * 192 * 192;

/// The product of two matrices into a row-major one.
pub(super) fn multiply(destination: &mut [f32], left: Matrix, right: Matrix, threads: Threads) {
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert_eq!(inner, right.rows, "inner dimensions");
    assert_eq!(destination.len(), rows * columns, "size of the product");
    let parallelism = match threads {
        #[cfg(not(target_arch = "wasm32"))]
        Threads::Many if rows * columns * inner >= PARALLEL_THRESHOLD => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
    let stride = |length: usize| isize::try_from(length).expect("a slice is not longer than that");
    // SAFETY: the three matrices lie within their slices: `Matrix` is only made of a slice that it fills exactly,
    // row-major or transposed, and the destination was checked above. They do not overlap, since one is borrowed
    // mutably. `gemm` writes every element of the destination, and reads none of it (`read_dst` is false).
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            destination.as_mut_ptr(),
            1,
            stride(columns),
            false,
            left.values.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.values.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Whether a computation may use more than the thread that it is called on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    Many,
}
