//! The training objective: focal classification loss, masked regression losses, bitmask cross entropy.
//!
//! All losses are means that ignore what carries no weight; a batch's tensors come from [`Targets`].

mod bitmask;
mod focal;
mod regression;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use serde::{Deserialize, Serialize};
use shared_model::network::NetworkOutput;

use self::bitmask::bitmask_cross_entropy;
use self::focal::focal_loss;
use self::regression::regression_loss;

/// Criterion of the auxiliary regression losses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegressionLoss {
    /// Squared error.
    #[default]
    Mse,
    /// Huber loss with threshold 1 (PyTorch's `SmoothL1Loss`).
    SmoothL1,
}

/// Weights of the objective, on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveWeights {
    /// Weight of each task's positives in the cross entropy, T.
    pub pos_weight: Vec<f32>,
    /// Focal exponent of each task, T.
    pub gamma: Vec<f32>,
    /// Weight of each task's loss, T.
    pub lam: Vec<f32>,
    /// Weight of the absorbance loss.
    pub lambda_aux_abs: f64,
    /// Weight of the fluorescence loss.
    pub lambda_aux_fluo: f64,
    /// Weight of the bitmask loss.
    pub lambda_aux_bitmask: f64,
    /// Criterion of the auxiliary regressions.
    pub regression: RegressionLoss,
}

/// The objective on a device.
#[derive(Debug, Clone)]
pub struct Objective<B: Backend> {
    pos_weight: Tensor<B, 2>,
    gamma: Tensor<B, 2>,
    lam: Tensor<B, 1>,
    weights: ObjectiveWeights,
}

/// Targets of a batch on a device.
#[derive(Debug, Clone)]
pub struct Targets<B: Backend> {
    /// Labels, 0 or 1 [B, T].
    pub labels: Tensor<B, 2>,
    /// Their weights [B, T].
    pub label_weights: Tensor<B, 2>,
    /// Standardised absorbance targets, if the schema has any.
    pub absorbance: Option<RegressionTargets<B>>,
    /// Standardised fluorescence targets, if the schema has any.
    pub fluorescence: Option<RegressionTargets<B>>,
    /// Class weight of each molecule's bitmask group at that group's place, 0 elsewhere [B, K + 1].
    pub bitmask: Option<Tensor<B, 2>>,
}

/// Regression targets of a batch on a device.
#[derive(Debug, Clone)]
pub struct RegressionTargets<B: Backend> {
    /// Standardised targets [B, K]; a missing one holds any finite number.
    pub values: Tensor<B, 2>,
    /// Their weights [B, K], 0 where the target is missing.
    pub weights: Tensor<B, 2>,
}

/// The losses of a batch, on the device.
#[derive(Debug, Clone)]
pub struct Losses<B: Backend> {
    /// What training minimises `[1]`.
    pub total: Tensor<B, 1>,
    /// Mean over tasks of lam · focal loss `[1]`.
    pub classification: Tensor<B, 1>,
    /// Focal loss of each task `[T]`.
    pub per_task: Tensor<B, 1>,
    /// Mean over absorbance outputs `[1]`.
    pub absorbance: Tensor<B, 1>,
    /// Mean over fluorescence outputs `[1]`.
    pub fluorescence: Tensor<B, 1>,
    /// Bitmask cross entropy `[1]`.
    pub bitmask: Tensor<B, 1>,
}

impl<B: Backend> Losses<B> {
    /// All losses in one vector [T + 5]: total, classification, absorbance, fluorescence, bitmask, per task.
    pub fn to_vector(&self) -> Tensor<B, 1> {
        Tensor::cat(
            vec![
                self.total.clone(),
                self.classification.clone(),
                self.absorbance.clone(),
                self.fluorescence.clone(),
                self.bitmask.clone(),
                self.per_task.clone(),
            ],
            0,
        )
    }
}

impl<B: Backend> Objective<B> {
    /// Puts the weights of the objective on a device.
    pub fn new(weights: ObjectiveWeights, device: &B::Device) -> Self {
        let row =
            |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device);
        Self {
            pos_weight: row(&weights.pos_weight),
            gamma: row(&weights.gamma),
            lam: row(&weights.lam).flatten(0, 1),
            weights,
        }
    }

    /// The losses of a batch.
    pub fn losses(&self, output: &NetworkOutput<B>, targets: &Targets<B>) -> Losses<B> {
        let zero = || Tensor::zeros([1], &output.logits.device());
        let regression = |predicted: &Option<Tensor<B, 2>>, targets: &Option<RegressionTargets<B>>| match (
            predicted, targets,
        ) {
            (Some(predicted), Some(targets)) => {
                regression_loss(self.weights.regression, predicted.clone(), targets)
            }
            _ => zero(),
        };
        let per_task = focal_loss(
            output.logits.clone(),
            targets.labels.clone(),
            targets.label_weights.clone(),
            self.pos_weight.clone(),
            self.gamma.clone(),
        );
        let classification = (per_task.clone() * self.lam.clone()).mean();
        let absorbance = regression(&output.absorbance, &targets.absorbance);
        let fluorescence = regression(&output.fluorescence, &targets.fluorescence);
        let bitmask = match (&output.bitmask, &targets.bitmask) {
            (Some(logits), Some(weights)) => bitmask_cross_entropy(logits.clone(), weights.clone()),
            _ => zero(),
        };
        let total = classification.clone()
            + absorbance.clone() * self.weights.lambda_aux_abs
            + fluorescence.clone() * self.weights.lambda_aux_fluo
            + bitmask.clone() * self.weights.lambda_aux_bitmask;
        Losses { total, classification, per_task, absorbance, fluorescence, bitmask }
    }
}
