//! `optimil cv` and `optimil report` as a user runs them.

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use program::{Folder, one_task, optimil, repository, small_numbers, succeeds};
use serde_json::Value;
use shared_model::bundle::BundleReader;
use trainer::prediction_table::PredictionTable;

const TINY: &str = r#"{ "mol_hidden": 8, "mol_layers": 1, "inst_hidden": 8, "inst_layers": 1, "attn_heads": 2,
    "proj_dim": 8, "mixer_hidden": 8, "mixer_layers": 1, "head_num_layers": 1, "batch_size": 32 }"#;

/// Tables, parameters and limits of a run of moments.
fn tables(folder: &Folder) -> Vec<String> {
    let fixture = |name: &str| repository(&format!("trainer/tests/fixtures/data/{name}.csv"));
    [
        ("labels", fixture("labels")),
        ("feat2d", fixture("feat2d_scaled")),
        ("feat3d", fixture("feat3d_scaled")),
        ("feat3d-qm", fixture("feat3d_qm_scaled")),
        ("params", folder.write("tiny.json", TINY.as_bytes())),
        ("device", "cpu".into()),
        ("max-epochs", "2".into()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [format!("--{name}"), value])
    .collect()
}

/// Asserts exit code 2 and a last line on standard error, after notes, that holds all of `parts`.
fn refuses(arguments: &[&str], more: &[String], parts: &[&str]) {
    let output = optimil(arguments, more);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    let (last, before) =
        text.lines().collect::<Vec<_>>().split_last().map(|(l, b)| (*l, b.to_vec())).expect("a line");
    assert!(last.starts_with("optimil: ") && before.iter().all(|line| line.starts_with("note: ")), "{text}");
    for part in parts {
        assert!(last.contains(part), "\"{part}\" is not in: {last}");
    }
}

fn rows(path: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).expect("CSV");
    let row = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(path).expect("file")).expect("JSON")
}

/// Asserts that every element is closed where it was opened, and that nothing is loaded from anywhere.
fn assert_stands_alone(html: &str) {
    let mut open = Vec::new();
    let body = html.split_once("</style>").expect("styles").1;
    for tag in body.split('<').skip(1).map(|tag| tag.split_once('>').expect("a tag ends").0) {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    // Opened before the styles.
    assert!(open.is_empty(), "{open:?}");
    for foreign in ["<script", "src=", "url(", "@import", "http://", "https://", "<link", "NaN"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

fn report(path: &str) -> String {
    let html = fs::read_to_string(path).expect("a report");
    // The head and the document were opened before the styles.
    assert_stands_alone(&html.replace("</head>", "").replace("</html>", ""));
    html
}

#[test]
fn a_cross_validation_leaves_folds_predictions_summary_and_report() {
    let folder = Folder::new();
    let out = folder.path("cv");
    let arguments = ["cv", "--ablation", "one-conformer", "--accuracy", "--out", &out];
    let told = succeeds(&arguments, &tables(&folder));
    for part in ["Fluorescence_more_than_480", "accuracy at 0.5", "ablations minus full model", "report.html"]
    {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    let file = |name: &str| Path::new(&out).join(name).to_str().expect("UTF-8").to_owned();
    assert_eq!(rows(&file("folds.csv")).len(), 4 * 4, "four folds, four tasks");
    let predictions =
        PredictionTable::read_csv(Path::new(&file("oof_predictions.csv"))).expect("predictions");
    let molecules: BTreeSet<&String> = predictions.ids.iter().collect();
    assert_eq!(molecules.len(), predictions.len(), "each molecule once");
    assert!(fs::read(file("oof_predictions.parquet")).expect("Parquet").starts_with(b"PAR1"));
    let bytes = fs::read(file("model.optimil")).expect("bundle");
    let bundle = BundleReader::open(&bytes).expect("bundle");
    let names: Vec<&str> = bundle.manifest().models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["fold 0", "fold 1", "fold 2", "fold 3"], "one ensemble of all folds");
    assert_eq!(rows(&file("ablations.csv")).len(), 5 * 2, "macro and four tasks, two metrics");
    let summary = json(&file("cv_summary.json"));
    assert_eq!(summary["tasks"][0]["molecules"], predictions.len());
    assert_eq!(summary["ablations"][0]["name"], "one-conformer");
    assert_eq!(json(&file("params.json"))["mol_hidden"], 8);
    let html = report(&file("report.html"));
    for part in ["Cross-validation", "one-conformer", "Fluorescence_340_450", "Each fold chose its epoch"] {
        assert!(html.contains(part), "{part}");
    }

    // A second start does not write over the first; a resumed one trains what is missing and ends the same.
    refuses(&arguments, &tables(&folder), &["--resume", "another folder"]);
    let kept = fs::read(file("oof_predictions.csv")).expect("predictions");
    fs::remove_dir_all(file("folds/repeat-0-fold-1")).expect("removed");
    fs::remove_dir_all(file("ablations/one-conformer/folds/repeat-0-fold-3")).expect("removed");
    let resume = ["cv", "--ablation", "one-conformer", "--accuracy", "--resume", "--out", &out];
    let output = optimil(&resume, &tables(&folder));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("(kept)").count(), 6, "of eight folds: {told}");
    assert_eq!(fs::read(file("oof_predictions.csv")).expect("predictions"), kept);
    let mut resumed = json(&file("cv_summary.json"));
    resumed["created"] = summary["created"].clone();
    assert_eq!(resumed, summary);
    refuses(&["train", "--out", &out], &tables(&folder), &["holds a cross-validation", "another folder"]);
    let other = ["cv", "--seed", "1", "--resume", "--out", &out];
    refuses(&other, &tables(&folder), &["differs in seed"]);
}

#[test]
fn random_folds_are_repeated_and_wrong_wishes_refused() {
    let folder = Folder::new();
    let out = folder.path("cv");
    let cv = ["cv", "--folds", "2", "--repeats", "2", "--out", &out];
    succeeds(&cv, &tables(&folder));
    let folds = rows(&format!("{out}/folds.csv"));
    let keys: BTreeSet<[&str; 2]> = folds.iter().map(|row| [&*row[0], &*row[1]]).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]);
    report(&format!("{out}/report.html"));
    let other = folder.path("other");
    refuses(&["cv", "--folds", "1000", "--out", &other], &tables(&folder), &["1000 folds", "at most"]);
    let output = optimil(&["cv", "--ablation", "no-atoms", "--out", &other], &tables(&folder));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && told.contains("uniform-attention"), "{told}");
    assert!(!Path::new(&other).exists(), "nothing is begun");
}

#[test]
fn a_training_run_is_reported_from_its_folder_alone() {
    let folder = Folder::new();
    let out = folder.path("run");
    succeeds(&["train", "--out", &out], &tables(&folder));
    let predictions =
        PredictionTable::read_csv(Path::new(&format!("{out}/predictions.csv"))).expect("predictions");
    let labels = rows(&repository("trainer/tests/fixtures/data/labels.csv"));
    let expected: Vec<String> =
        labels.iter().filter(|row| row[2] == "leaderboard").map(|row| row[0].clone()).collect();
    assert!(predictions.ids.iter().all(|id| expected.contains(id)) && !predictions.is_empty());
    let written = report(&format!("{out}/report.html"));
    for part in ["best epoch", "Conformers per molecule", "Reliability", "mol_hidden", "leaderboard"] {
        assert!(written.contains(part), "{part}");
    }

    for command in ["train", "cv"] {
        refuses(&[command, "--out", &out], &tables(&folder), &["holds a", "run: choose another folder"]);
    }
    let again = folder.path("again.html");
    succeeds(&["report", &out, "-o", &again], &[]);
    assert_eq!(report(&again), written);

    let empty = folder.path("nothing");
    fs::create_dir(&empty).expect("created");
    refuses(&["report", &empty], &[], &["not the folder of a finished run"]);
    fs::write(format!("{out}/predictions.csv"), "ID\n").expect("written");
    refuses(&["report", &out], &[], &["predictions.csv", "columns must be"]);
    assert!(!Path::new(&format!("{empty}/report.html")).exists());
}

#[test]
fn conformers_alone_are_enough() {
    let folder = Folder::new();
    let mut options = one_task(&folder, small_numbers);
    let at = options.iter().position(|option| option == "--feat2d").expect("given");
    options.drain(at..at + 2);
    let out = folder.path("cv");
    let params = folder.write("params.json", TINY.as_bytes());
    let cv =
        ["cv", "--folds", "2", "--max-epochs", "1", "--device", "cpu", "--params", &params, "--out", &out];
    let told = succeeds(&[&cv[..], &["--ablations"]].concat(), &options);
    assert!(told.contains("active") && !told.contains("ablations minus"), "one conformer each: {told}");
    report(&format!("{out}/report.html"));
}

#[test]
fn the_report_says_on_what_epochs_were_chosen() {
    let folder = Folder::new();
    let out = folder.path("cv");
    let printed =
        succeeds(&["cv", "--folds", "2", "--choose-epoch", "inner", "--out", &out], &tables(&folder));
    assert!(printed.contains("epochs were chosen on other molecules"), "{printed}");
    assert_eq!(json(&folder.path("cv/cv_summary.json"))["epoch_chosen_on"], "inner_split");
    let html = report(&folder.path("cv/report.html"));
    assert!(html.contains("Each fold chose its epoch on a fifth of its training molecules"));
    refuses(&["cv", "--folds", "2", "--resume", "--out", &out], &tables(&folder), &["epoch_chosen_on"]);
}

#[test]
fn a_signal_ends_a_cross_validation_cleanly_and_it_goes_on() {
    let folder = Folder::new();
    let mut options = tables(&folder);
    options.truncate(options.len() - 2);
    let run = |name: &str, epochs: &str, more: &[&str]| {
        let out = folder.path(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_optimil"));
        command.args(["cv", "--folds", "2", "--max-epochs", epochs, "--patience", epochs, "--out", &out]);
        command.args(more).args(&options).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let interrupted = run("run", "60", &[]);
    let checkpoint = folder.path("run/folds/repeat-0-fold-0/checkpoint.safetensors");
    while !Path::new(&checkpoint).exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status();
    assert!(kill.expect("kill").success());
    let output = interrupted.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + 2), "{text}");
    let last = text.lines().last().expect("a sentence");
    assert!(last.contains("stopped by signal 2 in repeat 0, fold") && last.contains("--resume"), "{last}");

    assert!(run("run", "60", &["--resume"]).wait_with_output().expect("it ends").status.success());
    assert!(run("whole", "60", &[]).wait_with_output().expect("it ends").status.success());
    let predictions =
        |name: &str| fs::read(folder.path(&format!("{name}/oof_predictions.csv"))).expect("file");
    assert!(predictions("run") == predictions("whole"), "interrupted, then different");
}
