//! What a search of parameters maximises.

use super::ParameterError;
use super::reader::Reader;

/// What a search maximises: the mean over the folds of `(1 - min_w)·macro AP + min_w·min AP`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectiveParameters {
    /// Weight of the worst task in a fold's score.
    pub min_w: f64,
}

impl ObjectiveParameters {
    pub(super) fn read(r: &mut Reader) -> Result<Self, ParameterError> {
        r.choice("objective_mode", "macro_plus_min", &["macro_plus_min"])?;
        Ok(Self { min_w: r.number("min_w", 0.3, 0.0, 1.0)? })
    }
}
