//! Losses of an epoch on the CPU and on a GPU: the same numbers up to rounding, in float32 and in every half precision
//! that the GPU has.
//!
//! ```sh
//! cargo bench --locked --workspace --bench device_agreement
//! ```
//!
//! The baseline is the CPU, which rounds products to half precision. A driver that emulates a GPU counts; it is slow.

#[path = "../data/chromophores.rs"]
mod chromophores;
#[path = "../report/table.rs"]
mod table;

use std::time::Instant;

use serde_json::json;
use trainer::data::Dataset;
use trainer::device::{self, Device, DeviceChoice, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{EpochRecord, LossValues, Partition, TrainSettings, TrainedModel, train};

use crate::chromophores::chromophores;
use crate::table::print_table;

/// Largest relative difference of a loss.
const TOLERANCE: f64 = 1e-3;
/// The same with products in half precision, of 8 or 11 significant bits.
const HALF_TOLERANCE: f64 = 5e-3;

fn main() -> anyhow::Result<()> {
    let gpu = match device::select("wgpu".parse::<DeviceChoice>().map_err(anyhow::Error::msg)?) {
        Ok(gpu) => gpu,
        Err(error) => {
            println!("nothing to compare with the CPU: {error}");
            return Ok(());
        }
    };
    let (dataset, [training, validation]) = chromophores()?;
    let partition = Partition { train: &training, validation: &validation };
    println!("{}; differences are relative to the CPU\n", gpu.description);
    for (precision, tolerance) in [
        (Precision::Float32, TOLERANCE),
        (Precision::Float16Mixed, HALF_TOLERANCE),
        (Precision::Bfloat16Mixed, HALF_TOLERANCE),
    ] {
        if let Err(error) = gpu.check(precision) {
            println!("{error}");
            continue;
        }
        let [cpu, other] = [&Device::Cpu, &gpu.device].map(|device| {
            let started = Instant::now();
            let trained = first_epoch(&dataset, partition, device, precision);
            (trained, started.elapsed().as_secs_f64())
        });
        let numbers = [&cpu, &other].map(|(trained, _)| numbers(&trained.history[0]));
        let mut worst = 0.0f64;
        let rows = numbers[0].iter().zip(&numbers[1]).map(|((name, cpu), (_, gpu))| {
            let difference = (cpu - gpu).abs() / cpu.abs().max(1e-3);
            // Of the metric a tolerance says nothing: molecules that change places move it in jumps.
            if name.ends_with("loss") {
                worst = worst.max(difference);
            }
            vec![name.clone(), format!("{cpu:.6}"), format!("{gpu:.6}"), format!("{difference:.1e}")]
        });
        let rows: Vec<_> = rows.collect();
        print_table(&[&format!("{precision}, after an epoch"), "CPU", "wgpu", "difference"], &rows);
        let skipped = |trained: &TrainedModel| {
            trained.mixed_precision.as_ref().map_or(String::new(), |mixed| {
                format!(", {} of {} steps left out", mixed.skipped_steps, mixed.steps)
            })
        };
        println!("CPU: {:.1} s{}; wgpu: {:.1} s{}\n", cpu.1, skipped(&cpu.0), other.1, skipped(&other.0));
        anyhow::ensure!(
            worst <= tolerance,
            "{precision}: a loss differs by {worst:.1e}, more than {tolerance:.0e}"
        );
    }
    Ok(())
}

/// Trains for an epoch without dropout, from the same weights with the same batches on every device.
fn first_epoch(
    dataset: &Dataset,
    partition: Partition,
    device: &Device,
    precision: Precision,
) -> TrainedModel {
    let parameters = json!({
        "mol_hidden": 64, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": 64, "inst_layers": 1,
        "inst_dropout": 0.0, "proj_dim": 64, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 64,
        "mixer_layers": 1, "mixer_dropout": 0.0, "head_num_layers": 1, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "residual_dropout": 0.0, "drop_path": 0.0, "batch_size": 64, "lr": 0.01,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let settings = TrainSettings { seed: 0, max_epochs: 1, patience: 1, device: device.clone(), precision };
    train(dataset, partition, &parameters, &settings, |_| ()).expect("an epoch of training")
}

/// Losses and mean average precision of an epoch by name.
fn numbers(record: &EpochRecord) -> Vec<(String, f64)> {
    let named = |part: &str, losses: &LossValues| -> Vec<(String, f64)> {
        let whole = [
            ("whole", losses.total),
            ("classification", losses.classification),
            ("absorbance", losses.absorbance),
            ("fluorescence", losses.fluorescence),
            ("bitmask", losses.bitmask),
        ];
        whole.iter().map(|(name, value)| (format!("{part}, {name} loss"), f64::from(*value))).collect()
    };
    let mut numbers =
        [named("training", &record.train_losses), named("validation", &record.validation_losses)].concat();
    numbers.push(("validation, macro average precision".into(), record.metrics.macro_ap()));
    numbers
}
