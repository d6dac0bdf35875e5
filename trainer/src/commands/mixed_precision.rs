//! What a summary says of half precision.

use shared_model::bundle::MixedPrecision;

/// The best epoch as training saw it beside its macro average precision in float32, in a sentence.
pub(super) fn sentence(mixed: &MixedPrecision, float32: f64) -> String {
    let half = match mixed.macro_average_precision {
        Some(half) => format!("macro average precision {half:.4} ({:+.4})", half - float32),
        None => "overflow".into(),
    };
    let skipped = match mixed.skipped_steps {
        0 => String::new(),
        skipped => format!("; {skipped} of {} steps were left out for overflow", mixed.steps),
    };
    format!("with products in half precision as in training, {}: {half}{skipped}", mixed.precision)
}
