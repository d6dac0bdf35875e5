//! Runs that end before their time, and go on as if they had not.

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::Folder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

/// Everything that a run does by chance or keeps between steps.
fn everything() -> Value {
    json!({
        "mol_hidden": 16, "mol_layers": 1, "inst_hidden": 16, "inst_layers": 1, "proj_dim": 16, "attn_heads": 2,
        "mixer_hidden": 16, "mixer_layers": 1, "head_num_layers": 1, "batch_size": 4, "accumulate_grad_batches": 3,
        "warmup_epochs": 1.5, "lr_schedule": "cosine", "lr_floor": 0.1, "gradient_clip_val": 0.5, "ema_decay": 0.9,
        "max_instances": 2, "mol_dropout": 0.3,
    })
}

/// A command that trains on tables of three conformers a molecule.
fn command(folder: &Folder, out: &str, parameters: &Value, more: &[&str]) -> Command {
    let row = |row: usize| [row, 3 * row % 7].map(|x| (x as f32 / 5.0).to_string()).join(",");
    let labels: String = (0..40)
        .map(|row| format!("M{row},{},{}\n", if row < 28 { "train" } else { "leaderboard" }, row % 3 / 2))
        .collect();
    let feat2d: String = (0..40).map(|molecule| format!("M{molecule},{}\n", row(molecule))).collect();
    let feat3d: String = (0..120).map(|i| format!("M{},{},{}\n", i / 3, i % 3, row(i * 7 % 50))).collect();
    let labels = folder.write("labels.csv", format!("ID,split,active\n{labels}").as_bytes());
    let feat2d = folder.write("feat2d.csv", format!("ID,a,b\n{feat2d}").as_bytes());
    let feat3d = folder.write("feat3d.csv", format!("ID,conf_id,x,y\n{feat3d}").as_bytes());
    let schema = folder.write("schema.toml", b"[[task]]\nname = \"active\"\n");
    let parameters = folder.write("parameters.json", parameters.to_string().as_bytes());
    let mut command = Command::new(env!("CARGO_BIN_EXE_optimil"));
    command
        .args(["train", "--labels", &labels, "--schema", &schema, "--feat2d", &feat2d, "--feat3d", &feat3d]);
    command.args(["--params", &parameters, "--device", "cpu", "--out", &folder.path(out)]);
    command.args(["--patience", "100000"]).args(more);
    if !more.contains(&"--max-epochs") {
        command.args(["--max-epochs", "30"]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The files of a run that must be the same to the bit, and the table of metrics without its seconds.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let bundle = read("model.optimil");
    let bundle = shared_model::bundle::BundleReader::open(&bundle).expect("a bundle");
    let weights = bundle.weights(&bundle.manifest().models[0]).expect("weights").to_safetensors();
    let mut metrics = csv::Reader::from_reader(&*read("metrics.csv"))
        .into_records()
        .map(Result::unwrap)
        .fold(Vec::new(), |mut rows: Vec<u8>, record| {
            let row: Vec<&str> = record.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, c)| c).collect();
            rows.extend(row.join(",").bytes());
            rows.push(b'\n');
            rows
        });
    metrics.push(b'\n');
    [("weights".to_owned(), weights), ("metrics".to_owned(), metrics)]
        .into_iter()
        .chain([("predictions".to_owned(), read("leaderboard_attn.csv"))])
        .collect()
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_killed_at_any_moment_and_resumed_is_the_undisturbed_one_to_the_bit() {
    let folder = Folder::new();
    let parameters = everything();
    let started = Instant::now();
    let undisturbed = command(&folder, "undisturbed", &parameters, &[]).output().expect("runs");
    assert!(undisturbed.status.success(), "{}", text(&undisturbed));
    let whole = started.elapsed();
    assert_eq!(text(&undisturbed).matches("epoch").count(), 30);

    // Moments that differ from run to run: no check may depend on them.
    let noise = std::process::id() % 97;
    let mut kills = 0;
    for attempt in 0.. {
        let mut child = command(&folder, "killed", &parameters, &["--resume"]).spawn().expect("starts");
        if attempt < 6 {
            match attempt {
                // Certainly before the end, however slow the machine was before.
                0 => await_checkpoint(&folder, "killed"),
                _ => sleep(whole.mul_f64(0.25 + 0.1 * f64::from((noise * (attempt + 3)) % 7))),
            }
            kills += i32::from(child.try_wait().expect("its state").is_none());
            child.kill().expect("SIGKILL");
            child.wait().expect("gone");
        } else {
            let output = child.wait_with_output().expect("runs");
            assert!(output.status.success(), "{}", text(&output));
            break;
        }
    }
    assert!(kills > 0, "nothing was killed");
    let [found, expected] = ["killed", "undisturbed"].map(|name| results(Path::new(&folder.path(name))));
    assert!(found == expected, "killed {kills} times, then different");
    let left: Vec<_> =
        fs::read_dir(folder.path("killed")).expect("folder").map(|e| e.expect("entry").file_name()).collect();
    assert!(!Path::new(&folder.path("killed/checkpoint.safetensors")).exists(), "finished: {left:?}");

    // And once more: there is nothing left to do, and what was done is not written over.
    let again = command(&folder, "killed", &parameters, &["--resume"]).output().expect("runs");
    assert!(again.status.success() && text(&again).contains("is finished"), "{}", text(&again));
    let over = command(&folder, "killed", &parameters, &[]).output().expect("runs");
    let message = text(&over);
    assert!(over.status.code() == Some(2) && message.contains("holds a finished run"), "{message}");
    assert!(results(Path::new(&folder.path("killed"))) == expected, "it is as it was");
}

fn await_checkpoint(folder: &Folder, out: &str) {
    let checkpoint = folder.path(&format!("{out}/checkpoint.safetensors"));
    let started = Instant::now();
    while !Path::new(&checkpoint).exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint");
        sleep(Duration::from_millis(5));
    }
}

/// Runs until an epoch is kept, then sends a signal.
#[cfg(unix)]
fn signalled(folder: &Folder, out: &str, parameters: &Value, signal: &str) -> std::process::Output {
    let child = command(folder, out, parameters, &["--max-epochs", "100000"]).spawn();
    let child = child.expect("starts");
    await_checkpoint(folder, out);
    send(&child, signal);
    child.wait_with_output().expect("runs")
}

#[cfg(unix)]
fn send(child: &std::process::Child, signal: &str) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(kill.expect("kill").success());
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = Folder::new();
    // One batch takes so long that both signals come while it goes on.
    let slow = json!({
        "mol_hidden": 16, "mol_layers": 1, "inst_hidden": 192, "inst_layers": 4, "proj_dim": 16, "attn_heads": 2,
        "mixer_hidden": 16, "mixer_layers": 1, "head_num_layers": 1, "batch_size": 512,
    });
    let rows: String = (0..40)
        .flat_map(|molecule| (0..50).map(move |conformer| (molecule, conformer)))
        .map(|(molecule, conformer)| format!("M{molecule},{conformer},{},0\n", conformer % 5))
        .collect();
    let many = folder.write("many.csv", format!("ID,conf_id,x,y\n{rows}").as_bytes());
    let mut command = command(&folder, "run", &slow, &["--max-epochs", "100000", "--feat3d", &many]);
    let child = command.spawn().expect("starts");
    await_checkpoint(&folder, "run");
    // Into the middle of the next batch.
    sleep(Duration::from_millis(150));
    send(&child, "INT");
    sleep(Duration::from_millis(20));
    send(&child, "INT");
    let output = child.wait_with_output().expect("runs");
    let message = text(&output);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(!message.contains("stopped by signal"), "it did not wait for the batch: {message}");
    assert!(Path::new(&folder.path("run/checkpoint.safetensors")).exists(), "the last epoch is kept");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_cleanly_and_what_it_kept_is_guarded() {
    let folder = Folder::new();
    let mut parameters = everything();
    parameters["lr_schedule"] = json!("constant");
    for (signal, out, code) in [("INT", "interrupted", 130), ("TERM", "terminated", 143)] {
        let output = signalled(&folder, out, &parameters, signal);
        let message = text(&output);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.lines().last().is_some_and(|line| line.contains("--resume")), "{message}");
        assert!(!Path::new(&folder.path(&format!("{out}/model.optimil"))).exists());
    }

    let refused = |parameters: &Value, more: &[&str], parts: &[&str]| {
        let output = command(&folder, "interrupted", parameters, more).output().expect("runs");
        let message = text(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        let last = message.lines().last().unwrap_or_default();
        assert!(parts.iter().all(|part| last.contains(part)), "{parts:?} are not in: {message}");
    };
    refused(&parameters, &[], &["interrupted", "unfinished run", "--resume"]);
    refused(&parameters, &["--resume", "--seed", "7"], &["seed 0 (now 7)"]);
    let mut other = parameters.clone();
    other["lr"] = json!(0.5);
    refused(&other, &["--resume"], &["lr 0.0006 (now 0.5)", "another folder"]);
    refused(&parameters, &["--resume", "--validation-split", "train"], &["other data"]);
    let checkpoint = folder.path("interrupted/checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).expect("kept");
    fs::write(&checkpoint, &bytes[..bytes.len() - 100]).expect("cut");
    refused(&parameters, &["--resume"], &["checkpoint.safetensors", "start anew"]);
    fs::write(&checkpoint, bytes).expect("mended");

    // More epochs than before are no other run.
    let kept =
        fs::read_to_string(folder.path("interrupted/metrics.csv")).expect("metrics").lines().count() - 1;
    let epochs = (kept + 2).to_string();
    let resumed =
        command(&folder, "interrupted", &parameters, &["--resume", "--max-epochs", &epochs]).output();
    let resumed = resumed.expect("runs");
    assert!(resumed.status.success(), "{}", text(&resumed));
    let metrics = fs::read_to_string(folder.path("interrupted/metrics.csv")).expect("metrics");
    assert_eq!(metrics.lines().count() - 1, kept + 2);
}

#[cfg(unix)]
#[test]
fn a_run_that_diverges_leaves_the_best_model_before_and_what_it_kept() {
    let folder = Folder::new();
    let mut parameters = everything();
    (parameters["lr_schedule"], parameters["ema_decay"]) = (json!("constant"), json!(0));
    signalled(&folder, "run", &parameters, "TERM");
    // Weights as a learning rate far too large leaves them.
    let path = folder.path("run/checkpoint.safetensors");
    let bytes = fs::read(&path).expect("kept");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let huge: Vec<u8> = [3e38f32; 16 * 16].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = file.tensors().into_iter().map(|(name, view)| match name.as_str() {
        "weights.proj2d.0.weight" => {
            (name, TensorView::new(Dtype::F32, vec![16, 16], &huge).expect("16 hidden, projected to 16"))
        }
        _ => (name, view),
    });
    let spoilt = safetensors::serialize(tensors, header.metadata().clone()).expect("serialises");
    fs::write(&path, spoilt).expect("written");

    let output = command(&folder, "run", &parameters, &["--resume"]).output().expect("runs");
    let message = text(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(last.contains("became") && last.contains("model.optimil") && last.contains("(lr)"), "{message}");
    let bundle = fs::read(folder.path("run/model.optimil")).expect("the best model before");
    let bundle = shared_model::bundle::BundleReader::open(&bundle).expect("a bundle");
    let weights = bundle.weights(&bundle.manifest().models[0]).expect("weights");
    assert!(weights.iter().all(|(_, tensor)| tensor.data().iter().all(|value| value.abs() < 1e3)));
    assert!(Path::new(&path).exists());
}
