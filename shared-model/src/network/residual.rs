//! The residual block of embedders, mixer and heads: normalise, widen, gate, narrow, scale, add.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, activation::silu, backend::Backend};

use super::NetworkError;
use super::activation::activate;
use super::cpu;
use super::dense::Dense;
use super::half::{cast, float32};
use super::layer_norm::LayerNorm;
use super::noise_stream;
use super::parameters::{Init, ParameterSource};
use crate::config::Activation;

/// What stands between the two products of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeedForward {
    /// silu(first half) · second half (SwiGLU, Shazeer 2020).
    GateThenValue,
    /// silu(second half) · first half.
    ValueThenGate,
    /// An activation, without a gate.
    Activation(Activation),
}

/// Shape, regularisation and initial values of a block.
#[derive(Debug, Clone)]
pub(super) struct ResidualBlockConfig {
    pub d: usize,
    pub feed_forward: FeedForward,
    /// Dropout inside the block.
    pub dropout: f64,
    /// Dropout of its output.
    pub residual_dropout: f64,
    /// Rate of stochastic depth.
    pub drop_path: f64,
    /// Initial factor of the branch, before tanh.
    pub res_scale: f32,
    /// Initial values of the second product's weight.
    pub second: Init,
}

/// Names of the tensors of G blocks, one each.
#[derive(Debug, Clone)]
pub(super) struct ResidualBlockNames {
    pub norm: Vec<String>,
    pub first: Vec<String>,
    pub second: Vec<String>,
    pub res_scale: Vec<String>,
}

/// G pre-norm residual blocks of one shape, each for its own rows.
#[derive(Module, Debug)]
pub(super) struct ResidualBlock<B: Backend> {
    norm: LayerNorm<B>,
    first: Dense<B>,
    second: Dense<B>,
    res_scale: Param<Tensor<B, 1>>,
    dropout: f64,
    residual_dropout: f64,
    drop_path: f64,
    #[module(skip)]
    feed_forward: FeedForward,
}

/// Which rows belong to the same sample, and so share their fate in stochastic depth.
#[derive(Debug, Clone)]
pub(super) enum Samples<B: Backend> {
    /// Samples of so many rows each, one after the other.
    Of(usize),
    /// Number of samples, and the sample of each row.
    Rows(usize, Tensor<B, 1, Int>, Arc<Vec<usize>>),
}

impl ResidualBlockConfig {
    /// Builds the blocks from the tensors of these names.
    pub fn build<B: Backend>(
        &self,
        names: &ResidualBlockNames,
        source: &mut ParameterSource<B>,
    ) -> Result<ResidualBlock<B>, NetworkError> {
        let (d, inner) = (self.d, inner_width(self.d));
        let (width, first) = match self.feed_forward {
            FeedForward::GateThenValue => (2 * inner, Init::GateThenValue),
            FeedForward::ValueThenGate => (2 * inner, Init::ValueThenGate),
            FeedForward::Activation(_) => (inner, Init::Kaiming),
        };
        Ok(ResidualBlock {
            norm: source.layer_norm(&names.norm, d)?,
            first: source.dense(&names.first, d, width, first)?,
            second: source.dense(&names.second, inner, d, self.second)?,
            res_scale: source.scalars(&names.res_scale, self.res_scale)?,
            dropout: self.dropout,
            residual_dropout: self.residual_dropout,
            drop_path: self.drop_path,
            feed_forward: self.feed_forward,
        })
    }
}

impl<B: Backend> ResidualBlock<B> {
    /// [G·R, D], group after group, to the same; the rows of each group belong to the same samples.
    pub fn forward(&self, x: Tensor<B, 2>, samples: &Samples<B>) -> Tensor<B, 2> {
        let training = B::ad_enabled(&x.device());
        let scale = self.res_scale.val().tanh();
        let gate_first = match self.feed_forward {
            FeedForward::GateThenValue => Some(true),
            FeedForward::ValueThenGate => Some(false),
            FeedForward::Activation(_) => None,
        };
        match (gate_first, &self.first.bias, &self.second.bias) {
            (Some(gate_first), Some(bias1), Some(bias2)) if self.first.is_fused() => {
                let block = cpu::GatedBlock {
                    gamma: self.norm.gamma.val(),
                    beta: self.norm.beta.val(),
                    weight1: self.first.weight.val(),
                    bias1: bias1.val(),
                    weight2: self.second.weight.val(),
                    bias2: bias2.val(),
                    scale,
                    gate_first,
                };
                cpu::gated_block(x, block, training.then(|| self.noise(samples)))
            }
            _ => self.composed(x, scale, samples, training),
        }
    }

    fn noise(&self, samples: &Samples<B>) -> cpu::Noise {
        let (rows, each) = match samples {
            Samples::Of(rows) => (None, *rows),
            Samples::Rows(_, _, rows) => (Some(rows.clone()), 1),
        };
        cpu::Noise::draw([self.dropout, self.residual_dropout, self.drop_path], rows, each)
    }

    /// The block as Burn's operations. What stands between the products is as wide as nothing else in the network, so
    /// a gate computes in their type; activations, of several operations that each round, do not.
    fn composed(
        &self,
        x: Tensor<B, 2>,
        scale: Tensor<B, 1>,
        samples: &Samples<B>,
        training: bool,
    ) -> Tensor<B, 2> {
        let h = self.first.in_type_of_weights(self.norm.forward(x.clone()));
        let halves = |h: Tensor<B, 2>| -> [Tensor<B, 2>; 2] { h.chunk(2, 1).try_into().expect("two halves") };
        let h = match self.feed_forward {
            FeedForward::GateThenValue => {
                let [gate, value] = halves(h);
                silu(gate) * value
            }
            FeedForward::ValueThenGate => {
                let [value, gate] = halves(h);
                silu(gate) * value
            }
            FeedForward::Activation(activation) => activate(float32(h), activation),
        };
        let h = self.second.forward(dropout(h, self.dropout, training));
        let h = dropout(h, self.residual_dropout, training);
        let [groups] = scale.dims();
        let [count, d] = h.dims();
        let scaled = h.reshape([groups, count / groups, d]) * scale.reshape([groups, 1, 1]);
        let rate = if training { self.drop_path } else { 0.0 };
        x + drop_path(scaled, rate, samples).reshape([count, d])
    }
}

/// Drops elements with probability `rate` in training, and scales the others by 1 / (1 - rate).
pub(super) fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    rate: f64,
    training: bool,
) -> Tensor<B, D> {
    if rate == 0.0 || !training {
        return x;
    }
    let keep = 1.0 - rate;
    let kept = noise_stream::kept::<B, D>(x.dims(), keep, &x.device()) / keep;
    let kept = cast(kept, x.dtype());
    x * kept
}

/// Inner width of a feed-forward layer on width `d`: ceil(max(4, 2·d) / 64) · 64.
pub(super) fn inner_width(d: usize) -> usize {
    (2 * d).max(4).div_ceil(64) * 64
}

/// Drop-path rate of block `index` of `count`, rising linearly from 0 to `rate`.
pub(super) fn drop_path_rate(rate: f64, index: usize, count: usize) -> f64 {
    if count == 1 { 0.0 } else { rate * index as f64 / (count - 1) as f64 }
}

/// Stochastic depth (Huang et al. 2016): the whole branch of a sample is dropped with probability `rate`, and what is
/// kept is scaled by 1 / (1 - rate). The branch is [G, R, D]; each group has its own luck.
fn drop_path<B: Backend>(branch: Tensor<B, 3>, rate: f64, samples: &Samples<B>) -> Tensor<B, 3> {
    if rate == 0.0 {
        return branch;
    }
    let [groups, rows, width] = branch.dims();
    let keep = 1.0 - rate;
    let kept = |count: usize| noise_stream::kept::<B, 3>([groups, count, 1], keep, &branch.device()) / keep;
    match samples {
        Samples::Of(each) => {
            let count = rows / each;
            let kept = kept(count).unsqueeze_dim::<4>(2);
            (branch.clone().reshape([groups, count, *each, width]) * kept).reshape([groups, rows, width])
        }
        Samples::Rows(count, of_row, _) => branch.clone() * kept(*count).select(1, of_row.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type B = burn::backend::Flex;

    #[test]
    fn inner_widths_are_multiples_of_64() {
        assert_eq!([1, 32, 40, 128].map(inner_width), [64, 64, 128, 256]);
    }

    #[test]
    fn drop_path_rises_from_zero() {
        assert_eq!(drop_path_rate(0.05, 0, 1), 0.0);
        assert_eq!([0, 1, 2].map(|i| drop_path_rate(0.1, i, 3)), [0.0, 0.05, 0.1]);
    }

    #[test]
    fn drop_path_drops_whole_samples_and_keeps_the_mean() {
        // 4,000 samples of 3 rows.
        let branch = Tensor::<B, 3>::ones([1, 12_000, 2], &Default::default());
        let of_row: Vec<usize> = (0..12_000).map(|row| row / 3).collect();
        let indices: Vec<i32> = of_row.iter().map(|&sample| sample as i32).collect();
        let indices = Tensor::<B, 1, Int>::from_ints(indices.as_slice(), &Default::default());
        for samples in [Samples::Of(3), Samples::Rows(4000, indices, Arc::new(of_row))] {
            let dropped = drop_path(branch.clone(), 0.25, &samples);
            let dropped: Vec<f32> = dropped.into_data().to_vec().expect("float32");
            for sample in dropped.chunks_exact(6) {
                assert!(sample.iter().all(|value| *value == sample[0]), "rows of a sample share their fate");
                assert!(sample[0] == 0.0 || (sample[0] - 4.0 / 3.0).abs() < 1e-6);
            }
            let mean = dropped.iter().sum::<f32>() / dropped.len() as f32;
            assert!((mean - 1.0).abs() < 0.05, "{mean}");
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_is_off_outside_of_training() {
        let ones = Tensor::<B, 1>::ones([10_000], &Default::default());
        let values = |x: Tensor<B, 1>| x.into_data().to_vec::<f32>().expect("float32");
        assert!(values(dropout(ones.clone(), 0.5, false)).iter().all(|value| *value == 1.0));
        let dropped = values(dropout(ones, 0.5, true));
        assert!(dropped.iter().all(|value| *value == 0.0 || *value == 2.0));
        let mean = dropped.iter().sum::<f32>() / dropped.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }
}
