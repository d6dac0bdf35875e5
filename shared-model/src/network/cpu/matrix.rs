//! Matrix products over slices.

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
const PARALLEL_THRESHOLD: usize = 128 * 128 * 128;

/// The product of two matrices, row-major.
pub(super) fn product(left: Matrix, right: Matrix, threads: Threads) -> Vec<f32> {
    let size = left.rows * right.columns;
    let mut destination = Vec::with_capacity(size);
    // SAFETY: there is room for the product, all of which is written.
    #[allow(unsafe_code)]
    unsafe {
        multiply_to(destination.as_mut_ptr(), left, right, threads);
        destination.set_len(size);
    }
    destination
}

/// The product of two matrices into a row-major one.
pub(super) fn multiply(destination: &mut [f32], left: Matrix, right: Matrix, threads: Threads) {
    assert_eq!(destination.len(), left.rows * right.columns, "size of the product");
    // SAFETY: the slice has the size of the product.
    #[allow(unsafe_code)]
    unsafe {
        multiply_to(destination.as_mut_ptr(), left, right, threads);
    }
}

/// Writes the product of two matrices, row-major, and reads nothing there.
///
/// # Safety
/// The destination has room for the product, and is no part of the matrices.
#[allow(unsafe_code)]
unsafe fn multiply_to(destination: *mut f32, left: Matrix, right: Matrix, threads: Threads) {
    let (rows, columns, inner) = (left.rows, right.columns, left.columns);
    assert_eq!(inner, right.rows, "inner dimensions");
    let parallelism = match threads {
        #[cfg(not(target_arch = "wasm32"))]
        Threads::Many if rows * columns * inner >= PARALLEL_THRESHOLD => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
    let stride = |length: usize| isize::try_from(length).expect("a slice is not longer than that");
    // SAFETY: the two matrices lie within their slices: `Matrix` is only made of a slice that it fills exactly,
    // row-major or transposed. The caller answers for the destination. `gemm` writes every element of it, and reads
    // none (`read_dst` is false).
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            destination,
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
