//! `optimil explain`: its tables, beside what `optimil predict` says of the same molecules.

mod program;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use shared_model::bundle::{BundleContents, BundleReader, write};

use self::program::{Folder, chromophores, features, imported, refuses, succeeds};

type Row = BTreeMap<String, String>;

fn read(path: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let names: Vec<String> = reader.headers().expect("header").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| {
        let record = record.expect("row");
        names.iter().cloned().zip(record.iter().map(str::to_owned)).collect()
    });
    rows.collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {:?}", row[column]))
}

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-5, "{what}: {found}, expected {expected}");
}

/// Tasks of the rows, in their order.
fn tasks(rows: &[Row]) -> Vec<String> {
    let mut tasks: Vec<String> = Vec::new();
    for row in rows {
        if !tasks.contains(&row["task"]) {
            tasks.push(row["task"].clone());
        }
    }
    tasks
}

#[test]
fn attention_and_probabilities_are_those_of_predict() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let (out, predicted) = (folder.path("e.csv"), folder.path("p.csv"));
    let said = succeeds(&["explain", &bundle, "--device", "cpu", "-o", &out], &[]);
    assert!(said.contains("explained 640 molecules (1882 conformers)"), "{said}");
    let labels = imported("labels.csv");
    let predict = ["predict", &bundle, "--labels", &labels, "--device", "cpu", "-o", &predicted];
    succeeds(&predict, &features());

    let (rows, summary, predicted) = (read(&out), read(&folder.path("e_summary.csv")), read(&predicted));
    let tasks = tasks(&rows);
    assert_eq!((rows.len(), summary.len()), (4 * predicted.len(), 4 * 640));
    let predicted: BTreeMap<(&str, &str), &Row> =
        predicted.iter().map(|row| ((row["ID"].as_str(), row["conf_id"].as_str()), row)).collect();
    for row in &rows {
        let predicted = predicted[&(row["ID"].as_str(), row["conf_id"].as_str())];
        near(number(row, "attention"), number(predicted, &format!("attn_{}", row["task"])), "attention");
    }
    for row in &summary {
        let predicted = predicted[&(row["ID"].as_str(), "0")];
        near(number(row, "probability"), number(predicted, &format!("pred_{}", row["task"])), "probability");
        let conformers = number(row, "conformers");
        assert!((1.0 - 1e-6..=conformers + 1e-5).contains(&number(row, "effective_conformers")), "{row:?}");
    }
    assert_eq!(tasks.len(), 4);
    // Of one conformer nothing can be left out.
    for row in rows.iter().filter(|row| row["ID"] == "CHR0000") {
        assert!(
            ["left_out_probability", "logit_change", "effect_rank"].iter().all(|name| row[*name].is_empty())
        );
    }
}

/// The rows of a molecule in a gzipped table, without one of its conformers.
fn cut(folder: &Folder, table: &str, id: &str, conformer: Option<&str>) -> String {
    let mut text = String::new();
    let file = File::open(chromophores(&format!("{table}.csv.gz"))).expect("opened");
    MultiGzDecoder::new(file).read_to_string(&mut text).expect("text");
    let mut lines = text.lines();
    let header = lines.next().expect("header");
    let names: Vec<&str> = header.split(',').collect();
    let column = |name: &str| names.iter().position(|&found| found == name);
    let (ids, conformers) = (column("ID").expect("ID"), column("conf_id"));
    let kept = lines.filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[ids] == id && conformers.is_none_or(|at| Some(cells[at]) != conformer)
    });
    let rows: Vec<&str> = std::iter::once(header).chain(kept).collect();
    folder.write(&format!("{table}.csv"), format!("{}\n", rows.join("\n")).as_bytes())
}

#[test]
fn a_conformer_left_out_is_one_that_the_tables_do_not_have() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let all = folder.path("all.csv");
    succeeds(&["explain", &bundle, "--device", "cpu", "-o", &all], &[]);
    let rows = read(&all);
    let id = rows.iter().find(|row| row["conf_id"] == "2").expect("three conformers")["ID"].clone();
    let rows: Vec<&Row> = rows.iter().filter(|row| row["ID"] == id).collect();
    let labels = folder.write("labels.csv", format!("ID\n{id}\n").as_bytes());
    for conformer in rows.iter().map(|row| &row["conf_id"]).collect::<std::collections::BTreeSet<_>>() {
        let tables = ["feat2d", "feat3d", "feat3d-qm"].into_iter().flat_map(|table| {
            let name = format!("{}_scaled", table.replace('-', "_"));
            [format!("--{table}"), cut(&folder, &name, &id, Some(conformer))]
        });
        let out = folder.path("p.csv");
        let predict = ["predict", &bundle, "--labels", &labels, "--device", "cpu", "-o", &out];
        succeeds(&predict, &tables.collect::<Vec<_>>());
        let predicted = &read(&out)[0];
        for row in rows.iter().filter(|row| row["conf_id"] == *conformer) {
            let expected = number(predicted, &format!("pred_{}", row["task"]));
            near(number(row, "left_out_probability"), expected, "left out");
            let change = number(row, "probability_change");
            assert!((change < 0.0) == (number(row, "logit_change") < 0.0), "of one sign: {row:?}");
        }
    }
}

#[test]
fn molecules_come_from_the_bundle_or_from_tables_and_can_be_chosen() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let labels = imported("labels.csv");
    let explain = |out: &str, more: &[&str], tables: &[String]| {
        let out = folder.path(out);
        succeeds(&[&["explain", &bundle, "--device", "cpu", "-o", &out], more].concat(), tables);
        fs::read_to_string(out).expect("written")
    };
    let chosen = ["--molecule", "CHR0002", "--molecule", "CHR0000", "--curves"];
    let of_bundle = explain("bundle.csv", &chosen, &[]);
    assert_eq!(
        of_bundle,
        explain("tables.csv", &[&chosen[..], &["--labels", &labels]].concat(), &features())
    );
    let ids: Vec<String> =
        read(&folder.path("bundle_summary.csv")).iter().map(|row| row["ID"].clone()).collect();
    assert_eq!(ids, [["CHR0002"; 4], ["CHR0000"; 4]].concat());
    // Only the molecule of two conformers has curves, which meet in the whole bag.
    let (curves, summary) =
        (read(&folder.path("bundle_curves.csv")), read(&folder.path("bundle_summary.csv")));
    assert_eq!(curves.len(), 8);
    for (point, summary) in curves.iter().filter(|row| row["kept"] == "2").zip(&summary) {
        for name in ["deletion", "insertion", "random"] {
            assert_eq!((&point["ID"], &point[name]), (&summary["ID"], &summary["probability"]));
        }
    }
    let of_split = explain("split.csv", &["--split", "leaderboard"], &[]);
    assert!(of_split.len() > of_bundle.len() && !folder.path("split_curves.csv").is_empty());
    assert!(!Path::new(&folder.path("split_curves.csv")).exists(), "curves only where asked for");
}

#[test]
fn an_ensemble_has_a_spread_beside_every_mean() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let (twice, out) = (folder.path("twice.optimil"), folder.path("e.parquet"));
    succeeds(&["ensemble", &bundle, &bundle, "--names", "a,b", "-o", &twice], &[]);
    let explain = ["--molecule", "CHR0002", "--device", "cpu"];
    succeeds(&[&["explain", &twice, "-o", &out], &explain[..]].concat(), &[]);
    let columns = |path: &str| -> Vec<String> {
        let reader =
            SerializedFileReader::new(File::open(folder.path(path)).expect("opened")).expect("Parquet");
        assert!(reader.metadata().file_metadata().num_rows() > 0);
        let schema = reader.metadata().file_metadata().schema();
        schema.get_fields().iter().map(|field| field.name().to_owned()).collect()
    };
    let found = columns("e.parquet");
    let expected = "ID conf_id task attention attention_std attention_rank left_out_probability \
         left_out_probability_std probability_change probability_change_std logit_change logit_change_std effect_rank";
    assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
    let expected = "ID task conformers probability probability_std uniform_probability uniform_probability_std \
         effective_conformers agreement deletion_area deletion_area_std insertion_area insertion_area_std random_area \
         random_area_std random_exact";
    assert_eq!(columns("e_summary.parquet"), expected.split_whitespace().collect::<Vec<_>>());

    // Twice the same model: the mean is what it says, and the members agree.
    let (single, pair) = (folder.path("single.csv"), folder.path("pair.csv"));
    succeeds(&[&["explain", &bundle, "-o", &single], &explain[..]].concat(), &[]);
    succeeds(&[&["explain", &twice, "-o", &pair], &explain[..]].concat(), &[]);
    for (single, pair) in read(&single).iter().zip(&read(&pair)) {
        for column in ["attention", "left_out_probability", "logit_change"] {
            near(number(pair, column), number(single, column), column);
            near(number(pair, &format!("{column}_std")), 0.0, column);
        }
        assert!(!single.contains_key("attention_std"));
    }
}

#[test]
fn what_cannot_be_explained_is_said_in_a_sentence_and_nothing_is_written() {
    let folder = Folder::new();
    let bundle = folder.imported_bundle();
    let out = folder.path("e.csv");
    let before = folder.names().len();
    let refused = |arguments: &[&str], parts: &[&str]| {
        refuses(&[&["explain", &bundle, "--device", "cpu"], arguments].concat(), &[], parts);
    };
    refused(&["-o", &folder.path("e.txt")], &["e.txt", ".csv or .parquet"]);
    refused(&["-o", &out, "--molecule", "CHR002"], &["\"CHR002\"", "imported.optimil", "did you mean \"CHR"]);
    refused(&["-o", &out, "--molecule", "CHR0002", "--molecule", "CHR0002"], &["named twice"]);
    refused(&["-o", &out, "--split", "test"], &["split \"test\"", "imported.optimil"]);
    assert_eq!(folder.names().len(), before, "no partial result");

    let bytes = fs::read(&bundle).expect("bundle");
    let reader = BundleReader::open(&bytes).expect("bundle");
    let manifest = reader.manifest().clone();
    let models = vec![(manifest.models[0].clone(), reader.weights(&manifest.models[0]).expect("weights"))];
    let contents = BundleContents { manifest, models, molecules: None, conformers: None };
    let alone = folder.write("alone.optimil", &write(&contents));
    refuses(&["explain", &alone, "-o", &out], &[], &["alone.optimil", "no molecules", "--labels"]);
    let nowhere = folder.path("nowhere/e.csv");
    refused(&["-o", &nowhere, "--molecule", "CHR0002"], &["nowhere/e.csv", "cannot be written"]);
    let feat2d = chromophores("feat2d_scaled.csv.gz");
    let missing = program::optimil(&["explain", &bundle, "-o", &out, "--feat2d", &feat2d], &[]);
    assert_eq!(missing.status.code(), Some(2));
    let text = String::from_utf8_lossy(&missing.stderr);
    assert!(text.contains("--feat3d <FILE>") && text.contains("--labels <FILE>"), "{text}");
}
