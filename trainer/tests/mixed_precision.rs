//! Training with products in half precision, which the library rounds on the CPU as well.

mod program;
mod tables;

use std::sync::{Mutex, PoisonError};

use burn::DispatchDevice;
use burn::backend::flex::FlexDevice;
use program::{Folder, one_task, refuses, small_numbers};
use serde_json::{Value, json};
use tables::fixture_train;
use trainer::device::{Device, Precision};
use trainer::parameters::RunParameters;
use trainer::training::{
    Checkpoint, Partition, RunControl, RunIdentity, TrainSettings, TrainedModel, train_controlled,
};

/// The random state of the dropout belongs to the process: two trainings at once would disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn settings(device: Device, precision: Precision, max_epochs: usize) -> TrainSettings {
    TrainSettings { seed: 3, max_epochs, patience: 100, device, precision }
}

/// Trains on the fixture with some parameters changed; with a folder, from the checkpoint that it may hold.
fn trained(settings: &TrainSettings, changes: &Value, folder: Option<&std::path::Path>) -> TrainedModel {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dataset = fixture_train();
    let mut parameters = json!({
        "mol_hidden": 16, "mol_layers": 2, "inst_hidden": 16, "inst_layers": 2, "attn_heads": 2, "proj_dim": 16,
        "mixer_hidden": 16, "mixer_layers": 1, "head_num_layers": 1, "batch_size": 16, "lr": 0.003,
    });
    parameters.as_object_mut().expect("fields").extend(changes.as_object().expect("fields").clone());
    let parameters = RunParameters::from_json(&parameters, dataset.schema()).expect("valid parameters");
    let fold = dataset.fold(1).expect("fold");
    let partition = Partition { train: &fold.train, validation: &fold.validation };
    let resume = folder.and_then(|folder| Checkpoint::read(folder).expect("a checkpoint or none"));
    if let Some(resume) = &resume {
        resume.check(&RunIdentity::new(&dataset, partition, &parameters, settings)).expect("the same run");
    }
    let control = RunControl { folder, resume, stop: None };
    train_controlled(&dataset, partition, &parameters, settings, control, |_| ()).expect("trains")
}

#[test]
fn losses_are_nearly_those_of_float32_and_both_metrics_are_told() {
    let quiet = json!({
        "mol_dropout": 0.0, "inst_dropout": 0.0, "attn_dropout": 0.0, "mixer_dropout": 0.0, "head_dropout": 0.0,
        "head_stochastic_depth": 0.0, "residual_dropout": 0.0, "drop_path": 0.0,
        // Steps so short that it does not matter which of them were left out.
        "lr": 1e-6,
    });
    // The backend that hides the CPU, as a GPU is hidden, and the one of the fused layers.
    for device in [Device::Gpu(DispatchDevice::Flex(FlexDevice)), Device::Cpu] {
        let float32 = trained(&settings(device.clone(), Precision::Float32, 2), &quiet, None);
        assert_eq!(float32.mixed_precision, None);
        for (precision, tolerance) in [(Precision::Float16Mixed, 3e-3), (Precision::Bfloat16Mixed, 3e-2)] {
            let mixed = trained(&settings(device.clone(), precision, 2), &quiet, None);
            for (mixed, float32) in mixed.history.iter().zip(&float32.history) {
                let [mixed, float32] = [mixed, float32].map(|epoch| epoch.train_losses.total);
                let error = (mixed - float32).abs() / float32;
                assert!(error < tolerance, "{precision}: {mixed}, {float32} in float32");
                assert!(error > 0.0, "{precision}: products are rounded");
            }
            let told = mixed.mixed_precision.expect("told");
            assert_eq!(told.precision, precision.to_string());
            assert!(told.skipped_steps < told.steps, "{} of {}", told.skipped_steps, told.steps);
            assert_eq!(told.skipped_steps > 0, precision.scales_loss(), "the first scale is too large");
            let half = told.macro_average_precision.expect("no overflow");
            assert!((half - mixed.evaluation.metrics.macro_ap()).abs() < 0.05, "{half}");
        }
    }
}

#[test]
fn networks_learn_in_half_precision() {
    for precision in [Precision::Float16Mixed, Precision::Bfloat16Mixed] {
        let history = trained(&settings(Device::Cpu, precision, 6), &json!({}), None).history;
        let [first, last] = [&history[0], &history[5]].map(|epoch| epoch.train_losses.total);
        assert!(last < 0.9 * first, "{precision}: {first} to {last}");
    }
}

#[test]
fn a_resumed_run_goes_on_with_its_loss_scale_to_the_bit() {
    // Gradients that overflow float16 at the first scale.
    let steep =
        json!({ "lambda_aux_abs": 1e3, "lambda_aux_fluo": 1e3, "gradient_clip_val": 1.0, "ema_decay": 0.9 });
    let run =
        |epochs, folder| trained(&settings(Device::Cpu, Precision::Float16Mixed, epochs), &steep, folder);
    let undisturbed = run(4, None);
    let skipped = undisturbed.mixed_precision.as_ref().expect("told").skipped_steps;
    let steps = undisturbed.mixed_precision.as_ref().expect("told").steps;
    assert!(skipped > 0 && skipped < steps, "{skipped} of {steps}");
    let folder = tempfile::tempdir().expect("folder");
    let interrupted = run(1, Some(folder.path()));
    assert!(interrupted.mixed_precision.expect("told").skipped_steps > 0, "the scale has changed by then");
    let resumed = run(4, Some(folder.path()));
    assert_eq!(resumed.mixed_precision, undisturbed.mixed_precision);
    assert_eq!(resumed.weights, undisturbed.weights);
    assert_eq!(resumed.evaluation.probabilities, undisturbed.evaluation.probabilities);
}

#[test]
fn a_run_in_another_precision_is_another_run() {
    let dataset = fixture_train();
    let parameters = RunParameters::from_json(&json!({}), dataset.schema()).expect("valid parameters");
    let fold = dataset.fold(1).expect("fold");
    let partition = Partition { train: &fold.train, validation: &fold.validation };
    let folder = tempfile::tempdir().expect("folder");
    trained(&settings(Device::Cpu, Precision::Bfloat16Mixed, 1), &json!({}), Some(folder.path()));
    let kept = Checkpoint::read(folder.path()).expect("whole").expect("kept");
    let now = settings(Device::Cpu, Precision::Float32, 1);
    let error = kept.check(&RunIdentity::new(&dataset, partition, &parameters, &now)).expect_err("differs");
    assert!(error.to_string().contains("--precision bf16-mixed (now 32-true)"), "{error}");
}

#[test]
fn a_device_without_half_precision_says_so_before_anything_is_done() {
    let folder = Folder::new();
    let options = one_task(&folder, small_numbers);
    let out = folder.path("run");
    for (precision, missing) in [("16", "float16"), ("bf16-mixed", "bfloat16")] {
        for command in ["train", "cv"] {
            let arguments = [command, "--device", "cpu", "--precision", precision, "--out", &out];
            refuses(&arguments, &options, &[missing, "optimil devices", "--precision 32-true"]);
        }
    }
    assert!(!std::path::Path::new(&out).exists());
}
