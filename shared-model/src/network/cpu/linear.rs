//! Fully connected layers.

use burn::tensor::{Tensor, backend::Backend};
use burn_flex::FlexTensor;

use super::elementwise::{add_row, sum_rows};
use super::matrix::{Matrix, Threads, multiply};
use super::operation::{Operation, apply, from_primitive, primitive, tensor, values};
use super::rows::{PIECE, each, total};

/// x·W + b of the rows [G·R, K] of G groups, with weights [G, K, N] and biases [G, N].
pub(in crate::network) fn linear<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 3>,
    bias: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let [groups, d_in, d_out] = weight.dims();
    let [rows, _] = x.dims();
    let operation = Linear { groups, rows: rows / groups, d_in, d_out };
    from_primitive(apply::<B, _, 3>(operation, [primitive(x), primitive(weight), primitive(bias)]))
}

#[derive(Clone, Debug)]
struct Linear {
    groups: usize,
    /// Rows of a group.
    rows: usize,
    d_in: usize,
    d_out: usize,
}

impl Operation<3> for Linear {
    type Saved = ();

    fn forward(&self, [x, weight, bias]: &[FlexTensor; 3]) -> (FlexTensor, ()) {
        let mut result = vec![0.0; self.groups * self.rows * self.d_out];
        let groups = values(x)
            .chunks_exact(self.rows * self.d_in)
            .zip(values(weight).chunks_exact(self.d_in * self.d_out))
            .zip(values(bias).chunks_exact(self.d_out))
            .zip(result.chunks_exact_mut(self.rows * self.d_out));
        for (((x, weight), bias), result) in groups {
            multiply(result, Matrix::new(x, self.d_in), Matrix::new(weight, self.d_out), Threads::Many);
            let (size, pieces) = (result.len(), result.chunks_mut(PIECE * self.d_out).collect());
            each(pieces, size, Threads::Many, |rows| add_row(bias, rows));
        }
        (tensor(result, [self.groups * self.rows, self.d_out]), ())
    }

    fn backward(
        &self,
        [x, weight, _]: &[FlexTensor; 3],
        (): (),
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let Self { groups, rows, d_in, d_out } = *self;
        let mut to_x = vec![0.0; if wanted[0] { groups * rows * d_in } else { 0 }];
        let mut to_weight = vec![0.0; groups * d_in * d_out];
        let mut to_bias = vec![0.0; groups * d_out];
        for group in 0..groups {
            let gradient = &values(&gradient)[group * rows * d_out..][..rows * d_out];
            let x = &values(x)[group * rows * d_in..][..rows * d_in];
            let size = d_in * d_out;
            if wanted[0] {
                let weight = Matrix::new(&values(weight)[group * size..][..size], d_out);
                let to_x = &mut to_x[group * rows * d_in..][..rows * d_in];
                multiply(to_x, Matrix::new(gradient, d_out), weight.transposed(), Threads::Many);
            }
            let to_weight = &mut to_weight[group * size..][..size];
            let x = Matrix::new(x, d_in).transposed();
            multiply(to_weight, x, Matrix::new(gradient, d_out), Threads::Many);
            let pieces: Vec<&[f32]> = gradient.chunks(PIECE * d_out).collect();
            let sums = each(pieces, gradient.len(), Threads::Many, |rows| sum_rows(rows, d_out));
            total(sums, &mut to_bias[group * d_out..][..d_out]);
        }
        [
            wanted[0].then(|| tensor(to_x, [groups * rows, d_in])),
            Some(tensor(to_weight, [groups, d_in, d_out])),
            Some(tensor(to_bias, [groups, d_out])),
        ]
    }
}
