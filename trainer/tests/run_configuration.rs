//! How a run is described: options, parameters and configuration files, and what of them is refused.

mod program;

use std::fs;

use serde_json::Value;
use shared_model::bundle::BundleReader;

use self::program::{Folder, one_task, optimil, refuses, small_numbers, succeeds};

const FAST: [&str; 4] = ["--device", "cpu", "--max-epochs", "2"];

fn without_2d(tables: &[String]) -> Vec<String> {
    tables.chunks_exact(2).filter(|option| option[0] != "--feat2d").flatten().cloned().collect()
}

fn bundle(folder: &Folder, run: &str) -> Vec<u8> {
    fs::read(folder.path(&format!("{run}/model.optimil"))).expect("bundle")
}

fn weights_sha256(folder: &Folder, run: &str) -> String {
    let bytes = bundle(folder, run);
    let reader = BundleReader::open(&bytes).expect("bundle");
    reader.manifest().members["weights.safetensors"].sha256.clone()
}

fn resolved(folder: &Folder, run: &str) -> Value {
    let text = fs::read_to_string(folder.path(&format!("{run}/params.json"))).expect("parameters");
    serde_json::from_str(&text).expect("JSON")
}

/// Options as the lines of a configuration file.
fn lines(options: &[String]) -> String {
    options
        .chunks_exact(2)
        .map(|option| format!("{} = {:?}\n", option[0].trim_start_matches('-'), option[1]))
        .collect()
}

/// Numbers of the predictions in a table, all of them.
fn numbers(path: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let mut rows: Vec<_> = reader.records().map(|record| record.expect("a row")).collect();
    rows.sort_by(|a, b| a[0].cmp(&b[0]));
    rows.iter().flat_map(|row| row.iter().skip(2)).map(|cell| cell.parse().expect("a number")).collect()
}

#[test]
fn options_may_have_the_names_and_underscores_of_the_earlier_system() {
    let folder = Folder::new();
    let tables: Vec<String> = one_task(&folder, small_numbers)
        .into_iter()
        .map(|word| match word.as_str() {
            "--feat2d" => "--feat2d_scaled".into(),
            "--feat3d" => "--feat3d_scaled".into(),
            _ => word,
        })
        .collect();
    let parameters = folder.write("best_params.json", br#"{ "best_params": { "mol_hidden": 16 } }"#);
    let out = folder.path("run");
    let arguments =
        ["train", "--best_params_json", &parameters, "--device", "cpu", "--max_epochs=1", "-o", &out];
    succeeds(&arguments, &tables);
    assert_eq!(resolved(&folder, "run")["mol_hidden"], 16);
}

#[test]
fn the_configuration_of_a_run_repeats_it_to_the_bit() {
    let folder = Folder::new();
    let tables = one_task(&folder, small_numbers);
    let parameters =
        folder.write("p.json", br#"{ "lr": 0.0012345678901234567, "mol_hidden": 16, "batch_size": 4 }"#);
    let (first, second, third) = (folder.path("first"), folder.path("second"), folder.path("third"));
    let set = ["--set", "mol_dropout=0.25", "--set", "activation=Mish"];
    let typed = ["train", "--params", &parameters, "--seed", "7", "--scale-features", "-o", &first];
    succeeds(&[typed.as_slice(), &FAST, &set].concat(), &tables);
    // Whatever has become of the parameter file.
    fs::remove_file(&parameters).expect("removed");
    let run = folder.path("first/run.toml");
    succeeds(&["train", "--config", &run, "--out", &second], &[]);
    assert_eq!(weights_sha256(&folder, "first"), weights_sha256(&folder, "second"));
    assert_eq!(resolved(&folder, "first"), resolved(&folder, "second"));
    assert_eq!(resolved(&folder, "first")["activation"], "Mish");
    let text =
        |run: &str| fs::read_to_string(folder.path(&format!("{run}/run.toml"))).expect("configuration");
    assert_eq!(text("first"), text("second"), "complete");

    // What is typed wins, wherever it stands.
    succeeds(&["train", "--seed=8", "--config", &run, "--out", &third], &[]);
    assert_ne!(weights_sha256(&folder, "first"), weights_sha256(&folder, "third"));
}

#[test]
fn other_data_than_those_of_the_repeated_run_are_noticed() {
    let folder = Folder::new();
    let tables = one_task(&folder, small_numbers);
    let (first, second) = (folder.path("first"), folder.path("second"));
    succeeds(&[["train", "-o", &first].as_slice(), &FAST].concat(), &tables);
    let run = folder.path("first/run.toml");
    fs::write(
        folder.path("feat3d.csv"),
        fs::read_to_string(folder.path("feat3d.csv")).expect("table") + "M0,1,9\n",
    )
    .expect("written");
    let output = optimil(&["train", "--config", &run, "-o", &second], &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("other data"), "{text}");
}

#[test]
fn paths_in_a_configuration_are_relative_to_it_and_parameters_are_a_table() {
    let folder = Folder::new();
    one_task(&folder, small_numbers);
    folder.write("p.json", br#"{ "mol_hidden": 16, "inst_hidden": 16, "mol_dropout": 0.25 }"#);
    let config = folder.write(
        "study.toml",
        b"labels = \"labels.csv\"\nschema = \"schema.toml\"\nfeat2d_scaled = \"feat2d.csv\"\n\
          feat3d = \"feat3d.csv\"\nmax_epochs = 1\ndevice = \"cpu\"\nparams = \"p.json\"\n\
          [parameters]\nmol_hidden = 8\naggregator_kwargs = { topk_n = 2 }\n",
    );
    let out = folder.path("run");
    succeeds(&["train", "--config", &config, "-o", &out, "--set", "inst_hidden=32"], &[]);
    let parameters = resolved(&folder, "run");
    assert_eq!((&parameters["mol_hidden"], &parameters["inst_hidden"]), (&8.into(), &32.into()));
    assert_eq!(
        (&parameters["mol_dropout"], &parameters["aggregator_kwargs"]["topk_n"]),
        (&0.25.into(), &2.into())
    );

    // A parameter file that is typed goes before the table.
    let typed = folder.write("typed.json", br#"{ "mol_hidden": 24 }"#);
    succeeds(&["train", "--config", &config, "-o", &folder.path("other"), "--params", &typed], &[]);
    assert_eq!(resolved(&folder, "other")["mol_hidden"], 24);
}

#[test]
fn mistakes_in_a_configuration_are_named_with_what_was_meant() {
    let folder = Folder::new();
    let tables = lines(&one_task(&folder, small_numbers));
    let out = folder.path("run");
    for (text, parts) in [
        ("max_epoch = 3\n", ["run.toml", "\"max_epoch\" (did you mean \"max-epochs\"?)"]),
        ("[parametres]\nlr = 1\n", ["parametres", "did you mean \"parameters\"?"]),
        ("[parameters]\nmol_hiden = 3\n", ["run.toml", "did you mean \"mol_hidden\"?"]),
        ("[parameters]\nmol_dropout = 2\n", ["mol_dropout is 2", "between 0 and"]),
        ("parameters = 3\n", ["run.toml", "[parameters]"]),
        ("scale-features = 3\n", ["scale-features", "true or false"]),
        ("seed = [1, 2]\n", ["seed", "one value"]),
        ("seed == 1\n", ["run.toml", "line 6"]),
    ] {
        let config = folder.write("run.toml", format!("{tables}device = \"cpu\"\n{text}").as_bytes());
        refuses(&["train", "--config", &config, "-o", &out], &[], &parts);
    }
    refuses(
        &["train", "--config", &folder.path("none.toml"), "-o", &out],
        &[],
        &["none.toml", "No such file"],
    );
    assert!(!fs::exists(&out).expect("known"), "nothing is written");
}

#[test]
fn without_a_2d_table_the_model_sees_conformers_only() {
    let folder = Folder::new();
    let tables = one_task(&folder, small_numbers);
    let out = folder.path("run");
    succeeds(&[["train", "-o", &out].as_slice(), &FAST].concat(), &without_2d(&tables));
    let bytes = bundle(&folder, "run");
    let reader = BundleReader::open(&bytes).expect("bundle");
    assert_eq!((reader.manifest().models[0].config.mol_dim, reader.manifest().features_2d.len()), (0, 0));

    let (labels, feat3d) = (folder.path("labels.csv"), folder.path("feat3d.csv"));
    let (model, predicted) = (folder.path("run/model.optimil"), folder.path("predicted.csv"));
    let arguments = ["predict", &model, "--labels", &labels, "--feat3d", &feat3d, "--split", "leaderboard"];
    succeeds(&[arguments.as_slice(), &["--device", "cpu", "-o", &predicted]].concat(), &[]);
    assert_eq!(numbers(&predicted), numbers(&folder.path("run/leaderboard_attn.csv")));
    // A model with a 2D branch is not content without its features.
    let both = folder.path("both");
    succeeds(&[["train", "-o", &both].as_slice(), &FAST].concat(), &tables);
    let model = folder.path("both/model.optimil");
    let arguments = ["predict", &model, "--labels", &labels, "--feat3d", &feat3d, "-o", &predicted];
    refuses(&arguments, &["--device".into(), "cpu".into()], &["2D", "missing"]);
}

#[test]
fn scaled_features_make_the_unit_of_a_feature_irrelevant() {
    let train = |folder: &Folder, features: fn(usize) -> [String; 3], run: &str| {
        let out = folder.path(run);
        let arguments = ["train", "--scale_features", "-o", &out];
        succeeds(&[arguments.as_slice(), &FAST].concat(), &one_task(folder, features));
        numbers(&folder.path(&format!("{run}/leaderboard_attn.csv")))
    };
    let folder = Folder::new();
    let plain = train(&folder, small_numbers, "plain");
    let bytes = bundle(&folder, "plain");
    let reader = BundleReader::open(&bytes).expect("bundle");
    let weights = reader.weights(&reader.manifest().models[0]).expect("weights");
    for input in ["2d", "3d"] {
        for statistic in ["mean", "std"] {
            let name = format!("feature_scale_{input}.{statistic}");
            assert!(weights.get(&name).is_some(), "{name}");
        }
    }
    let in_other_units = |row: usize| {
        small_numbers(row).map(|x| (1000.0 * x.parse::<f32>().expect("number") - 7.0).to_string())
    };
    let folder = Folder::new();
    let scaled = train(&folder, in_other_units, "scaled");
    assert_eq!(plain.len(), scaled.len());
    for (plain, scaled) in plain.iter().zip(&scaled) {
        assert!((plain - scaled).abs() < 1e-4, "{plain} and {scaled}");
    }
    // The bundle scales whoever predicts with it.
    let (model, predicted) = (folder.path("scaled/model.optimil"), folder.path("predicted.csv"));
    let files =
        ["labels", "feat2d", "feat3d"].map(|name| [format!("--{name}"), folder.path(&format!("{name}.csv"))]);
    let arguments = ["predict", &model, "--split", "leaderboard", "--device", "cpu", "-o", &predicted];
    succeeds(&arguments, &files.concat());
    for (predicted, trained) in numbers(&predicted).iter().zip(&scaled) {
        assert!((predicted - trained).abs() < 1e-6);
    }
}
