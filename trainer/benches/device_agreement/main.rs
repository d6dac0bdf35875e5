//! Losses of an epoch on the CPU and on a GPU: the same numbers, up to rounding, and nearly the same with products in
//! half precision where the GPU has it.
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
use trainer::device::{self, Device, DeviceChoice, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{EpochRecord, LossValues, Partition, TrainSettings, train};

use crate::table::print_table;

/// Largest relative difference of a loss.
const TOLERANCE: f64 = 1e-3;
/// The same with products in half precision, whose numbers have 8 to 11 significant bits.
const HALF_TOLERANCE: f64 = 1e-2;

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
    let run = |device: &Device, precision: Precision| {
        let started = Instant::now();
        let numbers = numbers(&first_epoch(&dataset, partition, device, precision));
        (numbers, started.elapsed().as_secs_f64())
    };
    let cpu = run(&Device::Cpu, Precision::Float32);
    let mut columns = vec![("wgpu".to_owned(), TOLERANCE, run(&gpu.device, Precision::Float32))];
    for half in [Precision::Float16Mixed, Precision::Bfloat16Mixed] {
        match gpu.check(half) {
            Ok(()) => columns.push((format!("wgpu, {half}"), HALF_TOLERANCE, run(&gpu.device, half))),
            Err(error) => println!("{error}"),
        }
    }

    let mut header = vec!["after an epoch", "CPU"];
    header.extend(columns.iter().flat_map(|(name, ..)| [name.as_str(), "difference"]));
    let rows = cpu.0.iter().enumerate().map(|(index, (name, reference))| {
        let mut row = vec![name.clone(), format!("{reference:.6}")];
        for (_, _, (numbers, _)) in &columns {
            let number = numbers[index].1;
            row.extend([format!("{number:.6}"), format!("{:.1e}", deviation(*reference, number))]);
        }
        row
    });
    print_table(&header, &rows.collect::<Vec<_>>());
    println!("\nwgpu: {}; seconds: {:.1} on the CPU", gpu.description, cpu.1);
    for (name, tolerance, (numbers, seconds)) in &columns {
        // Of the metrics a tolerance says nothing: molecules that change places move them in jumps.
        let losses = cpu.0.iter().zip(numbers).filter(|((name, _), _)| name.ends_with("loss"));
        let worst = losses.map(|((_, cpu), (_, gpu))| deviation(*cpu, *gpu)).fold(0.0, f64::max);
        anyhow::ensure!(
            worst <= *tolerance,
            "{name}: a loss differs by {worst:.1e}, more than {tolerance:.0e}"
        );
        println!("{name}: {seconds:.1} s; all losses agree to {tolerance:.0e}");
    }
    Ok(())
}

/// Trains for an epoch without dropout, from the same weights with the same batches on every device.
fn first_epoch(
    dataset: &Dataset,
    partition: Partition,
    device: &Device,
    precision: Precision,
) -> EpochRecord {
    let parameters = json!({
        "mol_hidden": 64, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": 64, "inst_layers": 1,
        "inst_dropout": 0.0, "proj_dim": 64, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": 64,
        "mixer_layers": 1, "mixer_dropout": 0.0, "head_num_layers": 1, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "residual_dropout": 0.0, "drop_path": 0.0, "batch_size": 64, "lr": 0.01,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let settings = TrainSettings { seed: 0, max_epochs: 1, patience: 1, device: device.clone(), precision };
    let trained = train(dataset, partition, &parameters, &settings, |_| ()).expect("an epoch of training");
    trained.history[0].clone()
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

/// Difference relative to the first value.
fn deviation(reference: f64, other: f64) -> f64 {
    (reference - other).abs() / reference.abs().max(1e-3)
}
