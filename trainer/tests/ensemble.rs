//! Ensembles on the command line: joining bundles, and what the joined one predicts.

mod program;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shared_model::bundle::BundleReader;

use self::program::{Folder, SMALL, one_task, refuses, small_numbers, succeeds};

/// Trains three models of one task with different seeds, the last of another size: `s<seed>/model.optimil`.
fn three_models(folder: &Folder) -> ([String; 3], Vec<String>) {
    let tables = one_task(folder, small_numbers);
    let mut larger: Value = serde_json::from_str(SMALL).expect("JSON");
    larger["mol_hidden"] = json!(40);
    let parameters = [SMALL.to_owned(), SMALL.to_owned(), larger.to_string()];
    let bundles = [0, 1, 2].map(|seed: usize| {
        let out = folder.path(&format!("s{seed}"));
        let parameters = folder.write("parameters.json", parameters[seed].as_bytes());
        let seed = seed.to_string();
        let arguments = ["--params", &parameters, "--device", "cpu", "--max-epochs", "2", "--out", &out];
        succeeds(&[&["train", "--seed", &seed], &arguments[..]].concat(), &tables);
        format!("{out}/model.optimil")
    });
    // The schema travels in the bundle.
    let at = tables.iter().position(|word| word == "--schema").expect("given");
    let tables = [&tables[..at], &tables[at + 2..]].concat();
    (bundles, tables)
}

/// Names of the columns, and the numbers of each row.
fn read_table(path: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let names = reader.headers().expect("header").iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|record| record.expect("row").iter().skip(2).map(|cell| cell.parse().expect("number")).collect())
        .collect();
    (names, rows)
}

fn predict(folder: &Folder, bundle: &str, tables: &[String], more: &[&str]) -> (Vec<String>, Vec<Vec<f64>>) {
    let out = folder.path("predicted.csv");
    succeeds(&[&["predict", bundle, "--device", "cpu", "-o", &out], more].concat(), tables);
    read_table(&out)
}

#[test]
fn an_ensemble_predicts_the_mean_of_its_members_and_how_far_they_agree() {
    let folder = Folder::new();
    let ([a, b, c], tables) = three_models(&folder);
    let out = folder.path("ensemble.optimil");
    let said = succeeds(&["ensemble", &a, &b, &c, "-o", &out], &[]);
    assert!(said.contains("joined 3 models with 4 molecules"), "{said}");

    let bytes = fs::read(&out).expect("bundle");
    let reader = BundleReader::open(&bytes).expect("bundle");
    let models = &reader.manifest().models;
    // All files are called alike: the folders tell them apart.
    assert_eq!(models.iter().map(|model| &*model.name).collect::<Vec<_>>(), ["s0", "s1", "s2"]);
    assert_eq!(models[2].config.mol_hidden, 40);
    assert_eq!(models[1].training.as_ref().expect("trained here").seed, 1);
    assert_eq!(reader.features().expect("features").expect("travel along").len(), 4);

    let single = [&a, &b, &c].map(|bundle| predict(&folder, bundle, &tables, &[]));
    assert_eq!(single[0].0, ["ID", "conf_id", "pred_active", "attn_active"]);
    let (names, rows) = predict(&folder, &out, &tables, &["--members"]);
    let expected = [
        "ID",
        "conf_id",
        "pred_active",
        "attn_active",
        "pred_std_active",
        "attn_std_active",
        "pred_active[s0]",
        "attn_active[s0]",
        "pred_active[s1]",
        "attn_active[s1]",
        "pred_active[s2]",
        "attn_active[s2]",
    ];
    assert_eq!(names, expected);
    assert_eq!(rows.len(), 12);
    for (row, numbers) in rows.iter().enumerate() {
        let members: Vec<f64> = single.iter().map(|(_, rows)| rows[row][0]).collect();
        let mean = members.iter().sum::<f64>() / 3.0;
        let variance = members.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((numbers[0] - mean).abs() < 1e-6 && (numbers[2] - variance.sqrt()).abs() < 1e-6);
        assert_eq!([numbers[4], numbers[6], numbers[8]].to_vec(), members);
        assert!(numbers[2] > 0.0, "the members differ");
        // One conformer has all the attention of every member.
        assert_eq!((numbers[1], numbers[3]), (1.0, 0.0));
    }
    let (names, _) = predict(&folder, &out, &tables, &[]);
    assert_eq!(names, expected[..6]);
}

#[test]
fn an_ensemble_joins_another_under_given_names() {
    let folder = Folder::new();
    let ([a, b, c], tables) = three_models(&folder);
    let (pair, all) = (folder.path("pair.optimil"), folder.path("all.optimil"));
    succeeds(&["ensemble", &a, &b, "-o", &pair, "--names", "seed 0, seed 1"], &[]);
    succeeds(&["ensemble", &pair, &c, "-o", &all, "--names", "small,large"], &[]);
    let bytes = fs::read(&all).expect("bundle");
    let reader = BundleReader::open(&bytes).expect("bundle");
    let names: Vec<&str> = reader.manifest().models.iter().map(|model| &*model.name).collect();
    assert_eq!(names, ["small/seed 0", "small/seed 1", "large"]);
    // The molecules of all three, each once.
    assert_eq!(reader.molecules().expect("molecules").expect("some").len(), 4);
    let (_, rows) = predict(&folder, &all, &tables, &[]);
    assert_eq!(rows.len(), 12);
}

#[test]
fn bundles_that_do_not_belong_together_are_refused_with_the_first_difference() {
    let folder = Folder::new();
    let ([a, b, _], _) = three_models(&folder);
    let other = folder.imported_bundle();
    let out = folder.path("out.optimil");
    let refused = |arguments: &[&str], parts: &[&str]| {
        refuses(&[&["ensemble", "-o", &out], arguments].concat(), &[], parts);
        assert!(!Path::new(&out).exists(), "no partial result");
    };
    refused(&[&a, &other], &["imported.optimil", "task 1", "\"active\"", "same tasks"]);
    refused(&[&a, &a], &["--names"]);
    refused(&[&a, &a, "--names", "x,x"], &["\"x\"", "--names"]);
    refused(&[&a, &b, "--names", "x"], &["1 names for 2 bundles"]);
    refused(&[&a, &folder.path("none.optimil")], &["none.optimil", "No such file"]);
    let cut = folder.write("cut.optimil", &fs::read(&b).expect("bundle")[..5000]);
    refused(&[&a, &cut], &["cut.optimil", "incomplete or damaged"]);
}

#[test]
fn molecules_of_other_tables_are_refused_by_name() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let ([first, _, _], _) = three_models(&folder);
    let tables = one_task(&elsewhere, |row| small_numbers(row + 1));
    let run = elsewhere.path("run");
    let parameters = elsewhere.write("parameters.json", SMALL.as_bytes());
    let arguments = ["train", "--params", &parameters, "--device", "cpu", "--max-epochs", "1", "--out", &run];
    succeeds(&arguments, &tables);
    let out = folder.path("out.optimil");
    let other = format!("{run}/model.optimil");
    refuses(
        &["ensemble", &first, &other, "-o", &out],
        &[],
        &["\"M8\"", "other features", "run/model.optimil"],
    );
}

#[test]
fn what_members_say_is_only_written_of_an_ensemble() {
    let folder = Folder::new();
    let ([a, _, _], tables) = three_models(&folder);
    let out = folder.path("out.csv");
    let arguments = ["predict", &a, "--members", "--device", "cpu", "-o", &out];
    refuses(&arguments, &tables, &["s0/model.optimil", "one model", "--members"]);
}
