//! A matrix that is filled while its rows are still being counted.

use shared_model::bags::Matrix;

use super::{
    error::DataError,
    large_pages::prefer_large_pages,
    table::{Destination, Tile},
};

/// Rows of a fixed number of columns, zeros where nothing was written.
pub(super) struct GrowingMatrix {
    columns: usize,
    values: Vec<f32>,
}

impl GrowingMatrix {
    pub fn new(columns: usize) -> Self {
        Self { columns, values: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Writes numbers into the columns from `first_column` on.
    ///
    /// Rows that share a destination are averaged in place: the mean of k values is that of the first k − 1 plus
    /// 1/k of the difference, which needs no second copy.
    pub fn write(&mut self, first_column: usize, tile: &Tile<'_>) -> Result<(), DataError> {
        let width = tile.columns.len();
        let columns = first_column + tile.columns.start..first_column + tile.columns.end;
        for (destination, values) in tile.destinations.iter().zip(tile.values.chunks_exact(width)) {
            let &Some(Destination { row, rank }) = destination else { continue };
            if row >= self.rows() {
                self.grow(row + 1)?;
            }
            let slots = &mut self.values[row * self.columns..][columns.clone()];
            if rank == 1 {
                for (slot, &value) in slots.iter_mut().zip(values) {
                    // There is no −0.
                    *slot = (value + 0.0) as f32;
                }
            } else {
                for (slot, &value) in slots.iter_mut().zip(values) {
                    let mean = f64::from(*slot);
                    *slot = (mean + (value - mean) / f64::from(rank)) as f32;
                }
            }
        }
        Ok(())
    }

    fn grow(&mut self, rows: usize) -> Result<(), DataError> {
        let too_large = || DataError::TooLarge { rows, columns: self.columns };
        let length = rows.checked_mul(self.columns).ok_or_else(too_large)?;
        // Memory that is reserved but never written takes up none.
        if length > self.values.capacity() {
            self.values.try_reserve(length - self.values.len()).map_err(|_| too_large())?;
            prefer_large_pages(&mut self.values);
        }
        self.values.resize(length, 0.0);
        Ok(())
    }

    /// The matrix whose row `destinations[r]` is row `r` of this one; the others are left out. The destinations are
    /// all numbers from 0 to their count.
    pub fn arranged(mut self, destinations: &[Option<usize>]) -> Result<Matrix, DataError> {
        let columns = self.columns;
        if self.rows() < destinations.len() {
            self.grow(destinations.len())?;
        }
        let mut order = Vec::with_capacity(destinations.len());
        for (row, destination) in destinations.iter().enumerate() {
            if let &Some(destination) = destination {
                if row != order.len() {
                    self.values.copy_within(row * columns..(row + 1) * columns, order.len() * columns);
                }
                order.push(destination);
            }
        }
        self.values.truncate(order.len() * columns);
        // Every row goes where it belongs, and the one that stood there comes into its place.
        for row in 0..order.len() {
            while order[row] != row {
                let other = order[row];
                let (first, second) = (row.min(other), row.max(other));
                let (front, back) = self.values.split_at_mut(second * columns);
                front[first * columns..][..columns].swap_with_slice(&mut back[..columns]);
                order.swap(row, other);
            }
        }
        self.values.shrink_to_fit();
        Ok(Matrix::new(order.len(), columns, self.values).expect("whole rows"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(rows: &[(Destination, f64)], columns: usize) -> GrowingMatrix {
        let mut matrix = GrowingMatrix::new(columns);
        for &(destination, value) in rows {
            let values = vec![value; columns];
            let tile = Tile {
                destinations: &[Some(destination)],
                columns: 0..columns,
                values: &values,
                flaws: Vec::new(),
            };
            matrix.write(0, &tile).expect("small");
        }
        matrix
    }

    #[test]
    fn rows_of_one_destination_are_averaged_and_gaps_are_zeros() {
        let rows = [(2, 1, 1.0), (0, 1, -0.0), (2, 2, 2.0), (2, 3, 6.0)];
        let rows = rows.map(|(row, rank, value)| (Destination { row, rank }, value));
        let matrix = filled(&rows, 2).arranged(&[Some(0), Some(1), Some(2)]).expect("small");
        assert_eq!(matrix.data(), [0.0, 0.0, 0.0, 0.0, 3.0, 3.0]);
        assert!(matrix.data()[0].is_sign_positive());
    }

    proptest! {
        #[test]
        fn rows_are_put_in_any_order_and_left_out(
            keys in prop::collection::vec(prop::option::of(any::<u32>()), 0..40),
        ) {
            let mut sorted: Vec<(u32, usize)> =
                keys.iter().enumerate().filter_map(|(row, key)| Some(((*key)?, row))).collect();
            sorted.sort_unstable();
            let mut destinations = vec![None; keys.len()];
            for (destination, &(_, row)) in sorted.iter().enumerate() {
                destinations[row] = Some(destination);
            }
            let rows: Vec<(Destination, f64)> =
                (0..keys.len()).map(|row| (Destination { row, rank: 1 }, row as f64)).collect();
            let matrix = filled(&rows, 3).arranged(&destinations).expect("small");
            let expected: Vec<f32> = sorted.iter().flat_map(|&(_, row)| [row as f32; 3]).collect();
            prop_assert_eq!(matrix.data(), expected);
        }
    }
}
