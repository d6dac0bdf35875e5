//! The same epoch on two devices.

use serde_json::json;
use trainer::data::Dataset;
use trainer::device::Device;
use trainer::parameters::RunParameters;
use trainer::training::{EpochRecord, LossValues, Partition, TrainSettings, train};

/// Trains for an epoch without dropout, from the same weights with the same batches on every device.
pub fn first_epoch(dataset: &Dataset, partition: Partition, hidden: usize, device: &Device) -> EpochRecord {
    let parameters = json!({
        "mol_hidden": hidden, "mol_layers": 1, "mol_dropout": 0.0, "inst_hidden": hidden, "inst_layers": 1,
        "inst_dropout": 0.0, "proj_dim": hidden, "attn_heads": 4, "attn_dropout": 0.0, "mixer_hidden": hidden,
        "mixer_layers": 1, "mixer_dropout": 0.0, "head_num_layers": 1, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "residual_dropout": 0.0, "drop_path": 0.0, "batch_size": 64, "lr": 0.01,
    });
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let settings = TrainSettings { seed: 0, max_epochs: 1, patience: 1, device: device.clone() };
    let trained = train(dataset, partition, &parameters, &settings, |_| ()).expect("an epoch of training");
    trained.history[0].clone()
}

/// The losses of an epoch by name.
pub fn losses(record: &EpochRecord) -> Vec<(String, f32)> {
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
pub fn deviation(reference: f32, other: f32) -> f32 {
    (reference - other).abs() / reference.abs().max(1e-3)
}
