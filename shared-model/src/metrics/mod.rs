//! How well predictions rank molecules, whether their probabilities hold, and how sure that is.

mod assessment;
mod calibration;
mod confusion;
mod curves;
mod ranking;
mod resampling;
mod task_predictions;

pub use assessment::{Assessing, Assessment, Curve, ENRICHMENT_FRACTIONS, HISTOGRAM_BINS, Histogram};
pub use calibration::{
    BINS, ReliabilityBin, brier_score, expected_calibration_error, reliability, wilson_interval,
};
pub use confusion::Confusion;
pub use curves::{found_shares, grid, precision_at_recalls, true_positive_rates};
pub use ranking::{CurvePoint, Ranking, Scored};
pub use resampling::{Estimate, RESAMPLES, Resampler, stream};
pub use task_predictions::{TaskPredictions, mean_of};
