//! The inner loop of AdamW, on slices.
//!
//! It stands here since this crate is optimised in every profile: one pass over the parameter, its gradient and both
//! moments, which the compiler turns into vector instructions.

/// One step of AdamW (Loshchilov & Hutter 2019), as PyTorch computes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay of the first and of the second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// Factor of the gradient: 1, or what gradient clipping leaves of it.
    pub gradient_scale: f64,
}

impl AdamWStep {
    /// Factor of the parameter: what weight decay leaves of it.
    pub fn decay(&self) -> f64 {
        1.0 - self.lr * self.weight_decay
    }

    /// Factor of the first moment over the root of the corrected second: the learning rate and the first bias
    /// correction.
    pub fn step_size(&self) -> f64 {
        self.lr / self.bias_correction(0)
    }

    /// Root of the second bias correction.
    pub fn second_correction(&self) -> f64 {
        self.bias_correction(1).sqrt()
    }

    fn bias_correction(&self, moment: usize) -> f64 {
        1.0 - self.betas[moment].powi(i32::try_from(self.step).unwrap_or(i32::MAX))
    }

    /// Updates a parameter and its moments in place.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn update(&self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let n = parameter.len();
        assert!(gradient.len() == n && first.len() == n && second.len() == n, "one value each per weight");
        let scale = self.gradient_scale as f32;
        let decay = self.decay() as f32;
        let [complement1, complement2] = self.betas.map(|beta| (1.0 - beta) as f32);
        let beta2 = self.betas[1] as f32;
        let step_size = self.step_size() as f32;
        let correction = self.second_correction() as f32;
        let epsilon = self.epsilon as f32;
        for (((p, g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = g * scale;
            *m += complement1 * (g - *m);
            *v = beta2 * *v + complement2 * (g * g);
            *p = *p * decay - step_size * (*m / (v.sqrt() / correction + epsilon));
        }
    }
}

/// Sum of the squares, in float64 over eight interleaved sums: the same on every machine.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_squares_count_every_value() {
        for count in [0, 1, 7, 8, 9, 100] {
            let values: Vec<f32> = (0..count).map(|i| i as f32 / 7.0).collect();
            let expected: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert!((sum_of_squares(&values) - expected).abs() <= 1e-12 * expected);
        }
    }

    #[test]
    fn steps_follow_the_definition() {
        let (lr, weight_decay, epsilon, betas) = (1e-2, 0.1, 1e-8, [0.9, 0.999]);
        let (mut p, mut m, mut v) = (vec![0.5f32, -2.0, 3.0], vec![0.0; 3], vec![0.0; 3]);
        let mut expected = [0.5f64, -2.0, 3.0];
        let (mut em, mut ev) = ([0.0f64; 3], [0.0f64; 3]);
        for step in 1..=20u64 {
            let gradient: Vec<f32> = (0..3).map(|i| (step as f32 + i as f32).sin()).collect();
            let gradient_scale = if step == 3 { 0.5 } else { 1.0 };
            let update = AdamWStep { lr, weight_decay, betas, epsilon, step, gradient_scale };
            update.update(&mut p, &gradient, &mut m, &mut v);
            for i in 0..3 {
                let g = f64::from(gradient[i]) * gradient_scale;
                em[i] = betas[0] * em[i] + (1.0 - betas[0]) * g;
                ev[i] = betas[1] * ev[i] + (1.0 - betas[1]) * g * g;
                let corrected = em[i] / (1.0 - betas[0].powi(step as i32));
                let root = (ev[i] / (1.0 - betas[1].powi(step as i32))).sqrt();
                expected[i] = expected[i] * (1.0 - lr * weight_decay) - lr * corrected / (root + epsilon);
            }
        }
        for (found, expected) in p.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} and {expected}");
        }
    }
}
