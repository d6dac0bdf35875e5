//! The program as a user runs it: results on disk, exit codes, and one sentence for every mistake.

mod program;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use shared_model::bundle::BundleReader;
use shared_model::config::{Mixer, Predictor};
use shared_model::state_dict::StateDict;

use self::program::{
    Folder, SMALL, chromophores, features, imported, one_task, optimil, refuses, small_numbers, succeeds,
};

/// The weights of a bundle of one model.
fn only_weights(bundle: &BundleReader) -> StateDict {
    bundle.weights(&bundle.manifest().models[0]).expect("weights")
}

/// Rows by (ID, conf_id), all other columns as numbers.
fn attention_rows(path: &str) -> Vec<((String, String), Vec<f64>)> {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let mut rows: Vec<_> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let numbers = record.iter().skip(2).map(|cell| cell.parse().expect("a number")).collect();
            ((record[0].to_owned(), record[1].to_owned()), numbers)
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn assert_predictions_agree(found: &str, tolerance: f64) {
    let (found, expected) = (attention_rows(found), attention_rows(&imported("leaderboard_attn.csv")));
    assert_eq!(found.len(), expected.len());
    for ((key, found), (expected_key, expected)) in found.iter().zip(&expected) {
        assert_eq!(key, expected_key);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{key:?}: {found}, expected {expected}");
        }
    }
}

#[test]
fn an_imported_checkpoint_predicts_what_the_pytorch_system_exported() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let labels = imported("labels.csv");
    let predict = |device: &str, out: &str| {
        let arguments = ["predict", &bundle, "--labels", &labels, "--split", "leaderboard"];
        optimil(
            &arguments,
            &[features(), ["--device", device, "-o", out].map(String::from).to_vec()].concat(),
        )
    };
    let cpu = folder.path("cpu.csv");
    assert!(predict("cpu", &cpu).status.success());
    assert_predictions_agree(&cpu, 1e-5);

    let parquet = folder.path("cpu.parquet");
    assert!(predict("cpu", &parquet).status.success());
    assert!(fs::read(&parquet).expect("written").starts_with(b"PAR1"));

    let wgpu = folder.path("wgpu.csv");
    let output = predict("wgpu", &wgpu);
    if !output.status.success() && std::env::var_os("CI").is_none() {
        // Only where the user has no driver; CI installs one in software.
        assert!(String::from_utf8_lossy(&output.stderr).contains("finds no device"));
        eprintln!("skipped on wgpu: no driver");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_predictions_agree(&wgpu, 1e-4);
}

#[test]
fn a_safetensors_state_dict_imports_like_the_checkpoint_it_came_from() {
    let folder = Folder::new();
    let bytes = fs::read(folder.imported_bundle()).expect("bundle");
    let bundle = BundleReader::open(&bytes).expect("bundle");
    let weights = folder.write("weights.safetensors", &only_weights(&bundle).to_safetensors());
    let parameters = serde_json::to_vec(&bundle.manifest().models[0].parameters).expect("JSON");
    let parameters = folder.write("hyper_parameters.json", &parameters);
    let again = folder.path("again.optimil");
    succeeds(&["import", &weights, "--hyper-parameters", &parameters, "-o", &again], &features());
    let again = fs::read(again).expect("bundle");
    let again = BundleReader::open(&again).expect("bundle");
    assert_eq!(again.manifest().models[0].config, bundle.manifest().models[0].config);
    assert_eq!(only_weights(&again), only_weights(&bundle));
    // No label table: the 2D table names the molecules.
    assert_eq!(again.molecules().expect("molecules").expect("some").len(), 640);
}

#[test]
fn coordinates_travel_in_the_bundle_if_their_records_name_molecule_and_conformer() {
    let folder = Folder::new();
    let out = folder.path("model.optimil");
    let checkpoint = imported("model.ckpt");
    let labels = imported("labels.csv");
    let import = |file: &str| {
        let arguments = [
            "import",
            &checkpoint,
            "--conformers",
            file,
            "--labels",
            &labels,
            "--split",
            "leaderboard",
            "-o",
            &out,
        ];
        optimil(&arguments, &features())
    };
    let nameless = folder.write("nameless.sdf", b"\n\n\n  0  0\nM  END\n>  <ID>  (1)\nA\n\n$$$$\n");
    let output = import(&nameless);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("nameless.sdf") && text.contains("ID and conf_id"), "{text}");

    let strange = nameless.replace("nameless", "strange");
    fs::write(&strange, "\r\n\r\n>  <ID>  (1)\r\nA\r\n\r\n> <conf_id>\r\n0\r\n\r\n$$$$\r\n")
        .expect("written");
    assert!(String::from_utf8_lossy(&import(&strange).stderr).contains("none of the conformers"));

    assert!(import(&chromophores("conformers.sdf.gz")).status.success());
    let bytes = fs::read(&out).expect("bundle");
    let coordinates = BundleReader::open(&bytes).expect("bundle").conformers().expect("read").expect("there");
    let records = coordinates.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"$$$$")).count();
    // Those of the 131 molecules that travel, out of 1,882 in the file.
    assert_eq!(records, 364);
}

#[test]
fn tables_of_another_width_than_the_checkpoint_are_refused() {
    let folder = Folder::new();
    let out = folder.path("model.optimil");
    let checkpoint = imported("model.ckpt");
    let without_quantum = &features()[..4];
    refuses(&["import", &checkpoint, "-o", &out], without_quantum, &["model.ckpt", "214 3D features", "205"]);
    assert!(folder.names().is_empty(), "nothing is left behind");
}

#[test]
fn broken_bundles_are_refused_in_one_sentence() {
    let folder = Folder::new();
    let bytes = fs::read(folder.imported_bundle()).expect("bundle");
    let labels = imported("labels.csv");
    let out = folder.path("out.csv");
    let refused = |bundle: &str, parts: &[&str]| {
        let arguments = ["predict", bundle, "--labels", &labels, "--device", "cpu", "-o", &out];
        refuses(&arguments, &features(), &[parts, &[bundle]].concat());
        assert!(!Path::new(&out).exists(), "no partial result");
    };
    refused(&folder.path("none.optimil"), &["No such file"]);
    refused(&folder.write("cut.optimil", &bytes[..bytes.len() / 2]), &["incomplete or damaged"]);
    refused(&folder.write("foreign.optimil", b"ID,conf_id\n"), &["not an Optimil model bundle"]);
    let mut tampered = bytes.clone();
    // Stored, not compressed: a byte in the middle of the weights.
    let weights = bytes.windows(19).position(|w| w == b"weights.safetensors").expect("member") + 100_000;
    tampered[weights] ^= 1;
    refused(&folder.write("tampered.optimil", &tampered), &["weights.safetensors"]);
}

#[test]
fn a_result_of_an_unknown_kind_is_refused_before_the_work() {
    let folder = Folder::new();
    let arguments = ["predict", "model.optimil", "--labels", "labels.csv", "-o", &folder.path("out.xlsx")];
    refuses(&arguments, &features(), &["out.xlsx", ".csv or .parquet"]);
}

/// A training run of a few seconds.
fn train(folder: &Folder, out: &str, seed: &str, parameters: &str) -> Output {
    let (labels, schema) = (chromophores("labels.csv"), chromophores("schema.toml"));
    let parameters = folder.write("parameters.json", parameters.as_bytes());
    let out = folder.path(out);
    let arguments = [
        "train",
        "--labels",
        &labels,
        "--schema",
        &schema,
        "--params",
        &parameters,
        "--seed",
        seed,
        "--device",
        "cpu",
        "--max-epochs",
        "2",
        "--out",
        &out,
    ];
    optimil(&arguments, &features())
}

#[test]
fn the_same_seed_trains_the_same_model_to_the_bit() {
    let folder = Folder::new();
    let weights = |out: &str, seed: &str| {
        let output = train(&folder, out, seed, SMALL);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(folder.path(&format!("{out}/model.optimil"))).expect("bundle");
        let reader = BundleReader::open(&bytes).expect("bundle");
        reader.manifest().members["weights.safetensors"].sha256.clone()
    };
    let first = weights("first", "5");
    assert_eq!(first, weights("second", "5"));
    assert_ne!(first, weights("third", "6"));
}

#[test]
fn a_run_folder_holds_bundle_metrics_predictions_and_parameters() {
    let folder = Folder::new();
    let output = train(&folder, "run", "0", SMALL);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(summary.contains("Fluoresces_above_560") && summary.contains("bootstrap intervals"), "{summary}");

    let mut metrics = csv::Reader::from_path(folder.path("run/metrics.csv")).expect("CSV");
    let header = metrics.headers().expect("header").clone();
    for column in ["epoch", "train_loss_total", "val_macro_ap", "val_roc_auc_Absorbs_near_uv"] {
        assert!(header.iter().any(|name| name == column), "{column} is not in {header:?}");
    }
    assert_eq!(metrics.records().count(), 2);
    // 131 molecules of the validation split, one row a conformer.
    assert_eq!(attention_rows(&folder.path("run/leaderboard_attn.csv")).len(), 364);

    let bytes = fs::read(folder.path("run/model.optimil")).expect("bundle");
    let bundle = BundleReader::open(&bytes).expect("bundle");
    let training = bundle.manifest().models[0].training.clone().expect("trained here");
    assert_eq!((training.train_molecules, training.validation_molecules), (509, 131));
    assert_eq!(bundle.manifest().models[0].absorbance_standardisers.len(), 2);
    bundle.features().expect("features").expect("travel with the model");

    // What was resolved is fed back.
    let resolved = fs::read_to_string(folder.path("run/params.json")).expect("parameters");
    assert!(train(&folder, "again", "0", &resolved).status.success());
}

#[test]
fn the_first_architecture_trains_with_options_of_the_pool_and_predicts_the_same_from_its_bundle() {
    let folder = Folder::new();
    let mut parameters: Value = serde_json::from_str(SMALL).expect("JSON");
    parameters["architecture"] = json!("v1");
    parameters["activation"] = json!("Mish");
    parameters["aggregator_kwargs"] = json!({
        "use_temperature": true, "topk_n": 2, "topk_strategy": "mean", "prune_below": 0.1,
        "residual_pooling": true, "pool_v_mode": "linear",
    });
    let output = train(&folder, "run", "0", &parameters.to_string());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let bundle = folder.path("run/model.optimil");
    let bytes = fs::read(&bundle).expect("bundle");
    let reader = BundleReader::open(&bytes).expect("bundle");
    let model = &reader.manifest().models[0].config;
    assert_eq!((model.mixer_name, model.predictor_name), (Mixer::Mlp, Predictor::Linear));
    assert_eq!((model.aggregator_kwargs.topk_n, model.n_bitmask_groups), (Some(2), 0));

    // Other batches, other padding: the same numbers.
    let (labels, out) = (chromophores("labels.csv"), folder.path("predicted.csv"));
    let arguments =
        ["predict", &bundle, "--labels", &labels, "--split", "leaderboard", "--device", "cpu", "-o", &out];
    succeeds(&arguments, &features());
    let (trained, predicted) =
        (attention_rows(&folder.path("run/leaderboard_attn.csv")), attention_rows(&out));
    assert_eq!(trained.len(), predicted.len());
    for ((key, trained), (predicted_key, predicted)) in trained.iter().zip(&predicted) {
        assert_eq!(key, predicted_key);
        for (trained, predicted) in trained.iter().zip(predicted) {
            assert!((trained - predicted).abs() <= 1e-6, "{key:?}: {trained} and {predicted}");
        }
    }
}

#[test]
fn mistakes_in_parameters_are_named_before_any_work() {
    let folder = Folder::new();
    for (parameters, parts) in [
        (r#"{ "learning_rate": 1 }"#, ["parameters.json", "learning_rate"]),
        (r#"{ "mol_dropout": 2 }"#, ["mol_dropout is 2", "between"]),
        ("{", ["parameters.json", "not valid JSON"]),
        (r#"{ "inst_hidden": 30, "attn_heads": 4 }"#, ["inst_hidden 30", "attn_heads 4"]),
        (r#"{ "mixer_name": "resnet" }"#, ["resnet", "mlp_v3, mlp"]),
        (r#"{ "aggregator_kwargs": { "topk": 2 } }"#, ["`topk`", "`topk_n`"]),
        (r#"{ "aggregator_kwargs": { "prune_below": 2 } }"#, ["prune_below is 2", "between"]),
    ] {
        let output = train(&folder, "run", "0", parameters);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let last = text.lines().last().unwrap_or_default();
        assert!(parts.iter().all(|part| last.contains(part)), "{parts:?} are not in: {text}");
        assert!(!Path::new(&folder.path("run/model.optimil")).exists());
    }
}

/// Trains on twelve molecules with these features of molecule `row`.
fn train_one_task(folder: &Folder, features: fn(usize) -> [String; 3]) -> Output {
    let out = folder.path("run");
    let arguments = ["train", "--device", "cpu", "--max-epochs", "2", "--out", &out];
    optimil(&arguments, &one_task(folder, features))
}

#[test]
fn another_number_of_tasks_needs_no_change_to_the_program() {
    let folder = Folder::new();
    let output = train_one_task(&folder, small_numbers);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(folder.path("run/model.optimil")).expect("bundle");
    let bundle = BundleReader::open(&bytes).expect("bundle");
    let model = &bundle.manifest().models[0].config;
    assert_eq!((model.n_tasks, model.n_absorbance, model.n_fluorescence), (1, 0, 0));
}

#[test]
fn a_loss_that_is_no_number_is_reported_with_its_epoch() {
    let folder = Folder::new();
    // Finite numbers whose products are not.
    let output = train_one_task(&folder, |row| ["3e38".into(), format!("-{row}e37"), "3e38".into()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("loss became NaN in epoch 1") && text.contains("learning rate"), "{text}");
    assert!(!Path::new(&folder.path("run/model.optimil")).exists());
}

#[test]
fn an_unknown_split_lists_those_there_are() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let labels = imported("labels.csv");
    let out = folder.path("out.csv");
    let arguments =
        ["predict", &bundle, "--labels", &labels, "--split", "test", "--device", "cpu", "-o", &out];
    refuses(&arguments, &features(), &["\"test\"", "\"leaderboard\", \"train\""]);
}
