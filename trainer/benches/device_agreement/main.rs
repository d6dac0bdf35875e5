//! Losses of an epoch on the CPU and on a GPU: the same numbers, up to rounding.
//!
//! ```sh
//! cargo bench --locked --workspace --exclude explorer --bench device_agreement
//! ```
//!
//! The baseline is the CPU. A driver that emulates a GPU counts; it is slow.

#[path = "../report/table.rs"]
mod table;

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use trainer::data::{self, Dataset, Labels, Splits, TRAIN_SPLIT, Tables};
use trainer::device::{self, Device, DeviceChoice};
use trainer::parameters::RunParameters;
use trainer::training::{EpochRecord, LossValues, Partition, TrainSettings, train};

use crate::table::print_table;

/// Largest relative difference of a loss.
const TOLERANCE: f32 = 1e-3;

fn main() -> anyhow::Result<()> {
    let gpu = match device::select("wgpu".parse::<DeviceChoice>().map_err(anyhow::Error::msg)?) {
        Ok(gpu) => gpu,
        Err(error) => {
            println!("nothing to compare with the CPU: {error}");
            return Ok(());
        }
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/chromophores");
    let tables = Tables {
        labels: Some(folder.join("labels.csv")),
        feat2d: Some(folder.join("feat2d_scaled.csv.gz")),
        feat3d: folder.join("feat3d_scaled.csv.gz"),
        feat3d_qm: Some(folder.join("feat3d_qm_scaled.csv.gz")),
    };
    let schema = data::read_schema(&folder.join("schema.toml"))?;
    let splits = Splits::named([TRAIN_SPLIT, "leaderboard"]);
    let dataset = data::load(&tables, &schema, &splits, Labels::Required)?;
    let (training, validation) = (dataset.split_rows(TRAIN_SPLIT)?, dataset.split_rows("leaderboard")?);
    let partition = Partition { train: &training, validation: &validation };
    let run = |device: &Device| {
        let started = Instant::now();
        (losses(&first_epoch(&dataset, partition, device)), started.elapsed().as_secs_f64())
    };
    let (cpu_losses, cpu_seconds) = run(&Device::Cpu);
    let (gpu_losses, gpu_seconds) = run(&gpu.device);
    let mut worst = 0.0f32;
    let rows: Vec<Vec<String>> = cpu_losses
        .iter()
        .zip(&gpu_losses)
        .map(|((name, cpu), (_, gpu))| {
            worst = worst.max(deviation(*cpu, *gpu));
            vec![
                name.clone(),
                format!("{cpu:.6}"),
                format!("{gpu:.6}"),
                format!("{:.1e}", deviation(*cpu, *gpu)),
            ]
        })
        .collect();
    print_table(&["loss", "CPU", "wgpu", "relative difference"], &rows);
    println!("\nwgpu: {}; {gpu_seconds:.1} s against {cpu_seconds:.1} s on the CPU", gpu.description);
    anyhow::ensure!(worst <= TOLERANCE, "a loss differs by {worst:.1e}, more than {TOLERANCE:.0e}");
    println!("all losses agree to {TOLERANCE:.0e}");
    Ok(())
}

/// Trains for an epoch without dropout, from the same weights with the same batches on every device.
fn first_epoch(dataset: &Dataset, partition: Partition, device: &Device) -> EpochRecord {
    let parameters = json!({
        "mol_hidden": 64, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": 64, "inst_layers": 1,
        "inst_dropout": 0.0, "proj_dim": 64, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 64,
        "mixer_layers": 1, "mixer_dropout": 0.0, "head_num_layers": 1, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "residual_dropout": 0.0, "drop_path": 0.0, "batch_size": 64, "lr": 0.01,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let settings = TrainSettings { seed: 0, max_epochs: 1, patience: 1, device: device.clone() };
    let trained = train(dataset, partition, &parameters, &settings, |_| ()).expect("an epoch of training");
    trained.history[0].clone()
}

/// The losses of an epoch by name.
fn losses(record: &EpochRecord) -> Vec<(String, f32)> {
    let named = |part: &str, losses: &LossValues| -> Vec<(String, f32)> {
        let whole = [
            ("total", losses.total),
            ("classification", losses.classification),
            ("absorbance", losses.absorbance),
            ("fluorescence", losses.fluorescence),
            ("bitmask", losses.bitmask),
        ];
        whole.iter().map(|(name, value)| (format!("{part} {name}"), *value)).collect()
    };
    [named("training", &record.train_losses), named("validation", &record.validation_losses)].concat()
}

/// Difference relative to the first value.
fn deviation(reference: f32, other: f32) -> f32 {
    (reference - other).abs() / reference.abs().max(1e-3)
}
