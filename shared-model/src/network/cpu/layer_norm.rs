//! Layer normalisation (Ba et al. 2016).

use burn::tensor::{Tensor, backend::Backend};
use burn_flex::FlexTensor;

use super::elementwise::{norm_backward, norm_forward};
use super::matrix::Threads;
use super::operation::{Operation, apply, from_primitive, primitive, tensor, values};
use super::rows::{PIECE, each, total};

/// Normalises the rows [G·R, D] of G groups, each by its own gamma and beta [G, D].
pub(in crate::network) fn layer_norm<B: Backend>(
    x: Tensor<B, 2>,
    gamma: Tensor<B, 2>,
    beta: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let [rows, width] = x.dims();
    let [groups, _] = gamma.dims();
    let operation = LayerNorm { groups, rows: rows / groups, width };
    from_primitive(apply::<B, _, 3>(operation, [primitive(x), primitive(gamma), primitive(beta)]))
}

#[derive(Clone, Debug)]
struct LayerNorm {
    groups: usize,
    /// Rows of a group.
    rows: usize,
    width: usize,
}

impl Operation<3> for LayerNorm {
    /// Mean and 1 / standard deviation of each row.
    type Saved = Vec<f32>;

    fn forward(&self, [x, gamma, beta]: &[FlexTensor; 3]) -> (FlexTensor, Vec<f32>) {
        let mut result = vec![0.0; self.groups * self.rows * self.width];
        let mut statistics = vec![0.0; 2 * self.groups * self.rows];
        for group in 0..self.groups {
            let part = |width: usize| group * self.rows * width..(group + 1) * self.rows * width;
            let row = group * self.width..(group + 1) * self.width;
            normalise(
                &values(gamma)[row.clone()],
                &values(beta)[row],
                &values(x)[part(self.width)],
                &mut result[part(self.width)],
                &mut statistics[part(2)],
                Threads::Many,
            );
        }
        (tensor(result, [self.groups * self.rows, self.width]), statistics)
    }

    fn backward(
        &self,
        [x, gamma, _]: &[FlexTensor; 3],
        statistics: Vec<f32>,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let mut result = vec![0.0; self.groups * self.rows * self.width];
        let (mut gammas, mut betas) = (Vec::new(), Vec::new());
        for group in 0..self.groups {
            let part = |width: usize| group * self.rows * width..(group + 1) * self.rows * width;
            let sums = normalise_backward(
                &values(gamma)[group * self.width..(group + 1) * self.width],
                &values(x)[part(self.width)],
                &statistics[part(2)],
                &values(&gradient)[part(self.width)],
                &mut result[part(self.width)],
                Threads::Many,
            );
            gammas.extend_from_slice(&sums[..self.width]);
            betas.extend_from_slice(&sums[self.width..]);
        }
        let shape = [self.groups, self.width];
        let result = tensor(result, [self.groups * self.rows, self.width]);
        [Some(result), Some(tensor(gammas, shape)), Some(tensor(betas, shape))]
    }
}

/// Normalises the rows of a group.
pub(super) fn normalise(
    gamma: &[f32],
    beta: &[f32],
    x: &[f32],
    result: &mut [f32],
    statistics: &mut [f32],
    threads: Threads,
) {
    let piece = PIECE * gamma.len();
    let parts = x.chunks(piece).zip(result.chunks_mut(piece)).zip(statistics.chunks_mut(2 * PIECE));
    each(parts.collect(), x.len(), threads, |((x, result), statistics)| {
        norm_forward(gamma, beta, x, result, statistics);
    });
}

/// Adds the gradient of x to `result`, and returns those of gamma and beta, one after the other.
pub(super) fn normalise_backward(
    gamma: &[f32],
    x: &[f32],
    statistics: &[f32],
    gradient: &[f32],
    result: &mut [f32],
    threads: Threads,
) -> Vec<f32> {
    let piece = PIECE * gamma.len();
    let inputs = x.chunks(piece).zip(statistics.chunks(2 * PIECE)).zip(gradient.chunks(piece));
    let parts = inputs.zip(result.chunks_mut(piece)).collect();
    let sums = each(parts, x.len(), threads, |(((x, statistics), gradient), result)| {
        norm_backward(gamma, x, statistics, gradient, result)
    });
    let mut both = vec![0.0; 2 * gamma.len()];
    total(sums, &mut both);
    both
}
