//! Weights of the loss.

use super::reader::Reader;
use super::{Architecture, ParameterError};
use crate::losses::RegressionLoss;
use crate::weighting::{LossWeighting, TaskMultipliers};

/// Weights of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct LossParameters {
    /// Weights of the classification loss of each task.
    pub tasks: LossWeighting,
    /// Weight of the absorbance loss.
    pub lambda_aux_abs: f64,
    /// Weight of the fluorescence loss.
    pub lambda_aux_fluo: f64,
    /// Weight of the bitmask loss; 0 leaves the bitmask head out.
    pub lambda_aux_bitmask: f64,
    /// Criterion of the auxiliary regressions.
    pub regression: RegressionLoss,
    /// Whether label weights are multiplied by the rarity of the label combination.
    pub use_bitmask_loss_weight: bool,
    /// Exponent of that rarity.
    pub bitmask_weight_alpha: f64,
    /// Upper bound of that factor.
    pub bitmask_weight_cap: f64,
    /// Label combinations with a group of their own.
    pub bitmask_group_top_k: usize,
    /// Exponent of the group weights.
    pub bitmask_group_weight_alpha: f64,
    /// Upper bound of the group weights.
    pub bitmask_group_weight_cap: f64,
}

impl LossParameters {
    pub(super) fn read(
        r: &mut Reader,
        tasks: usize,
        architecture: Architecture,
    ) -> Result<Self, ParameterError> {
        let v2 = architecture == Architecture::V2;
        let regression = r.choice("reg_loss_type", "mse", &["mse", "smoothl1"])?;
        // Read in any case, so that a parameter that has no effect is no unknown one.
        let (floor, ceil) = (r.number("lam_floor", 0.5, 0.0, 1e6)?, r.number("lam_ceil", 1.8, 1e-6, 1e6)?);
        let power = r.number("lam_power", 0.5, 0.0, 10.0)?;
        let multipliers = if (0..tasks).any(|t| r.has(&format!("lam_t{t}"))) {
            TaskMultipliers::Given { raw: r.per_task("lam", tasks, 1.0, 1e-6, 1e6)?, floor, ceil }
        } else {
            r.know_per_task("lam", tasks);
            TaskMultipliers::PrevalencePower(power)
        };
        if floor > ceil {
            let name = "lam_floor".into();
            return Err(ParameterError::OutOfRange { name, found: floor, low: 0.0, high: ceil });
        }
        Ok(Self {
            tasks: LossWeighting {
                pos_weight_clip: r.per_task("posw_clip", tasks, 50.0, 1e-6, 1e6)?,
                gamma: r.per_task("gamma", tasks, 1.0, 0.0, 20.0)?,
                multipliers,
            },
            lambda_aux_abs: r.number("lambda_aux_abs", 0.1, 0.0, 1e3)?,
            lambda_aux_fluo: r.number("lambda_aux_fluo", 0.2, 0.0, 1e3)?,
            lambda_aux_bitmask: r.number("lambda_aux_bitmask", if v2 { 0.05 } else { 0.0 }, 0.0, 1e3)?,
            regression: serde_json::from_value(regression.into()).expect("one of the choices above"),
            use_bitmask_loss_weight: r.flag("use_bitmask_loss_weight", v2)?,
            bitmask_weight_alpha: r.number("bitmask_weight_alpha", 0.5, 0.0, 10.0)?,
            bitmask_weight_cap: r.number("bitmask_weight_cap", 3.0, 1.0, 1e6)?,
            bitmask_group_top_k: r.integer("bitmask_group_top_k", 6, 1, 1 << 16)?,
            bitmask_group_weight_alpha: r.number("bitmask_group_weight_alpha", 0.5, 0.0, 10.0)?,
            bitmask_group_weight_cap: r.number("bitmask_group_weight_cap", 5.0, 1.0, 1e6)?,
        })
    }
}
