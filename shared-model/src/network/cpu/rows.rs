//! Work over rows, cut into pieces that do not depend on the number of threads: sums over rows are taken piece by
//! piece, so the same numbers come out on every machine.

#[cfg(not(target_arch = "wasm32"))]
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::matrix::Threads;

/// Rows of a piece.
pub(super) const PIECE: usize = 64;
/// Values that are worth more than one thread.
#[cfg(not(target_arch = "wasm32"))]
const PARALLEL_THRESHOLD: usize = 1 << 15;

/// Does every piece of work, and returns the results in order; `values` is how much there is to do.
pub(super) fn each<T: Send, R: Send>(
    pieces: Vec<T>,
    values: usize,
    threads: Threads,
    work: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    #[cfg(not(target_arch = "wasm32"))]
    if threads == Threads::Many && values >= PARALLEL_THRESHOLD && pieces.len() > 1 {
        return pieces.into_par_iter().map(work).collect();
    }
    let _ = (values, threads);
    pieces.into_iter().map(work).collect()
}

/// Adds up vectors, in order.
pub(super) fn total(parts: Vec<Vec<f32>>, into: &mut [f32]) {
    into.fill(0.0);
    for part in parts {
        for (sum, value) in into.iter_mut().zip(part) {
            *sum += value;
        }
    }
}
