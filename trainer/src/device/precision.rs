//! Floating-point arithmetic of training.

use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;

/// What training computes in (Micikevicius et al., "Mixed precision training", ICLR 2018). Mixed: matrix products and
/// the gates between them in a 16-bit type; weights, optimiser, normalisation, attention, losses, metrics and sums in
/// float32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Everything in float32.
    #[default]
    Float32,
    /// Products in float16, with a scaled loss.
    Float16Mixed,
    /// Products in bfloat16.
    Bfloat16Mixed,
}

impl Precision {
    /// The names that are known, each of which [`from_str`](FromStr::from_str) reads.
    pub const NAMES: [&str; 3] = ["32-true", "16-mixed", "bf16-mixed"];

    /// The type of the products; none: float32.
    pub fn half(self) -> Option<FloatDType> {
        match self {
            Self::Float32 => None,
            Self::Float16Mixed => Some(FloatDType::F16),
            Self::Bfloat16Mixed => Some(FloatDType::BF16),
        }
    }

    /// Whether gradients are so small in the type of the products that the loss is scaled up.
    pub fn scales_loss(self) -> bool {
        self == Self::Float16Mixed
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "32-true" | "32" => Ok(Self::Float32),
            "16-mixed" | "16" => Ok(Self::Float16Mixed),
            "bf16-mixed" | "bf16" => Ok(Self::Bfloat16Mixed),
            _ => Err(format!("unknown precision \"{name}\"; known are: {}", Self::NAMES.join(", "))),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [float32, float16, bfloat16] = Self::NAMES;
        f.pad(match self {
            Self::Float32 => float32,
            Self::Float16Mixed => float16,
            Self::Bfloat16Mixed => bfloat16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_short_ones_are_known() {
        for name in Precision::NAMES {
            let precision: Precision = name.parse().expect("known");
            assert_eq!(precision.to_string(), name);
            let short = name.split_once('-').expect("a long name").0;
            assert_eq!(short.parse(), Ok(precision));
        }
        let error = "64-true".parse::<Precision>().expect_err("unknown");
        assert!(error.contains("64-true") && error.contains("bf16-mixed"), "{error}");
    }
}
