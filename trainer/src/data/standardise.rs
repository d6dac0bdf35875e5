//! Scales of the auxiliary regression targets.

use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Targets};

/// Mean and standard deviation of each output of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardiser {
    /// Mean `[outputs]`, in the unit of the target.
    pub mean: Vec<f32>,
    /// Population standard deviation `[outputs]`, in the unit of the target; never 0.
    pub std: Vec<f32>,
}

/// The scales of both auxiliary groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetScales {
    /// The absorbance group.
    pub absorbance: Standardiser,
    /// The fluorescence group.
    pub fluorescence: Standardiser,
}

impl TargetScales {
    /// Scales of the targets that the given molecules carry, unweighted.
    pub fn fit(dataset: &Dataset, rows: &[usize]) -> Self {
        Self {
            absorbance: Standardiser::fit(dataset.absorbance(), rows),
            fluorescence: Standardiser::fit(dataset.fluorescence(), rows),
        }
    }
}

impl Standardiser {
    /// Spreads below this are those of constant targets, which are only shifted.
    const MIN_STD: f64 = 1e-6;

    /// Mean and population standard deviation of the targets that exist in the given rows; 0 and 1 for an output
    /// without any, and 1 for a spread of at most 1e-6.
    pub fn fit(targets: &Targets, rows: &[usize]) -> Self {
        let moments = |output| {
            let values: Vec<f64> =
                rows.iter().filter_map(|&row| targets.get(row, output)).map(f64::from).collect();
            if values.is_empty() {
                return (0.0, 1.0);
            }
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
            (mean as f32, if std <= Self::MIN_STD { 1.0 } else { std as f32 })
        };
        let (mean, std) = (0..targets.outputs()).map(moments).unzip();
        Self { mean, std }
    }

    /// A target in units of standard deviations from the mean.
    pub fn standardise(&self, output: usize, value: f32) -> f32 {
        (value - self.mean[output]) / self.std[output]
    }

    /// A standardised target, or prediction of one, in the unit of the target.
    pub fn restore(&self, output: usize, standardised: f32) -> f32 {
        standardised * self.std[output] + self.mean[output]
    }
}
