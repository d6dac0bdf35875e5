//! `optimil study`, on studies in a journal and in SQLite.

mod program;

use std::path::Path;

use parquet::record::RowAccessor;
use program::{optimil, refuses, succeeds};
use serde_json::{Map, Value, json};
use trainer::study::{Access, Direction, Distribution, NewTrial, TrialState, open};

fn x() -> Distribution {
    Distribution::Float { low: 0.0, high: 1.0, log: false, step: None }
}

/// A study with three complete trials, one that failed and one that waits.
fn study(storage: &str, name: &str) {
    let storage = open(storage, Access::Create).expect("opened");
    let study = storage.create_study(name, Direction::Maximize).expect("created");
    let kind = Distribution::Categorical { choices: vec![json!("mlp"), json!("linear")] };
    for (i, value) in [0.25, 0.75, 0.5].into_iter().enumerate() {
        let trial = storage.create_trial(study, &NewTrial::running()).expect("created").id;
        storage.set_parameter(trial, "x", value, &x()).expect("set");
        storage.set_parameter(trial, "kind", (i % 2) as f64, &kind).expect("set");
        storage.set_state(trial, TrialState::Complete, Some(value)).expect("set");
    }
    let failed = storage.create_trial(study, &NewTrial::running()).expect("created").id;
    storage.set_parameter(failed, "x", 0.125, &x()).expect("set");
    storage.set_state(failed, TrialState::Fail, None).expect("set");
    storage.create_trial(study, &NewTrial::waiting(Map::new())).expect("created");
}

fn storages(folder: &Path) -> [String; 2] {
    [
        folder.join("journal.log").display().to_string(),
        format!("sqlite:///{}", folder.join("study.db").display()),
    ]
}

#[test]
fn studies_are_listed_and_shown() {
    let folder = tempfile::tempdir().expect("folder");
    for storage in storages(folder.path()) {
        study(&storage, "first");
        let list = succeeds(&["study", "list", &storage], &[]);
        let row: Vec<_> = list.lines().nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(row, ["first", "maximize", "5", "0", "3", "0", "1", "1", "0.750000", "1"]);
        let shown = succeeds(&["study", "show", &storage, "--sort", "value", "--limit", "2"], &[]);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[..2], ["first (maximize), 5 trials", "best: trial 1 with 0.75"]);
        let numbers: Vec<_> =
            lines[4..6].iter().map(|line| line.split_whitespace().next().expect("a cell")).collect();
        assert_eq!((numbers, lines[6]), (vec!["1", "2"], "… and 3 more"));
        study(&storage, "second");
        refuses(&["study", "show", &storage], &[], &["2 studies", "--study", "first, second"]);
        refuses(&["study", "show", &storage, "--study", "secnd"], &[], &["did you mean \"second\"?"]);
        assert!(succeeds(&["study", "show", &storage, "--study", "second"], &[]).starts_with("second"));
    }
}

#[test]
fn the_best_parameters_are_those_that_training_takes() {
    let folder = tempfile::tempdir().expect("folder");
    let [journal, _] = storages(folder.path());
    study(&journal, "study");
    let text = succeeds(&["study", "best", &journal], &[]);
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), json!({ "x": 0.75, "kind": "linear" }));
    let file = folder.path().join("best.json");
    succeeds(&["study", "best", &journal, "-o", file.to_str().expect("UTF-8")], &[]);
    assert_eq!(std::fs::read_to_string(file).expect("written"), text);
}

#[test]
fn trials_are_exported_as_tables() {
    let folder = tempfile::tempdir().expect("folder");
    let [journal, _] = storages(folder.path());
    study(&journal, "study");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["trials.csv", "trials.json", "trials.parquet"] {
        succeeds(&["study", "export", &journal, "-o", &path(name)], &[]);
    }
    let mut csv = csv::Reader::from_path(path("trials.csv")).expect("opened");
    let header: Vec<_> = csv.headers().expect("a header").iter().map(str::to_owned).collect();
    let expected = [
        "number",
        "value",
        "datetime_start",
        "datetime_complete",
        "duration",
        "params_kind",
        "params_x",
        "system_attrs_fixed_params",
        "state",
    ];
    assert_eq!(header, expected);
    let rows: Vec<_> = csv.records().map(|row| row.expect("a row")).collect();
    assert_eq!([&rows[1][0], &rows[1][1], &rows[1][5], &rows[1][8]], ["1", "0.75", "linear", "COMPLETE"]);
    assert_eq!([&rows[4][1], &rows[4][2], &rows[4][8]], ["", "", "WAITING"]);
    let json: Value =
        serde_json::from_slice(&std::fs::read(path("trials.json")).expect("read")).expect("JSON");
    assert_eq!(
        (&json[3]["state"], &json[3]["value"], &json[3]["params_x"]),
        (&json!("FAIL"), &Value::Null, &json!(0.125))
    );
    let parquet = std::fs::File::open(path("trials.parquet")).expect("opened");
    let reader = parquet::file::reader::SerializedFileReader::new(parquet).expect("Parquet");
    let rows: Vec<_> = reader.into_iter().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1].get_double(1).expect("a value"), 0.75);
    assert_eq!(rows[1].get_string(5).expect("a choice"), "linear");
    refuses(&["study", "export", &journal, "-o", &path("trials.xlsx")], &[], &["trials.xlsx", ".parquet"]);
}

#[test]
fn a_study_is_copied_to_another_storage() {
    let folder = tempfile::tempdir().expect("folder");
    let [journal, sqlite] = storages(folder.path());
    study(&journal, "study");
    succeeds(&["study", "export", &journal, "--to", &sqlite], &[]);
    let read = |name: &str| {
        let storage = open(name, Access::Existing).expect("opened");
        let study = storage.studies().expect("read").remove(0);
        let trials = storage.trials(study.id).expect("read");
        let trials =
            trials.into_iter().map(|trial| (trial.number, trial.state, trial.values, trial.parameters));
        (study.name, study.directions, trials.collect::<Vec<_>>())
    };
    assert_eq!(read(&journal), read(&sqlite));
    refuses(&["study", "export", &journal, "--to", &sqlite], &[], &["has a study \"study\" already"]);
}

#[test]
fn failed_trials_are_tried_again_up_to_a_limit() {
    let folder = tempfile::tempdir().expect("folder");
    let [journal, _] = storages(folder.path());
    study(&journal, "study");
    refuses(&["study", "retry", &journal, "--trial", "1"], &[], &["trial 1 did not fail: it is COMPLETE"]);
    let storage = open(&journal, Access::Existing).expect("opened");
    let id = storage.studies().expect("read")[0].id;
    for attempt in 1..=3 {
        let text = succeeds(&["study", "retry", &journal], &[]);
        let queued = if attempt < 3 { "1 failed trials are waiting" } else { "0 failed trials are waiting" };
        assert!(text.starts_with(queued), "{attempt}: {text}");
        let trials = storage.trials(id).expect("read");
        let last = trials.last().expect("trials");
        if last.state == TrialState::Waiting {
            assert_eq!(last.system_attributes["failed_trial"], 3);
            assert_eq!(last.parameters["x"].internal, 0.125);
            assert!(storage.set_state(last.id, TrialState::Running, None).expect("taken up"));
            storage.set_state(last.id, TrialState::Fail, None).expect("failed again");
        }
    }
    let trials = storage.trials(id).expect("read");
    assert_eq!(trials.last().expect("trials").system_attributes["retry_history"], json!([3, 5]));
}

#[test]
fn what_is_no_storage_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().expect("folder");
    let [journal, sqlite] = storages(folder.path());
    refuses(&["study", "list", &journal], &[], &["journal.log", "there is no such file"]);
    refuses(&["study", "list", &sqlite], &[], &["study.db", "there is no such file"]);
    refuses(
        &["study", "list", "mysql://me:secret@host/db"],
        &[],
        &["journal file", "sqlite:///", "postgresql://"],
    );
    let output = optimil(&["study", "list", "postgresql://me:secret@127.0.0.1:1/db"], &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && !text.contains("secret"), "{text}");
    std::fs::write(folder.path().join("notes.txt"), "not a journal\n").expect("written");
    let notes = folder.path().join("notes.txt").display().to_string();
    refuses(&["study", "list", &notes], &[], &["notes.txt", "line 1"]);
    study(&journal, "empty");
    let storage = open(&journal, Access::Existing).expect("opened");
    let other = storage.create_study("untried", Direction::Minimize).expect("created");
    assert!(storage.trials(other).expect("read").is_empty());
    refuses(&["study", "best", &journal, "--study", "untried"], &[], &["no complete trial yet"]);
}
