//! Dynamic scaling of the loss for float16, whose smallest number is 6e-8: smaller gradients would vanish.

use serde::{Deserialize, Serialize};

/// The scale of the loss, a power of two that follows the gradients (PyTorch's `torch.amp.GradScaler` with its
/// defaults): it begins at 2¹⁶, is halved, and the step left out, whenever a gradient is infinite or NaN, and doubled
/// after 2000 steps without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossScaler {
    /// Binary logarithm of the scale.
    exponent: i32,
    /// Steps made since the scale last changed.
    steps_since: u32,
    /// Steps left out so far.
    skipped: u64,
}

impl Default for LossScaler {
    fn default() -> Self {
        Self { exponent: 16, steps_since: 0, skipped: 0 }
    }
}

impl LossScaler {
    /// Steps without overflow after which the scale grows.
    const GROWTH_INTERVAL: u32 = 2000;
    /// Scales beyond these are no finite, positive float32.
    const EXPONENTS: (i32, i32) = (-126, 127);

    /// What the loss is multiplied by, and so the gradients.
    pub fn scale(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    /// Steps left out so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes in how the gradients of a step came out; tells whether the step is to be made.
    pub fn accepts(&mut self, finite: bool) -> bool {
        if finite {
            self.steps_since += 1;
            if self.steps_since == Self::GROWTH_INTERVAL {
                self.change(1);
            }
        } else {
            self.skipped += 1;
            self.change(-1);
        }
        finite
    }

    fn change(&mut self, by: i32) {
        self.exponent = (self.exponent + by).clamp(Self::EXPONENTS.0, Self::EXPONENTS.1);
        self.steps_since = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_halves_on_overflow_and_doubles_after_two_thousand_steps() {
        let mut scaler = LossScaler::default();
        assert_eq!(scaler.scale(), 65_536.0);
        for _ in 0..1999 {
            assert!(scaler.accepts(true));
        }
        assert_eq!(scaler.scale(), 65_536.0);
        assert!(!scaler.accepts(false), "the step is left out");
        assert_eq!((scaler.scale(), scaler.skipped()), (32_768.0, 1));
        // Counting starts anew.
        (0..1999).for_each(|_| assert!(scaler.accepts(true)));
        assert_eq!(scaler.scale(), 32_768.0);
        assert!(scaler.accepts(true));
        assert_eq!((scaler.scale(), scaler.skipped()), (65_536.0, 1));
    }

    #[test]
    fn the_scale_stays_a_positive_float32_and_survives_text() {
        let mut scaler = LossScaler::default();
        (0..1000).for_each(|_| assert!(!scaler.accepts(false)));
        assert!((scaler.scale() as f32).is_normal());
        scaler.exponent = 127;
        (0..2000).for_each(|_| assert!(scaler.accepts(true)));
        assert!((scaler.scale() as f32).is_finite());
        let text = serde_json::to_string(&scaler).expect("plain values");
        assert_eq!(serde_json::from_str::<LossScaler>(&text).expect("written the line before"), scaler);
    }
}
