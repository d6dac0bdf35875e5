//! What mixed precision costs in average precision: networks trained in each precision from the same seeds.
//!
//! ```sh
//! cargo bench --locked --workspace --bench mixed_precision
//! ```
//!
//! The baseline is training in float32. On a device without half precision, as the CPU, products are rounded to it all
//! the same: their numbers mean the same there, their time does not.

#[path = "../data/chromophores.rs"]
mod chromophores;
#[path = "../report/spread.rs"]
mod spread;
#[path = "../report/table.rs"]
mod table;

use std::time::Instant;

use clap::Parser;
use serde_json::json;
use trainer::device::{self, DeviceChoice, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{Partition, TrainSettings, TrainedModel, train};

use crate::chromophores::chromophores;
use crate::spread::Spread;
use crate::table::print_table;

#[derive(Parser)]
struct Options {
    /// Networks of each precision
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Most epochs; training stops after ten without a better macro average precision
    #[arg(long, default_value_t = 40)]
    max_epochs: usize,
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let (dataset, [training, validation]) = chromophores()?;
    let partition = Partition { train: &training, validation: &validation };
    let parameters = json!({
        "mol_hidden": 64, "mol_layers": 2, "inst_hidden": 64, "inst_layers": 2, "proj_dim": 64, "attn_heads": 4,
        "mixer_hidden": 64, "mixer_layers": 2, "head_num_layers": 2, "batch_size": 64, "lr": 0.001,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema())?;
    let selected = device::select(options.device)?;
    let mut float32: Vec<f64> = Vec::new();
    let mut rows = Vec::new();
    for precision in [Precision::Float32, Precision::Float16Mixed, Precision::Bfloat16Mixed] {
        let started = Instant::now();
        let mut models: Vec<TrainedModel> = Vec::new();
        for seed in 0..options.seeds {
            let device = selected.device.clone();
            let settings =
                TrainSettings { seed, max_epochs: options.max_epochs, patience: 10, device, precision };
            models.push(train(&dataset, partition, &parameters, &settings, |_| ())?);
        }
        let epochs: usize = models.iter().map(|model| model.history.len()).sum();
        let metrics: Vec<f64> = models.iter().map(|model| model.evaluation.metrics.macro_ap()).collect();
        let of_mixed = |value: fn(&TrainedModel) -> Option<f64>| {
            let values: Vec<f64> = models.iter().filter_map(value).collect();
            if values.is_empty() { "–".into() } else { Spread::of(values).show(1.0, 4) }
        };
        if precision == Precision::Float32 {
            float32.clone_from(&metrics);
        }
        rows.push(vec![
            precision.to_string(),
            Spread::of(metrics.iter().copied()).show(1.0, 4),
            Spread::of(metrics.iter().zip(&float32).map(|(mixed, float32)| mixed - float32)).show(1.0, 4),
            of_mixed(|model| {
                let half = model.mixed_precision.as_ref()?.macro_average_precision?;
                Some(half - model.evaluation.metrics.macro_ap())
            }),
            of_mixed(|model| Some(model.mixed_precision.as_ref()?.skipped_steps as f64)),
            format!("{:.2}", started.elapsed().as_secs_f64() / epochs as f64),
            if selected.check(precision).is_ok() { "arithmetic" } else { "rounding" }.into(),
        ]);
    }
    println!("{} networks each, medians (range), on {}\n", options.seeds, selected.description);
    let header = [
        "precision",
        "macro AP",
        "minus 32-true, same seed",
        "in half minus in float32",
        "steps left out",
        "s / epoch",
        "by",
    ];
    print_table(&header, &rows);
    Ok(())
}
