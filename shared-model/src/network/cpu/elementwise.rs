//! The inner loops of the fused layers, over whole rows.
//!
//! They are compiled twice on x86-64, for every machine and for one with AVX2, and add up in sixteen lanes either way,
//! so that both give the same bits.

use super::noise::Mask;

/// Defines a function that is compiled for wide vectors too, and picks at run time.
macro_rules! vectorised {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        pub(super) fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn portable($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the function is safe but for its need of AVX2, which was just found.
                    #[allow(unsafe_code)]
                    return unsafe { wide($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    };
}

const LANES: usize = 16;

/// Sum of a function of the index, in sixteen lanes.
#[inline(always)]
fn sum(length: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = length / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest: f32 = (whole..length).map(&term).sum();
    lanes.iter().sum::<f32>() + rest
}

/// exp to about one unit in the last place, for |x| within what float32 can hold; larger ones are clamped.
///
/// Cody–Waite reduction to |r| ≤ ln 2 / 2 and a polynomial of degree six; no branch, so that loops vectorise.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5 · 2²³ rounds to an integer, which the low bits of the sum then hold.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(exponent)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// A gated feed-forward layer between its two products.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    /// Bias of the first product, gate and value side by side [2·I].
    pub bias: &'a [f32],
    /// Whether the gate is the first half, and the value the second.
    pub first: bool,
    /// Which results are dropped.
    pub mask: Mask,
}

impl Gate<'_> {
    /// Width of the layer, I.
    fn width(&self) -> usize {
        self.bias.len() / 2
    }

    /// Gate and value of a row of 2·I.
    #[inline(always)]
    fn halves<'b>(&self, row: &'b [f32]) -> (&'b [f32], &'b [f32]) {
        let (first, second) = row.split_at(self.width());
        if self.first { (first, second) } else { (second, first) }
    }
}

vectorised! {
    /// silu(gate) · value, masked: rows z [R, 2·I] without bias to `result` [R, I]. `index` is that of the first
    /// result in the mask.
    fn gate_forward(gate: Gate, z: &[f32], index: u32, result: &mut [f32]) {
        let width = gate.width();
        let (gate_bias, value_bias) = gate.halves(gate.bias);
        for (row, (z, result)) in z.chunks_exact(2 * width).zip(result.chunks_exact_mut(width)).enumerate() {
            let (g, v) = gate.halves(z);
            let (g, v, gate_bias, value_bias) = (&g[..width], &v[..width], &gate_bias[..width], &value_bias[..width]);
            for i in 0..width {
                let g = g[i] + gate_bias[i];
                result[i] = g * sigmoid(g) * (v[i] + value_bias[i]);
            }
            if !gate.mask.is_none() {
                let index = index.wrapping_add((row * width) as u32);
                for (i, result) in result.iter_mut().enumerate() {
                    *result *= gate.mask.factor(index.wrapping_add(i as u32));
                }
            }
        }
    }
}

vectorised! {
    /// Backward pass of [`gate_forward`]: given the gradient of its result [R, I], which is masked in place, replaces
    /// z [R, 2·I] by its gradient, and returns that of the bias [2·I].
    fn gate_backward(gate: Gate, z: &mut [f32], index: u32, gradient: &mut [f32]) -> Vec<f32> {
        let width = gate.width();
        let (gate_bias, value_bias) = gate.halves(gate.bias);
        let mut sums = vec![0.0f32; 2 * width];
        for (row, (z, gradient)) in z.chunks_exact_mut(2 * width).zip(gradient.chunks_exact_mut(width)).enumerate() {
            if !gate.mask.is_none() {
                let index = index.wrapping_add((row * width) as u32);
                for (i, gradient) in gradient.iter_mut().enumerate() {
                    *gradient *= gate.mask.factor(index.wrapping_add(i as u32));
                }
            }
            let (first, second) = z.split_at_mut(width);
            let (g, v) = if gate.first { (first, second) } else { (second, first) };
            let (g, v, gate_bias, value_bias, gradient) =
                (&mut g[..width], &mut v[..width], &gate_bias[..width], &value_bias[..width], &gradient[..width]);
            for i in 0..width {
                let (biased, value) = (g[i] + gate_bias[i], v[i] + value_bias[i]);
                let share = sigmoid(biased);
                let silu = biased * share;
                g[i] = gradient[i] * value * (share + silu * (1.0 - share));
                v[i] = gradient[i] * silu;
            }
            for (sum, z) in sums.iter_mut().zip(z.iter()) {
                *sum += *z;
            }
        }
        sums
    }
}

/// The end of a residual block: y = x + scale · path · mask(branch + bias).
#[derive(Clone, Copy)]
pub(super) struct Branch<'a> {
    /// Bias of the second product `[D]`.
    pub bias: &'a [f32],
    /// Which elements are dropped.
    pub mask: Mask,
    /// Factor of each row, 0 where its sample is dropped `[R]`.
    pub path: &'a [f32],
    /// Factor of the branch.
    pub scale: f32,
}

impl Branch<'_> {
    /// Factors of an element but for the scale.
    #[inline(always)]
    fn kept(&self, row: usize, index: u32) -> f32 {
        if self.mask.is_none() { self.path[row] } else { self.path[row] * self.mask.factor(index) }
    }
}

vectorised! {
    /// Adds the branch [R, D], given without its bias and left with bias and masks, to x [R, D].
    fn branch_forward(end: Branch, branch: &mut [f32], x: &[f32], index: u32, y: &mut [f32]) {
        let width = end.bias.len();
        let rows = branch.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(y.chunks_exact_mut(width));
        for (row, ((branch, x), y)) in rows.enumerate() {
            let index = index.wrapping_add((row * width) as u32);
            let (branch, x, y, bias) = (&mut branch[..width], &x[..width], &mut y[..width], &end.bias[..width]);
            for i in 0..width {
                branch[i] = (branch[i] + bias[i]) * end.kept(row, index.wrapping_add(i as u32));
                y[i] = x[i] + end.scale * branch[i];
            }
        }
    }
}

vectorised! {
    /// Backward pass of [`branch_forward`]: replaces the branch [R, D] by its gradient, and returns the gradients of
    /// the bias `[D]` and of the scale.
    fn branch_backward(end: Branch, branch: &mut [f32], index: u32, gradient: &[f32]) -> (Vec<f32>, f32) {
        let width = end.bias.len();
        let mut sums = vec![0.0f32; width];
        let mut scale = 0.0;
        for (row, (branch, gradient)) in branch.chunks_exact_mut(width).zip(gradient.chunks_exact(width)).enumerate() {
            let index = index.wrapping_add((row * width) as u32);
            let (branch, gradient, sums) = (&mut branch[..width], &gradient[..width], &mut sums[..width]);
            scale += sum(width, |i| branch[i] * gradient[i]);
            for i in 0..width {
                branch[i] = end.scale * gradient[i] * end.kept(row, index.wrapping_add(i as u32));
                sums[i] += branch[i];
            }
        }
        (sums, scale)
    }
}

/// Added to the variance in a layer normalisation.
pub(super) const EPSILON: f32 = 1e-5;

vectorised! {
    /// Layer normalisation of the rows x [R, D]: the result, and mean and 1 / standard deviation of each row [R, 2].
    fn norm_forward(gamma: &[f32], beta: &[f32], x: &[f32], result: &mut [f32], statistics: &mut [f32]) {
        let width = gamma.len();
        let rows = x.chunks_exact(width).zip(result.chunks_exact_mut(width)).zip(statistics.chunks_exact_mut(2));
        for ((x, result), statistics) in rows {
            let (x, result, gamma, beta) = (&x[..width], &mut result[..width], &gamma[..width], &beta[..width]);
            let mean = sum(width, |i| x[i]) / width as f32;
            let variance = sum(width, |i| (x[i] - mean) * (x[i] - mean)) / width as f32;
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            for i in 0..width {
                result[i] = (x[i] - mean) * inverse * gamma[i] + beta[i];
            }
            statistics.copy_from_slice(&[mean, inverse]);
        }
    }
}

vectorised! {
    /// Backward pass of [`norm_forward`]: adds to `result` [R, D] the gradient of x, given that of the normalised
    /// rows, and returns those of gamma and beta, one after the other [2·D].
    fn norm_backward(gamma: &[f32], x: &[f32], statistics: &[f32], gradient: &[f32], result: &mut [f32]) -> Vec<f32> {
        let width = gamma.len();
        let mut sums = vec![0.0f32; 2 * width];
        let (gamma_sums, beta_sums) = sums.split_at_mut(width);
        let (gamma_sums, beta_sums) = (&mut gamma_sums[..width], &mut beta_sums[..width]);
        let inputs = x.chunks_exact(width).zip(statistics.chunks_exact(2));
        let rows = inputs.zip(gradient.chunks_exact(width)).zip(result.chunks_exact_mut(width));
        for (((x, statistics), gradient), result) in rows {
            let (x, gradient, result, gamma) = (&x[..width], &gradient[..width], &mut result[..width], &gamma[..width]);
            let (mean, inverse) = (statistics[0], statistics[1]);
            let first = sum(width, |i| gradient[i] * gamma[i]) / width as f32;
            let second = sum(width, |i| gradient[i] * gamma[i] * (x[i] - mean)) * inverse / width as f32;
            for i in 0..width {
                let normalised = (x[i] - mean) * inverse;
                gamma_sums[i] += gradient[i] * normalised;
                beta_sums[i] += gradient[i];
                result[i] += inverse * (gradient[i] * gamma[i] - first - normalised * second);
            }
        }
        sums
    }
}

vectorised! {
    /// Adds a row to each of the rows.
    fn add_row(row: &[f32], rows: &mut [f32]) {
        for values in rows.chunks_exact_mut(row.len()) {
            for (value, added) in values.iter_mut().zip(row) {
                *value += added;
            }
        }
    }
}

vectorised! {
    /// Sum of rows of that width.
    fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
        let mut sums = vec![0.0f32; width];
        for row in rows.chunks_exact(width) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sums
    }
}

vectorised! {
    /// Softmax over so many rows of scores, column by column: weights of the rows, one after the other.
    fn softmax_rows(scores: &[f32], rows: &[usize], columns: usize, weights: &mut [f32]) {
        let Some((&first, others)) = rows.split_first() else { return };
        let row = |row: usize| &scores[row * columns..][..columns];
        let mut largest = row(first).to_vec();
        for &other in others {
            largest.iter_mut().zip(row(other)).for_each(|(largest, &score)| *largest = largest.max(score));
        }
        let mut totals = vec![0.0; columns];
        for (weights, &of) in weights.chunks_exact_mut(columns).zip(rows) {
            let columns = weights.iter_mut().zip(row(of)).zip(&largest).zip(&mut totals);
            for (((weight, &score), &largest), total) in columns {
                *weight = exp(score - largest);
                *total += *weight;
            }
        }
        for weights in weights.chunks_exact_mut(columns).take(rows.len()) {
            weights.iter_mut().zip(&totals).for_each(|(weight, &total)| *weight /= total);
        }
    }
}

vectorised! {
    /// Sums of the rows of one bag, one for each row of weights; positions of no weight are passed over.
    fn pool_forward(weights: &[f32], rows: &[f32], places: &[usize], sums: &mut [f32]) {
        let columns = sums.len() / (weights.len() / places.len());
        for (sum, weights) in sums.chunks_exact_mut(columns).zip(weights.chunks_exact(places.len())) {
            for (&weight, &place) in weights.iter().zip(places).filter(|(weight, _)| **weight != 0.0) {
                let row = &rows[place * columns..][..columns];
                sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * value);
            }
        }
    }
}

vectorised! {
    /// Adds the gradients of the rows of one bag to those of all.
    fn pool_backward(weights: &[f32], gradient: &[f32], places: &[usize], columns: usize, to_rows: &mut [f32]) {
        for (weights, gradient) in weights.chunks_exact(places.len()).zip(gradient.chunks_exact(columns)) {
            for (&weight, &place) in weights.iter().zip(places).filter(|(weight, _)| **weight != 0.0) {
                let row = &mut to_rows[place * columns..][..columns];
                row.iter_mut().zip(gradient).for_each(|(to, &gradient)| *to += weight * gradient);
            }
        }
    }
}

vectorised! {
    /// The gradients of the weights of one bag.
    fn weights_backward(gradient: &[f32], rows: &[f32], places: &[usize], columns: usize, to_weights: &mut [f32]) {
        let sums = gradient.chunks_exact(columns);
        for (to_weights, gradient) in to_weights.chunks_exact_mut(places.len()).zip(sums) {
            for (to_weight, &place) in to_weights.iter_mut().zip(places) {
                let row = &rows[place * columns..][..columns];
                *to_weight = sum(columns, |at| gradient[at] * row[at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_float32() {
        for step in -860..=860 {
            let x = step as f32 * 0.1;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "exp({x}): {found}, expected {expected}");
        }
        assert!(exp(1000.0).is_finite() && exp(-1000.0) < 1e-37);
        assert!(exp(f32::NAN).is_nan(), "a NaN must be seen, not hidden");
    }

    #[test]
    fn sums_take_every_term() {
        for length in [0, 1, 15, 16, 17, 100] {
            assert_eq!(sum(length, |i| i as f32), (0..length).sum::<usize>() as f32);
        }
    }
}
