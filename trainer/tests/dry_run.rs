//! `optimil train --dry-run`: all of the checks, none of the work.

mod program;

use std::fs;

use self::program::{Folder, SMALL, chromophores, features, one_task, refuses, small_numbers, succeeds};

#[test]
fn a_dry_run_tells_what_a_run_would_take_and_writes_nothing() {
    let folder = Folder::new();
    let (labels, schema) = (chromophores("labels.csv"), chromophores("schema.toml"));
    let parameters = folder.write("parameters.json", SMALL.as_bytes());
    let out = folder.path("deep/run");
    let arguments = [
        "train",
        "--dry-run",
        "--labels",
        &labels,
        "--schema",
        &schema,
        "--params",
        &parameters,
        "--device",
        "cpu",
        "--out",
        &out,
    ];
    let text = succeeds(&arguments, &features());
    for part in [
        "# split train: 509 molecules, 1518 conformers",
        "# split leaderboard: 131 molecules, 364 conformers",
        "Absorbs_near_uv: 81 positives",
        "parameters of the network:",
        "4 batches of",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
    assert_eq!(folder.names().len(), 1, "nothing beside the parameters");
}

#[test]
fn what_a_dry_run_prints_is_a_configuration_that_runs() {
    let folder = Folder::new();
    let (out, parameters) = (folder.path("run"), folder.write("p.json", br#"{ "mol_hidden": 16 }"#));
    let arguments = [
        "train",
        "--dry-run",
        "--params",
        &parameters,
        "--device",
        "cpu",
        "--max-epochs",
        "1",
        "--out",
        &out,
    ];
    let text = succeeds(&arguments, &one_task(&folder, small_numbers));
    assert!(!fs::exists(&out).expect("known"));
    let config = folder.write("run.toml", text.as_bytes());
    succeeds(&["train", "--config", &config, "--out", &out], &[]);
    let written = fs::read_to_string(folder.path("run/run.toml")).expect("configuration");
    assert!(text.starts_with(&written), "{text}");
}

#[test]
fn a_dry_run_finds_the_mistakes_of_a_run() {
    let folder = Folder::new();
    let tables = one_task(&folder, small_numbers);
    let in_the_way = folder.write("file", b"");
    let dry_run = ["train", "--dry-run", "--device", "cpu", "--out"];
    refuses(&[dry_run.as_slice(), &[&in_the_way]].concat(), &tables, &["file", "cannot be written"]);
    let out = folder.path("run");
    let bad = folder.write("bad.json", br#"{ "lr": 7 }"#);
    refuses(&[dry_run.as_slice(), &[&out, "--params", &bad]].concat(), &tables, &["lr is 7"]);
    let last_row_is_bad = fs::read_to_string(folder.path("feat3d.csv")).expect("table") + "M1,9,abc\n";
    folder.write("feat3d.csv", last_row_is_bad.as_bytes());
    refuses(&[dry_run.as_slice(), &[&out]].concat(), &tables, &["feat3d.csv", "abc"]);
}
