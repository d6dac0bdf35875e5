//! What half precision of the products changes.

use shared_model::bundle::MixedPrecision;
use shared_model::figures::{escape, signed};

use super::html::{note, table};
use super::run_folder::{Kind, RunFolder};
use crate::cross_validation::FoldSummary;

/// A network as it is, and as training saw it.
struct Compared<'a> {
    /// Of a fold; none in a run without folds.
    name: Option<String>,
    /// Macro average precision and macro ROC AUC in float32.
    float32: [f64; 2],
    mixed: &'a MixedPrecision,
}

impl<'a> Compared<'a> {
    fn of_fold(fold: &'a FoldSummary) -> Option<Self> {
        let record = &fold.record;
        Some(Self {
            name: Some(format!("{}, {}", record.key.repeat, record.key.fold)),
            float32: [fold.macro_average_precision, fold.macro_roc_auc],
            mixed: record.mixed_precision.as_ref()?,
        })
    }
}

/// The metrics of each network in float32 and in the precision of its training; none where that was the same.
pub(super) fn section(run: &RunFolder) -> Option<String> {
    let compared: Vec<Compared> = match &run.kind {
        Kind::Training(summary) => {
            let float32 = [summary.macro_average_precision, summary.macro_roc_auc];
            summary.mixed_precision.iter().map(|mixed| Compared { name: None, float32, mixed }).collect()
        }
        Kind::CrossValidation(summary) => summary.fold_metrics.iter().filter_map(Compared::of_fold).collect(),
    };
    (!compared.is_empty()).then(|| comparison(&compared))
}

fn comparison(compared: &[Compared]) -> String {
    let first = &compared[0];
    let body = note(&format!(
        "Training computed its matrix products in half precision ({}), with float32 weights. The model, its predictions \
         and every other number of this report are in float32; here the same networks are evaluated as training saw \
         them. A step is left out where a gradient overflows the half type.",
        first.mixed.precision
    ));
    let names = if first.name.is_some() { "Repeat, fold" } else { "Model" };
    let header = [
        names,
        "Macro AP",
        "Macro AP in half precision",
        "Difference",
        "Macro ROC AUC",
        "Macro ROC AUC in half precision",
        "Difference",
        "Steps left out",
    ];
    let row = |compared: &Compared| {
        let mixed = compared.mixed;
        let mut row = vec![escape(compared.name.as_deref().unwrap_or("best epoch"))];
        let halves = [mixed.macro_average_precision, mixed.macro_roc_auc];
        for (float32, half) in compared.float32.into_iter().zip(halves) {
            row.push(signed(float32, 4));
            row.push(half.map_or_else(|| "overflow".into(), |half| signed(half, 4)));
            row.push(half.map_or_else(|| "–".into(), |half| signed(half - float32, 4)));
        }
        row.push(format!("{} of {}", mixed.skipped_steps, mixed.steps));
        row
    };
    body + &table("Float32 and half precision", &header, &compared.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_half_minus_float32_and_overflow_has_none() {
        let mixed = |macro_average_precision| MixedPrecision {
            precision: "16-mixed".into(),
            macro_average_precision,
            macro_roc_auc: Some(0.75),
            steps: 90,
            skipped_steps: 4,
        };
        let [fine, overflow] = [mixed(Some(0.5)), mixed(None)];
        let compared = |mixed| Compared { name: None, float32: [0.5012, 0.7], mixed };
        let html = comparison(&[compared(&fine), compared(&overflow)]);
        for cell in
            ["16-mixed", "<td>−0.0012</td>", "<td>0.0500</td>", "<td>overflow</td>", "<td>4 of 90</td>"]
        {
            assert!(html.contains(cell), "{cell} is not in {html}");
        }
    }
}
