//! Attention over the instances of bags, which lie in rows one after the other: nothing is padded but the weights.

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};
use burn_flex::FlexTensor;

use super::elementwise::{pool_backward, pool_forward, softmax_rows, weights_backward};
use super::matrix::Threads;
use super::operation::{Operation, apply, from_primitive, primitive, tensor, values};
use super::rows::{PIECE, each};

/// Where the instances of bags are that are padded to N positions.
#[derive(Debug)]
pub(in crate::network) struct Places {
    width: usize,
    /// Row of each position [B·N].
    rows: Vec<usize>,
    /// Whether there is no instance [B·N].
    padding: Vec<bool>,
}

impl Places {
    /// Positions without a row are rows themselves.
    pub fn new(padding: Vec<bool>, width: usize, rows: Option<Vec<usize>>) -> Self {
        let rows = rows.unwrap_or_else(|| (0..padding.len()).collect());
        assert_eq!(rows.len(), padding.len(), "a row for each position");
        Self { width, rows, padding }
    }

    fn bags(&self) -> usize {
        self.rows.len() / self.width
    }

    /// The rows of a bag's positions.
    fn rows_of(&self, bag: usize) -> &[usize] {
        &self.rows[bag * self.width..][..self.width]
    }

    /// The positions of a bag's instances.
    fn instances(&self, bag: usize) -> impl Iterator<Item = usize> {
        let padding = &self.padding[bag * self.width..][..self.width];
        padding.iter().enumerate().filter_map(|(position, padded)| (!padded).then_some(position))
    }
}

/// Softmax of scores [R, C] over the instances of each bag: [B, C, N], 0 on padding.
pub(in crate::network) fn softmax<B: Backend>(scores: Tensor<B, 2>, places: Arc<Places>) -> Tensor<B, 3> {
    let [rows, columns] = scores.dims();
    from_primitive(apply::<B, _, 1>(Softmax { places, rows, columns }, [primitive(scores)]))
}

/// Sums [B·W, K] of rows [R, K], for the W rows of weights [B, W, N] of each bag.
pub(in crate::network) fn pooled<B: Backend>(
    weights: Tensor<B, 3>,
    rows: Tensor<B, 2>,
    places: Arc<Places>,
) -> Tensor<B, 2> {
    let [_, sums, _] = weights.dims();
    let [count, columns] = rows.dims();
    let operation = Pooled { places, sums, rows: count, columns };
    from_primitive(apply::<B, _, 2>(operation, [primitive(weights), primitive(rows)]))
}

#[derive(Clone, Debug)]
struct Softmax {
    places: Arc<Places>,
    rows: usize,
    columns: usize,
}

impl Operation<1> for Softmax {
    /// The result.
    type Saved = FlexTensor;

    fn forward(&self, [scores]: &[FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let Self { places, columns, .. } = self;
        let (width, scores) = (places.width, values(scores));
        let of_bag = columns * width;
        let mut result = vec![0.0; places.bags() * of_bag];
        let (size, pieces) = (result.len(), result.chunks_mut(PIECE * of_bag).enumerate().collect());
        each(pieces, size, Threads::Many, |(piece, result): (usize, &mut [f32])| {
            let mut weights = vec![0.0; of_bag];
            for (bag, result) in result.chunks_mut(of_bag).enumerate() {
                let bag = piece * PIECE + bag;
                let rows: Vec<usize> =
                    places.instances(bag).map(|position| places.rows_of(bag)[position]).collect();
                softmax_rows(scores, &rows, *columns, &mut weights);
                for (position, weights) in places.instances(bag).zip(weights.chunks_exact(*columns)) {
                    for (column, &weight) in weights.iter().enumerate() {
                        result[column * width + position] = weight;
                    }
                }
            }
        });
        let result = tensor(result, [places.bags(), *columns, width]);
        (result.clone(), result)
    }

    fn backward(
        &self,
        _: &[FlexTensor; 1],
        weights: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let Self { places, rows, columns } = self;
        let width = places.width;
        let mut to_scores = vec![0.0; rows * columns];
        let by_bag = columns * width;
        let bags = values(&weights).chunks_exact(by_bag).zip(values(&gradient).chunks_exact(by_bag));
        for (bag, (weights, gradient)) in bags.enumerate() {
            let columns_of_bag = weights.chunks_exact(width).zip(gradient.chunks_exact(width));
            for (column, (weights, gradient)) in columns_of_bag.enumerate() {
                let mean: f32 =
                    weights.iter().zip(gradient).map(|(weight, gradient)| weight * gradient).sum();
                for position in places.instances(bag) {
                    to_scores[places.rows_of(bag)[position] * columns + column] +=
                        weights[position] * (gradient[position] - mean);
                }
            }
        }
        [Some(tensor(to_scores, [*rows, *columns]))]
    }
}

#[derive(Clone, Debug)]
struct Pooled {
    places: Arc<Places>,
    /// Sums of each bag, W.
    sums: usize,
    rows: usize,
    columns: usize,
}

impl Operation<2> for Pooled {
    type Saved = ();

    fn forward(&self, [weights, rows]: &[FlexTensor; 2]) -> (FlexTensor, ()) {
        let Self { places, sums, columns, .. } = self;
        let (of_bag, weights_of_bag) = (sums * columns, sums * places.width);
        let mut result = vec![0.0; places.bags() * of_bag];
        let pieces = result.chunks_mut(PIECE * of_bag).zip(values(weights).chunks(PIECE * weights_of_bag));
        let (size, pieces) = (places.bags() * of_bag, pieces.enumerate().collect());
        each(pieces, size, Threads::Many, |(piece, (result, weights)): (usize, (&mut [f32], &[f32]))| {
            let bags = result.chunks_mut(of_bag).zip(weights.chunks(weights_of_bag));
            for (bag, (result, weights)) in bags.enumerate() {
                pool_forward(weights, values(rows), places.rows_of(piece * PIECE + bag), result);
            }
        });
        (tensor(result, [places.bags() * sums, *columns]), ())
    }

    fn backward(
        &self,
        [weights, rows]: &[FlexTensor; 2],
        (): (),
        gradient: FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let Self { places, sums, rows: count, columns } = self;
        let (of_bag, weights_of_bag) = (sums * columns, sums * places.width);
        let gradient = values(&gradient);
        let to_weights = wanted[0].then(|| {
            let mut result = vec![0.0; places.bags() * weights_of_bag];
            let pieces = result.chunks_mut(PIECE * weights_of_bag).zip(gradient.chunks(PIECE * of_bag));
            let pieces = pieces.enumerate().collect();
            each(
                pieces,
                gradient.len(),
                Threads::Many,
                |(piece, (to, gradient)): (usize, (&mut [f32], &[f32]))| {
                    let bags = to.chunks_mut(weights_of_bag).zip(gradient.chunks(of_bag));
                    for (bag, (to, gradient)) in bags.enumerate() {
                        weights_backward(
                            gradient,
                            values(rows),
                            places.rows_of(piece * PIECE + bag),
                            *columns,
                            to,
                        );
                    }
                },
            );
            tensor(result, [places.bags(), *sums, places.width])
        });
        let to_rows = wanted[1].then(|| {
            let mut result = vec![0.0; count * columns];
            let bags = values(weights).chunks(weights_of_bag).zip(gradient.chunks(of_bag));
            for (bag, (weights, gradient)) in bags.enumerate() {
                pool_backward(weights, gradient, places.rows_of(bag), *columns, &mut result);
            }
            tensor(result, [*count, *columns])
        });
        [to_weights, to_rows]
    }
}
