//! Weights of the classification loss per task: positives against negatives, the focal exponent, and the
//! task's share of the sum.

use crate::labels::LabelMatrix;

/// How the classification loss is weighted; one entry per task in each list.
#[derive(Debug, Clone, PartialEq)]
pub struct LossWeighting {
    /// Largest weight of a positive (`posw_clip_t*`).
    pub pos_weight_clip: Vec<f64>,
    /// Focal exponents (`gamma_t*`), at least 0.
    pub gamma: Vec<f64>,
    /// Where the tasks' shares come from.
    pub multipliers: TaskMultipliers,
}

/// Where the tasks' shares of the classification loss come from.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskMultipliers {
    /// From the hyper-parameters: see [`lam_from_multipliers`].
    Given {
        /// Share of each task before normalisation (`lam_t*`), above 0.
        raw: Vec<f64>,
        /// Least normalised share (`lam_floor`).
        floor: f64,
        /// Largest normalised share (`lam_ceil`).
        ceil: f64,
    },
    /// From the labels: see [`lam_from_prevalence`]. The value is the power.
    PrevalencePower(f64),
}

/// What the classification loss multiplies by; length T each.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLossWeights {
    /// Weight of a positive in the cross entropy of each task.
    pub pos_weight: Vec<f32>,
    /// Focal exponent of each task.
    pub gamma: Vec<f32>,
    /// Share of each task, of mean 1.
    pub lam: Vec<f32>,
}

/// Why a weighting cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightingError {
    /// A list of another length than the number of tasks.
    #[error("{name} has {found} values, but there are {expected} tasks")]
    Length {
        /// Which list.
        name: &'static str,
        /// Number of tasks.
        expected: usize,
        /// Length of the list.
        found: usize,
    },
    /// A value that the formula has no meaning for.
    #[error("{name} holds {value}: it must be {rule}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        rule: &'static str,
    },
}

/// The weights of the classification loss for these training labels.
///
/// # Errors
/// [`WeightingError`] for a list that does not have one value per task, and for a value out of its range.
pub fn task_loss_weights(
    labels: LabelMatrix,
    weighting: &LossWeighting,
) -> Result<TaskLossWeights, WeightingError> {
    let tasks = labels.tasks();
    let LossWeighting { pos_weight_clip, gamma, multipliers } = weighting;
    check("pos_weight_clip", pos_weight_clip, tasks, |v| v > 0.0, "above 0")?;
    check("gamma", gamma, tasks, |v| v >= 0.0 && v.is_finite(), "a number of at least 0")?;
    let lam = match multipliers {
        TaskMultipliers::Given { raw, floor, ceil } => {
            check("lam", raw, tasks, |v| v > 0.0 && v.is_finite(), "a number above 0")?;
            check("lam_floor", &[*floor], 1, |v| v >= 0.0 && v.is_finite(), "a number of at least 0")?;
            check("lam_ceil", &[*ceil], 1, |v| v > 0.0 && v >= *floor, "above 0 and not below lam_floor")?;
            lam_from_multipliers(raw, *floor, *ceil)
        }
        TaskMultipliers::PrevalencePower(power) => {
            check("the prevalence power of lam", &[*power], 1, f64::is_finite, "a finite number")?;
            lam_from_prevalence(labels, *power)
        }
    };
    let gamma = gamma.iter().map(|&exponent| exponent as f32).collect();
    Ok(TaskLossWeights { pos_weight: pos_weight(labels, pos_weight_clip), gamma, lam })
}

fn check(
    name: &'static str,
    values: &[f64],
    expected: usize,
    allowed: impl Fn(f64) -> bool,
    rule: &'static str,
) -> Result<(), WeightingError> {
    if values.len() != expected {
        return Err(WeightingError::Length { name, expected, found: values.len() });
    }
    match values.iter().find(|&&value| !allowed(value)) {
        Some(&value) => Err(WeightingError::Value { name, value, rule }),
        None => Ok(()),
    }
}

/// Weight of a positive per task, `min(negatives / max(positives, 1), clip)`.
///
/// # Panics
/// If there is not one clip per task.
pub fn pos_weight(labels: LabelMatrix, clip: &[f64]) -> Vec<f32> {
    assert_eq!(clip.len(), labels.tasks(), "one clip per task");
    let weight = |(positives, &clip): (usize, &f64)| {
        let negatives = labels.molecules() - positives;
        (negatives as f64 / positives.max(1) as f64).min(clip) as f32
    };
    labels.positives().into_iter().zip(clip).map(weight).collect()
}

/// Shares of mean 1 from raw multipliers: divided by their mean, clipped to `[floor, ceil]`, and divided by
/// the mean again.
pub fn lam_from_multipliers(raw: &[f64], floor: f64, ceil: f64) -> Vec<f32> {
    let clipped: Vec<f64> = of_mean_one(raw).into_iter().map(|share| share.max(floor).min(ceil)).collect();
    of_mean_one(&clipped).into_iter().map(|share| share as f32).collect()
}

/// Shares of mean 1 from the labels: `(1 / prevalence)^power`, divided by the mean.
///
/// A task without positives counts as one with a single positive, which keeps its share finite.
pub fn lam_from_prevalence(labels: LabelMatrix, power: f64) -> Vec<f32> {
    let molecules = labels.molecules().max(1) as f64;
    let raw: Vec<f64> = labels
        .positives()
        .into_iter()
        .map(|positives| (molecules / positives.max(1) as f64).powf(power))
        .collect();
    of_mean_one(&raw).into_iter().map(|share| share as f32).collect()
}

fn of_mean_one(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighting() -> LossWeighting {
        LossWeighting {
            pos_weight_clip: vec![5.0, 5.0],
            gamma: vec![0.0, 2.0],
            multipliers: TaskMultipliers::Given { raw: vec![1.0, 3.0], floor: 0.25, ceil: 2.0 },
        }
    }

    #[test]
    fn a_task_without_positives_keeps_finite_weights() {
        let labels = [true, false, false, false, true, false, true, false];
        let labels = LabelMatrix::new(&labels, 2);
        assert_eq!(pos_weight(labels, &[100.0, 100.0]), [1.0 / 3.0, 4.0]);
        assert_eq!(lam_from_prevalence(labels, 1.0), [0.5, 1.5]);
    }

    #[test]
    fn a_list_of_the_wrong_length_is_named() {
        let weighting = LossWeighting { gamma: vec![1.0], ..weighting() };
        assert_eq!(
            task_loss_weights(LabelMatrix::new(&[false, true], 2), &weighting),
            Err(WeightingError::Length { name: "gamma", expected: 2, found: 1 })
        );
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let labels = LabelMatrix::new(&[false, true], 2);
        let negative_gamma = LossWeighting { gamma: vec![1.0, -1.0], ..weighting() };
        assert_eq!(
            task_loss_weights(labels, &negative_gamma).unwrap_err().to_string(),
            "gamma holds -1: it must be a number of at least 0"
        );
        let multipliers = TaskMultipliers::Given { raw: vec![1.0, 1.0], floor: 1.5, ceil: 1.0 };
        let crossed = LossWeighting { multipliers, ..weighting() };
        assert!(matches!(
            task_loss_weights(labels, &crossed),
            Err(WeightingError::Value { name: "lam_ceil", .. })
        ));
    }
}
