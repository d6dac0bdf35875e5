//! What residual blocks share: gated feed-forward width, scaled residual branches, stochastic depth.

use burn::tensor::{Distribution, Tensor, backend::Backend};

/// Inner width of a gated feed-forward layer on width `d`: ceil(max(4, 2·d) / 64) · 64.
pub(super) fn inner_width(d: usize) -> usize {
    (2 * d).max(4).div_ceil(64) * 64
}

/// Drop-path rate of block `index` of `count`, rising linearly from 0 to `rate`.
pub(super) fn drop_path_rate(rate: f64, index: usize, count: usize) -> f64 {
    if count == 1 { 0.0 } else { rate * index as f64 / (count - 1) as f64 }
}

/// Stochastic depth (Huang et al. 2016): in training the whole branch of a sample is dropped with probability
/// `rate`, and what is kept is scaled by 1 / (1 - rate).
///
/// `branch` is [S·k, D]: `samples` samples of k rows each, which share their fate.
pub(super) fn drop_path<B: Backend>(branch: Tensor<B, 2>, rate: f64, samples: usize) -> Tensor<B, 2> {
    let device = branch.device();
    if rate == 0.0 || !B::ad_enabled(&device) {
        return branch;
    }
    let [rows, width] = branch.dims();
    let keep = 1.0 - rate;
    let kept = Tensor::<B, 3>::random([samples, 1, 1], Distribution::Bernoulli(keep), &device) / keep;
    (branch.reshape([samples, rows / samples, width]) * kept).reshape([rows, width])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        type B = burn::backend::Autodiff<burn::backend::Flex>;
        let device = Default::default();
        // 4,000 samples of 3 rows.
        let branch = Tensor::<B, 2>::ones([12_000, 2], &device);
        let dropped: Vec<f32> = drop_path(branch, 0.25, 4000).into_data().to_vec().expect("float32");
        for sample in dropped.chunks_exact(6) {
            assert!(sample.iter().all(|value| *value == sample[0]), "rows of a sample share their fate");
            assert!(sample[0] == 0.0 || (sample[0] - 4.0 / 3.0).abs() < 1e-6);
        }
        let mean = dropped.iter().sum::<f32>() / dropped.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }

    #[test]
    fn nothing_is_dropped_without_gradients() {
        let branch = Tensor::<burn::backend::Flex, 2>::ones([64, 2], &Default::default());
        let kept: Vec<f32> = drop_path(branch, 0.9, 64).into_data().to_vec().expect("float32");
        assert!(kept.iter().all(|value| *value == 1.0));
    }
}
