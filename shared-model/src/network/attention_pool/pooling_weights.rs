//! From the attention map to the weights by which instances are pooled.
//!
//! Every way of pooling is a matrix of weights, one row per task and one column per instance. Which weights are
//! the largest is found by comparing all pairs: sorting and top-k would read back from the device, which cannot
//! be done synchronously in a browser.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};

use crate::config::TopKStrategy;

/// The instances of the bags, and whether padding passes for instances.
pub(super) struct Instances<B: Backend> {
    /// [B, N], true where there is no instance.
    pub padding: Tensor<B, 2, Bool>,
    /// Whether those positions count too.
    pub count_padding: bool,
}

impl<B: Backend> Instances<B> {
    /// [B, T, N], true on padding.
    fn padded(&self, tasks: usize) -> Tensor<B, 3, Bool> {
        let [bags, width] = self.padding.dims();
        self.padding.clone().unsqueeze_dim::<3>(1).expand([bags, tasks, width])
    }
}

/// The mean over the instances of each bag: [B, 1, N].
pub(super) fn mean<B: Backend>(all: &Instances<B>, device: &B::Device) -> Tensor<B, 3> {
    let padded = all.padded(1);
    let counted = Tensor::ones(padded.dims(), device);
    let counted = if all.count_padding { counted } else { counted.mask_fill(padded, 0.0) };
    counted.clone() / counted.sum_dim(2)
}

/// Removes the weights of a map [B, T, N] below a threshold and scales the others to sum to 1; where none is
/// left, the instance with the largest weight has all of it.
pub(super) fn prune<B: Backend>(map: Tensor<B, 3>, threshold: f64, all: &Instances<B>) -> Tensor<B, 3> {
    let small = map.clone().lower_elem(threshold);
    let largest = one_hot_at_largest(map.clone(), all);
    let kept = map.mask_fill(small, 0.0);
    let total = kept.clone().sum_dim(2);
    let none_left = total.clone().lower_equal_elem(0.0).expand(kept.dims());
    (kept / total.clamp_min(1e-8)).mask_where(none_left, largest)
}

/// Weights of the `k` instances of each bag and task with the largest weights in the map [B, T, N].
///
/// A bag of no more than `k` instances is pooled by its map, whatever the strategy.
pub(super) fn top_k<B: Backend>(
    map: Tensor<B, 3>,
    k: usize,
    strategy: TopKStrategy,
    all: &Instances<B>,
) -> Tensor<B, 3> {
    let [bags, tasks, width] = map.dims();
    if k >= width {
        return map;
    }
    let chosen = ranks(map.clone(), all).lower_elem(k as i64);
    let weights = match strategy {
        _ if k == 1 => indicator(chosen, &map),
        TopKStrategy::Argmax => one_hot_at_largest(map.clone(), all),
        TopKStrategy::Mean => indicator(chosen, &map) / k as f64,
        TopKStrategy::Sum => indicator(chosen, &map),
        TopKStrategy::Renorm => {
            let kept = map.clone().mask_fill(chosen.bool_not(), 0.0);
            let total = kept.clone().sum_dim(2).clamp_min(1e-8);
            kept / total
        }
    };
    if all.count_padding {
        return weights;
    }
    let instances = all.padding.clone().bool_not().int().sum_dim(1);
    let few = instances.lower_equal_elem(k as i64).unsqueeze_dim::<3>(1).expand([bags, tasks, width]);
    weights.mask_where(few, map)
}

/// 1 at the largest weight of an instance, 0 elsewhere.
fn one_hot_at_largest<B: Backend>(map: Tensor<B, 3>, all: &Instances<B>) -> Tensor<B, 3> {
    let instances = Instances { padding: all.padding.clone(), count_padding: false };
    indicator(ranks(map.clone(), &instances).equal_elem(0), &map)
}

/// 1 where true and 0 elsewhere, of the same kind as `like`: booleans converted to numbers have lost whether they
/// belong to tensors that can track gradients, and cannot be combined with these.
fn indicator<B: Backend>(mask: Tensor<B, 3, Bool>, like: &Tensor<B, 3>) -> Tensor<B, 3> {
    like.zeros_like().mask_fill(mask, 1.0)
}

/// Rank of each weight [B, T, N] in its row: 0 for the largest, the lower index first among equals. Padding comes
/// last, unless it counts.
fn ranks<B: Backend>(map: Tensor<B, 3>, all: &Instances<B>) -> Tensor<B, 3, Int> {
    let [bags, tasks, width] = map.dims();
    let pairs = [bags, tasks, width, width];
    let map = map.detach();
    let map = if all.count_padding { map } else { map.mask_fill(all.padded(tasks), -1.0) };
    let this = map.clone().unsqueeze_dim::<4>(3).expand(pairs);
    let other = map.unsqueeze_dim::<4>(2).expand(pairs);
    let index = Tensor::<B, 1, Int>::arange(0..width as i64, &this.device());
    let this_index = index.clone().reshape([width, 1]).expand([width, width]);
    let other_index = index.reshape([1, width]).expand([width, width]);
    let earlier = other_index.lower(this_index).unsqueeze::<4>().expand(pairs);
    let ahead = other.clone().greater(this.clone()).bool_or(other.equal(this).bool_and(earlier));
    ahead.int().sum_dim(3).reshape([bags, tasks, width])
}
