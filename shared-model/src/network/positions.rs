//! Where the instances of a batch are when bags are padded to the same width, and what is computed over each bag.

use std::sync::Arc;

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, Int, Tensor, TensorData, activation::softmax};

use super::cpu;

/// Score of a padded position: far below any real score, finite in every shader language.
const PADDING_SCORE: f32 = -1e30;

/// The positions of B bags, the largest of N instances, whose instances are rows.
#[derive(Debug, Clone)]
pub(super) struct Positions<B: Backend> {
    /// [B, N], true where there is no instance.
    pub padding: Tensor<B, 2, Bool>,
    /// Row of each position [B·N]; none: rows are positions.
    rows: Option<Tensor<B, 1, Int>>,
    /// The same on the host, where that is the device.
    on_host: Option<Arc<cpu::Places>>,
}

impl<B: Backend> Positions<B> {
    /// Positions with these rows, by bags of this width; none: rows are positions.
    pub fn new(padding: Vec<bool>, width: usize, rows: Option<Vec<usize>>, device: &B::Device) -> Self {
        let shape = [padding.len() / width, width];
        Self {
            padding: Tensor::from_data(TensorData::new(padding.clone(), shape), device),
            rows: rows.as_ref().map(|rows| indices(rows, device)),
            on_host: cpu::available::<B>().then(|| Arc::new(cpu::Places::new(padding, width, rows))),
        }
    }

    /// Rows are positions.
    pub fn padded(padding: Tensor<B, 2, Bool>) -> Self {
        let [_, width] = padding.dims();
        let on_host = cpu::available::<B>().then(|| {
            let padding = padding.to_data().iter::<bool>().collect();
            Arc::new(cpu::Places::new(padding, width, None))
        });
        Self { padding, rows: None, on_host }
    }

    /// The same positions for training.
    pub fn from_inner(positions: Positions<B::InnerBackend>) -> Self
    where
        B: AutodiffBackend,
    {
        Self {
            padding: Tensor::from_inner(positions.padding),
            rows: positions.rows.map(Tensor::from_inner),
            on_host: positions.on_host,
        }
    }

    /// Values of rows [R, K] at the positions [B, N, K].
    pub fn of_rows(&self, values: Tensor<B, 2>) -> Tensor<B, 3> {
        let [bags, width] = self.padding.dims();
        let [_, columns] = values.dims();
        let values = match &self.rows {
            Some(rows) => values.select(0, rows.clone()),
            None => values,
        };
        values.reshape([bags, width, columns])
    }

    /// Softmax of scores [R, C] over the instances of each bag: [B, C, N], 0 on padding.
    pub fn softmax(&self, scores: Tensor<B, 2>) -> Tensor<B, 3> {
        if let Some(places) = &self.on_host {
            return cpu::softmax(scores, places.clone());
        }
        let [bags, width] = self.padding.dims();
        let [_, columns] = scores.dims();
        let scores = self.of_rows(scores).swap_dims(1, 2);
        let padded = self.padding.clone().unsqueeze_dim::<3>(1).expand([bags, columns, width]);
        softmax(scores.mask_fill(padded, PADDING_SCORE), 2)
    }

    /// Sums [B·W, K] of rows [R, K], for the W rows of weights [B, W, N] of each bag.
    pub fn pooled(&self, weights: Tensor<B, 3>, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        if let Some(places) = &self.on_host {
            return cpu::pooled(weights, rows, places.clone());
        }
        let [bags, sums, _] = weights.dims();
        let [_, columns] = rows.dims();
        weights.matmul(self.of_rows(rows)).reshape([bags * sums, columns])
    }
}

/// Indices on a device.
pub(super) fn indices<B: Backend>(values: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i32> =
        values.iter().map(|&value| i32::try_from(value).expect("fewer rows than 2³¹")).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}
