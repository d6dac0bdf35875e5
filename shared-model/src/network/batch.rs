//! Batches of bags on a device, padded or ragged, and the store that they are gathered from.
//!
//! Bags differ in size. What works instance by instance runs on the instances alone, bag after bag; only the attention
//! needs every bag at the same width. So a ragged batch holds each instance once, and the row of each padded position.

use std::sync::Arc;

use burn::tensor::{
    Bool, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use super::cpu;
use super::positions::{Positions, indices};
use super::residual::Samples;
use crate::bags::Bags;

/// A batch of B bags on a device, the largest of N instances.
#[derive(Debug, Clone)]
pub struct BagBatch<B: Backend> {
    /// Features of the molecules [B, F2], or of the one molecule [1, F2] that all bags are of.
    pub(super) x2d: Tensor<B, 2>,
    /// Features of the instances [R, F3].
    pub(super) x3d: Tensor<B, 2>,
    pub(super) positions: Positions<B>,
    pub(super) samples: Samples<B>,
}

impl<B: Backend> BagBatch<B> {
    /// A batch of padded bags: features of molecules [B, F2] and instances [B, N, F3], and which of these are padding
    /// [B, N]. Padding may hold any finite numbers.
    pub fn padded(x2d: Tensor<B, 2>, x3d: Tensor<B, 3>, padding: Tensor<B, 2, Bool>) -> Self {
        let [bags, width, features] = x3d.dims();
        Self {
            x2d,
            x3d: x3d.reshape([bags * width, features]),
            positions: Positions::padded(padding),
            samples: Samples::Of(width),
        }
    }

    /// The same batch for training: its features track no gradients.
    pub fn from_inner(batch: BagBatch<B::InnerBackend>) -> Self
    where
        B: AutodiffBackend,
    {
        let BagBatch { x2d, x3d, positions, samples } = batch;
        Self {
            x2d: Tensor::from_inner(x2d),
            x3d: Tensor::from_inner(x3d),
            positions: Positions::from_inner(positions),
            samples: match samples {
                Samples::Of(rows) => Samples::Of(rows),
                Samples::Rows(count, of_row, on_host) => {
                    Samples::Rows(count, Tensor::from_inner(of_row), on_host)
                }
            },
        }
    }

    /// Number of bags, B.
    pub fn len(&self) -> usize {
        self.positions.padding.dims()[0]
    }

    /// Whether there is no bag.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bags a batch of `members` bags is padded to, if that is `size` where shapes are to be few: a GPU compiles
    /// its programs anew for each. The CPU does not, and computes what is asked for.
    pub(crate) fn padded_size(size: usize, members: usize) -> usize {
        if cpu::available::<B>() { members } else { size }
    }

    /// Copies bags to a device, padded to [`Self::padded_size`] bags of `width` positions.
    pub(crate) fn pad(bags: &Bags, members: &[usize], size: usize, width: usize, device: &B::Device) -> Self {
        if cpu::available::<B>() {
            return BagStore::new(bags, device).batch_of_width(members, width);
        }
        let (f2, f3) = (bags.x2d().columns(), bags.x3d().columns());
        let mut x2d = vec![0.0; size * f2];
        let mut x3d = vec![0.0; size * width * f3];
        let mut padding = vec![true; size * width];
        for (slot, &molecule) in members.iter().enumerate() {
            x2d[slot * f2..][..f2].copy_from_slice(bags.x2d().row(molecule));
            let instances = bags.instances(molecule);
            let count = instances.len();
            let rows = &bags.x3d().data()[instances.start * f3..instances.end * f3];
            x3d[slot * width * f3..][..count * f3].copy_from_slice(rows);
            padding[slot * width..][..count].fill(false);
        }
        Self::padded(
            Tensor::from_data(TensorData::new(x2d, [size, f2]), device),
            Tensor::from_data(TensorData::new(x3d, [size, width, f3]), device),
            Tensor::from_data(TensorData::new(padding, [size, width]), device),
        )
    }
}

impl<B: Backend> BagBatch<B> {
    /// Copies one bag to a device, and makes a batch of subsets of its instances (given by their positions in the bag),
    /// padded to [`Self::padded_size`] bags of `width` positions. The features are there once, however many subsets there are; bags
    /// that are left over repeat the first subset.
    ///
    /// # Panics
    /// Without a subset, with one that is larger than `width`, or with instances that the bag does not have.
    pub(crate) fn subsets(
        bags: &Bags,
        molecule: usize,
        subsets: &[&[usize]],
        size: usize,
        width: usize,
        device: &B::Device,
    ) -> Self {
        let (f2, f3) = (bags.x2d().columns(), bags.x3d().columns());
        let size = Self::padded_size(size, subsets.len());
        let instances = bags.instances(molecule);
        // Behind the instances come zeros, as in any padded bag: some models look at them (`count_padding`).
        let rows = instances.len().next_power_of_two() + 1;
        let mut x3d = bags.x3d().data()[instances.start * f3..instances.end * f3].to_vec();
        x3d.resize(rows * f3, 0.0);
        let mut padding = vec![true; size * width];
        let mut positions = vec![rows - 1; size * width];
        let subsets = subsets.iter().chain(std::iter::repeat(&subsets[0])).take(size);
        for (bag, subset) in subsets.enumerate() {
            let start = bag * width;
            padding[start..start + width][..subset.len()].fill(false);
            for (position, &instance) in
                positions[start..start + width][..subset.len()].iter_mut().zip(*subset)
            {
                assert!(instance < instances.len(), "an instance of the bag");
                *position = instance;
            }
        }
        let tensor = |values, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            x2d: tensor(bags.x2d().row(molecule).to_vec(), [1, f2]),
            x3d: tensor(x3d, [rows, f3]),
            positions: Positions::new(padding, width, Some(positions), device),
            samples: Samples::Of(rows),
        }
    }
}

/// The bags that batches are gathered from: where the device has memory of its own, they are copied there once.
#[derive(Debug, Clone)]
pub struct BagStore<'a, B: Backend> {
    bags: &'a Bags,
    device: B::Device,
    /// 2D features, and 3D features with a row of zeros behind the last.
    resident: Option<(Tensor<B, 2>, Tensor<B, 2>)>,
}

impl<'a, B: Backend> BagStore<'a, B> {
    /// Largest matrix that is kept on a device, in bytes; larger ones stay on the host, and batches are copied.
    const LARGEST_RESIDENT: usize = 1 << 30;

    /// A store of these bags for a device.
    pub fn new(bags: &'a Bags, device: &B::Device) -> Self {
        let (x2d, x3d) = (bags.x2d(), bags.x3d());
        let largest = x2d.data().len().max(x3d.data().len()) * size_of::<f32>();
        let resident = (!cpu::available::<B>() && largest <= Self::LARGEST_RESIDENT).then(|| {
            let mut rows = x3d.data().to_vec();
            rows.resize(rows.len() + x3d.columns(), 0.0);
            (
                Tensor::from_data(TensorData::new(x2d.data().to_vec(), [x2d.rows(), x2d.columns()]), device),
                Tensor::from_data(TensorData::new(rows, [x3d.rows() + 1, x3d.columns()]), device),
            )
        });
        Self { bags, device: device.clone(), resident }
    }

    /// A batch of molecules with all their instances.
    ///
    /// # Panics
    /// Without a molecule, or with one that the bags do not have.
    pub fn batch(&self, molecules: &[usize]) -> BagBatch<B> {
        self.batch_of_width(molecules, 1)
    }

    /// The same, as wide as this if that is more than the largest bag.
    fn batch_of_width(&self, molecules: &[usize], width: usize) -> BagBatch<B> {
        let sizes: Vec<usize> =
            molecules.iter().map(|&molecule| self.bags.instances(molecule).len()).collect();
        let rows: Vec<usize> = molecules.iter().flat_map(|&molecule| self.bags.instances(molecule)).collect();
        self.gather(molecules, &rows, &sizes, width)
    }

    /// A batch of molecules with some of their instances each, given as rows of the instance matrix.
    ///
    /// # Panics
    /// If not every molecule has an instance.
    pub fn batch_of(&self, molecules: &[usize], instances: &[Vec<usize>]) -> BagBatch<B> {
        assert_eq!(molecules.len(), instances.len(), "instances of every molecule");
        let sizes: Vec<usize> = instances.iter().map(Vec::len).collect();
        self.gather(molecules, &instances.concat(), &sizes, 1)
    }

    /// A batch of at least this width.
    fn gather(&self, molecules: &[usize], rows: &[usize], sizes: &[usize], width: usize) -> BagBatch<B> {
        assert!(!sizes.is_empty() && !sizes.contains(&0), "a batch has molecules, and each has an instance");
        let width = sizes.iter().copied().fold(width, usize::max);
        let is_ragged = sizes.iter().any(|&size| size != width);
        let (x2d, x3d) = match &self.resident {
            Some((x2d, x3d)) => {
                let zeros = self.bags.x3d().rows();
                let rows: Vec<usize> = rows.iter().copied().chain(is_ragged.then_some(zeros)).collect();
                (
                    x2d.clone().select(0, indices(molecules, &self.device)),
                    x3d.clone().select(0, indices(&rows, &self.device)),
                )
            }
            None => {
                (self.copy(self.bags.x2d(), molecules, 0), self.copy(self.bags.x3d(), rows, is_ragged.into()))
            }
        };
        let mut padding = vec![true; sizes.len() * width];
        let mut positions = vec![rows.len(); if is_ragged { padding.len() } else { 0 }];
        let mut bag_of_row = Vec::with_capacity(rows.len() + 1);
        for (bag, &size) in sizes.iter().enumerate() {
            padding[bag * width..][..size].fill(false);
            if is_ragged {
                for (position, row) in positions[bag * width..][..size].iter_mut().zip(bag_of_row.len()..) {
                    *position = row;
                }
            }
            bag_of_row.resize(bag_of_row.len() + size, bag);
        }
        let samples = if is_ragged {
            bag_of_row.push(0);
            Samples::Rows(sizes.len(), indices(&bag_of_row, &self.device), Arc::new(bag_of_row))
        } else {
            Samples::Of(width)
        };
        let rows = is_ragged.then_some(positions);
        BagBatch { x2d, x3d, positions: Positions::new(padding, width, rows, &self.device), samples }
    }

    /// Rows of a matrix, copied from the host, with `zeros` rows of zeros behind them.
    fn copy(&self, matrix: &crate::bags::Matrix, rows: &[usize], zeros: usize) -> Tensor<B, 2> {
        let columns = matrix.columns();
        let mut values = Vec::with_capacity((rows.len() + zeros) * columns);
        for &row in rows {
            values.extend_from_slice(matrix.row(row));
        }
        values.resize((rows.len() + zeros) * columns, 0.0);
        Tensor::from_data(TensorData::new(values, [rows.len() + zeros, columns]), &self.device)
    }
}
