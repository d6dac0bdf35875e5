//! Dropout and stochastic depth without stored masks: whether an element is kept is a hash of its index, so the
//! backward pass asks again.

use std::sync::Arc;

use crate::network::noise_stream;

/// Randomness of a residual block.
#[derive(Clone, Debug)]
pub(in crate::network) struct Noise {
    /// Rate of dropout inside the block.
    pub dropout: f32,
    /// Rate of dropout of its output.
    pub residual_dropout: f32,
    /// Rate of stochastic depth.
    pub drop_path: f32,
    /// Sample that each row of a group belongs to; none: every so many rows.
    pub sample_of_row: Option<Arc<Vec<usize>>>,
    /// Rows of a sample, where each has as many.
    pub rows_per_sample: usize,
    seed: [u32; 2],
}

impl Noise {
    /// Randomness that follows from the seed of this thread; rates of dropout inside the block, of dropout of its
    /// output and of stochastic depth.
    pub fn draw(rates: [f64; 3], sample_of_row: Option<Arc<Vec<usize>>>, rows_per_sample: usize) -> Self {
        let random = noise_stream::uniform();
        // 24 random bits each.
        let bits = |index: usize| (random[index] * 16_777_216.0) as u32;
        let seed = [bits(0) ^ (bits(1) << 8), bits(2) ^ (bits(3) << 8)];
        Self::new(rates, sample_of_row, rows_per_sample, seed)
    }

    pub(super) fn new(
        [dropout, residual_dropout, drop_path]: [f64; 3],
        sample_of_row: Option<Arc<Vec<usize>>>,
        rows_per_sample: usize,
        seed: [u32; 2],
    ) -> Self {
        Self {
            dropout: dropout as f32,
            residual_dropout: residual_dropout as f32,
            drop_path: drop_path as f32,
            sample_of_row,
            rows_per_sample,
            seed,
        }
    }

    /// Mask of the dropout inside the block.
    pub(super) fn inner(&self) -> Mask {
        Mask::new(self.dropout, self.seed, 0x9e37_79b9)
    }

    /// Mask of the dropout of the output.
    pub(super) fn outer(&self) -> Mask {
        Mask::new(self.residual_dropout, self.seed, 0x85eb_ca6b)
    }

    /// Factor of a row's branch: 0 where its sample is dropped.
    pub(super) fn path(&self, group: usize, row: usize) -> f32 {
        let sample = match &self.sample_of_row {
            Some(samples) => samples[row],
            None => row / self.rows_per_sample,
        };
        let index = (group as u32).wrapping_mul(0x0100_0193).wrapping_add(sample as u32);
        Mask::new(self.drop_path, self.seed, 0xc2b2_ae35).factor(index)
    }
}

/// Which elements are kept, and by what they are scaled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    keys: [u32; 2],
    /// Hashes below this are dropped.
    threshold: u32,
    scale: f32,
}

impl Mask {
    fn new(rate: f32, seed: [u32; 2], stream: u32) -> Self {
        let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
        Self { keys: [seed[0] ^ stream, seed[1]], threshold, scale: 1.0 / (1.0 - rate) }
    }

    /// A mask that keeps everything.
    pub fn none() -> Self {
        Self { keys: [0; 2], threshold: 0, scale: 1.0 }
    }

    /// Whether anything is dropped at all.
    pub fn is_none(&self) -> bool {
        self.threshold == 0
    }

    /// Factor of an element: 0 where it is dropped.
    #[inline(always)]
    pub fn factor(self, index: u32) -> f32 {
        let hash = mix(mix(index.wrapping_add(self.keys[0])) ^ self.keys[1]);
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

/// A bijective hash of 32 bits with good avalanche (the multiply–xorshift form of MurmurHash3's finaliser).
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_drop_at_their_rate_and_independently() {
        let noise = Noise::draw([0.25, 0.1, 0.0], None, 1);
        let count = 100_000;
        let inner: Vec<bool> = (0..count).map(|index| noise.inner().factor(index) == 0.0).collect();
        let outer: Vec<bool> = (0..count).map(|index| noise.outer().factor(index) == 0.0).collect();
        let share = |dropped: &[bool]| dropped.iter().filter(|&&d| d).count() as f64 / f64::from(count);
        assert!((share(&inner) - 0.25).abs() < 0.01, "{}", share(&inner));
        assert!((share(&outer) - 0.1).abs() < 0.01, "{}", share(&outer));
        let both = inner.iter().zip(&outer).filter(|(a, b)| **a && **b).count() as f64 / f64::from(count);
        assert!((both - 0.025).abs() < 0.005, "{both}");
        let neighbours = inner.windows(2).filter(|pair| pair[0] && pair[1]).count() as f64 / f64::from(count);
        assert!((neighbours - 0.0625).abs() < 0.005, "{neighbours}");
        let later = Noise::draw([0.25, 0.1, 0.0], None, 1);
        assert_ne!(later.seed, noise.seed, "every block has its own");
    }

    #[test]
    fn rows_of_a_sample_share_their_fate() {
        let noise = Noise::new([0.0, 0.0, 0.5], Some(Arc::new(vec![0, 0, 1, 1, 1, 2])), 1, [1, 2]);
        let paths: Vec<f32> = (0..6).map(|row| noise.path(0, row)).collect();
        assert_eq!([paths[0], paths[2], paths[3]], [paths[1], paths[3], paths[4]]);
        assert!(paths.iter().all(|&path| path == 0.0 || path == 2.0));
    }
}
