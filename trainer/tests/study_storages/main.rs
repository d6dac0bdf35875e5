//! Studies that Optuna and this program share, in all three storages, with the real Python packages.

#[path = "../postgres_server/mod.rs"]
mod postgres_server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use trainer::study::{
    Access, Direction, Distribution, NewTrial, Parameter, Scope, Storage, StudyRecord, Trial, TrialState,
    open,
};

use crate::postgres_server::Server;

const STUDY: &str = "a study";

/// One storage of each kind.
struct Storages {
    names: Vec<String>,
    server: Option<Server>,
    folder: TempDir,
}

impl Storages {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut names = vec![path("journal.log"), format!("sqlite:///{}", path("study.db"))];
        let server = Server::start();
        names.extend(server.as_ref().map(Server::url));
        Self { names, server, folder }
    }

    fn open(&self) -> Vec<Arc<dyn Storage>> {
        self.names.iter().map(|name| open(name, Access::Create).expect("opened")).collect()
    }
}

/// Python with a major version of Optuna; none where set-up was not run, which continuous integration does not accept.
fn python(version: u8) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let python = target.join(format!("python/optuna-{version}/bin/python"));
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "Optuna {version} is missing: scripts/setup installs it");
        eprintln!("skipped with Optuna {version}: scripts/setup installs it");
        return None;
    }
    Some(python)
}

fn command(python: &Path, task: &str, storages: &[String]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study_storages/studies.py");
    let mut command = Command::new(python);
    command.arg(script).arg(task).args(storages);
    command
}

/// What Optuna answers, a value a storage.
fn ask(python: &Path, task: &str, storages: &[String]) -> Vec<Value> {
    let output = command(python, task, storages).output().expect("Python starts");
    assert!(output.status.success(), "{task}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn bits(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { format!("{:016x}", number.to_bits()) }
}

/// A trial as the script tells it.
fn told(trial: &Trial) -> Value {
    let parameters = |value: &dyn Fn(&Parameter) -> Value| -> Map<String, Value> {
        trial.parameters.iter().map(|(name, parameter)| (name.clone(), value(parameter))).collect()
    };
    let reports = trial.intermediate.iter().map(|(step, &value)| (step.to_string(), bits(value).into()));
    let system = trial.system_attributes.clone().into_iter().filter(|(name, _)| !name.starts_with("tpe:"));
    json!({
        "number": trial.number,
        "state": trial.state.name(),
        "values": trial.values.as_ref().map(|values| values.iter().map(|&value| bits(value)).collect::<Vec<_>>()),
        "started": trial.started.is_some(),
        "completed": trial.completed.is_some(),
        "distributions": parameters(&|parameter| parameter.distribution.to_json().into()),
        "params": parameters(&|parameter| bits(parameter.internal).into()),
        "intermediate": reports.collect::<Map<_, _>>(),
        "user_attrs": trial.user_attributes,
        "system_attrs": system.collect::<Map<_, _>>(),
    })
}

/// Asserts that Optuna sees of a study what we see.
fn assert_same(storage: &dyn Storage, mut seen: Value) {
    let study = the_study(storage);
    let trials = storage.trials(study.id).expect("read");
    assert_eq!(seen["direction"], study.directions[0].expect("set").name());
    assert_eq!(seen["user_attrs"], Value::Object(study.user_attributes));
    let best = trainer::study::best(&trials, study.directions[0].expect("set")).expect("one is complete");
    assert_eq!(seen["best"], best.number);
    let theirs = seen["trials"].as_array_mut().expect("trials");
    assert_eq!(theirs.len(), trials.len());
    for (theirs, ours) in theirs.iter_mut().zip(&trials) {
        for (_, text) in theirs["distributions"].as_object_mut().expect("distributions") {
            let distribution = Distribution::from_json(text.as_str().expect("text")).expect("known");
            *text = distribution.to_json().into();
        }
        assert_eq!(*theirs, told(ours), "{}", storage.describe());
    }
}

fn the_study(storage: &dyn Storage) -> StudyRecord {
    let studies = storage.studies().expect("read");
    studies.into_iter().find(|study| study.name == STUDY).expect("there")
}

/// A study with trials of every state and parameters of every kind.
fn fill(storage: &dyn Storage) {
    let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
    storage.set_study_attribute(study, Scope::User, "who", &json!({ "ours": [1, "✓"] })).expect("set");
    storage.set_study_attribute(study, Scope::System, "study:metric_names", &json!(["ap"])).expect("set");
    let parameters = BTreeMap::from(
        [
            ("log", 1.0 / 3.0, Distribution::Float { low: 1e-5, high: 0.9, log: true, step: None }),
            ("stepped", 0.25, Distribution::Float { low: 0.0, high: 1.0, log: false, step: Some(0.25) }),
            ("whole", 7.0, Distribution::Int { low: 1, high: 9, log: false, step: 2 }),
            (
                "choice",
                2.0,
                Distribution::Categorical { choices: vec![json!("GELU"), json!(8), Value::Null, json!(0.5)] },
            ),
        ]
        .map(|(name, internal, distribution)| (name.to_owned(), Parameter { internal, distribution })),
    );
    for state in [TrialState::Complete, TrialState::Pruned, TrialState::Fail, TrialState::Running] {
        let trial = storage.create_trial(study, &NewTrial::running()).expect("created").id;
        storage.set_parameters(trial, &parameters).expect("set");
        for (step, value) in [(0, 0.1 + 0.2), (1, f64::NAN), (2, f64::NEG_INFINITY), (10, 1e-300)] {
            storage.report(trial, step, value).expect("reported");
        }
        storage.report(trial, 0, 2.0 / 3.0).expect("reported again");
        storage.set_trial_attribute(trial, Scope::User, "a \"note\"", &json!("naïve ☕\n")).expect("set");
        storage.set_trial_attribute(trial, Scope::System, "constraints:c", &json!(-1.5)).expect("set");
        storage.heartbeat(trial).expect("noted");
        let value = matches!(state, TrialState::Complete | TrialState::Pruned).then_some(0.7 / 3.0);
        if state != TrialState::Running {
            assert!(storage.set_state(trial, state, value).expect("set"));
        }
    }
    let fixed = Map::from_iter([("log".to_owned(), json!(0.5)), ("choice".to_owned(), Value::Null)]);
    storage.create_trial(study, &NewTrial::waiting(fixed)).expect("created");
    let infinite = NewTrial {
        value: Some(f64::INFINITY),
        parameters,
        state: TrialState::Complete,
        ..NewTrial::running()
    };
    storage.create_trial(study, &infinite).expect("created");
}

#[test]
fn optuna_and_its_dashboard_open_what_we_wrote() {
    let storages = Storages::new();
    for storage in storages.open() {
        fill(storage.as_ref());
    }
    for version in [5, 4] {
        let Some(python) = python(version) else { continue };
        for (storage, seen) in storages.open().iter().zip(ask(&python, "dump", &storages.names)) {
            assert_same(storage.as_ref(), seen);
        }
    }
    let Some(python) = python(5) else { return };
    for answer in ask(&python, "dashboard", &storages.names) {
        assert_eq!(answer["name"], STUDY);
        assert_eq!(answer["trials"].as_array().expect("trials").len(), 6);
        assert_eq!(answer["trials"][0]["params"].as_array().expect("parameters").len(), 4);
    }
}

#[test]
fn a_study_goes_on_from_optuna_to_us_and_back() {
    let storages = Storages::new();
    let (Some(newer), Some(older)) = (python(5), python(4)) else { return };
    let begun = ask(&newer, "begin", &storages.names);
    let opened = storages.open();
    for (storage, seen) in opened.iter().zip(begun) {
        let storage = storage.as_ref();
        assert_same(storage, seen);
        let study = the_study(storage).id;
        let waiting = storage.trials(study).expect("read").pop().expect("enqueued");
        assert_eq!(waiting.fixed_parameters().expect("fixed")["x"], json!(0.01));
        assert!(storage.set_state(waiting.id, TrialState::Running, None).expect("asked"));
        assert!(!storage.set_state(waiting.id, TrialState::Running, None).expect("asked"), "it is taken");
        let x = Distribution::Float { low: 1e-5, high: 0.1, log: true, step: None };
        storage.set_parameter(waiting.id, "x", 0.01, &x).expect("set");
        storage.set_state(waiting.id, TrialState::Complete, Some(0.3)).expect("set");
        let line = Distribution::Float { low: 1e-5, high: 0.1, log: false, step: None };
        let next = storage.create_trial(study, &NewTrial::running()).expect("created").id;
        let refused = storage.set_parameter(next, "x", 0.01, &line).expect_err("another scale").to_string();
        assert!(refused.contains("\"x\""), "{refused}");
        storage.set_state(next, TrialState::Fail, None).expect("set");
    }
    for python in [&older, &newer] {
        for (storage, seen) in opened.iter().zip(ask(python, "proceed", &storages.names)) {
            assert_same(storage.as_ref(), seen);
        }
    }
    assert_eq!(opened[0].trials(the_study(opened[0].as_ref()).id).expect("read").len(), 9 + 1 + 5 + 5);
}

/// Runs trials beside other workers: those that wait first.
fn work(storage: &dyn Storage, trials: usize) {
    let study = the_study(storage).id;
    let x = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
    for i in 0..trials {
        let mut known = storage.trials(study).expect("read").into_iter();
        let claimed = known.find(|trial| {
            trial.state == TrialState::Waiting
                && storage.set_state(trial.id, TrialState::Running, None).expect("asked")
        });
        let trial =
            claimed.unwrap_or_else(|| storage.create_trial(study, &NewTrial::running()).expect("created")).id;
        let value = i as f64 / 16.0;
        storage.set_parameter(trial, "x", value, &x).expect("set");
        storage.report(trial, 0, value).expect("reported");
        storage.report(trial, 1, value / 2.0).expect("reported");
        assert!(storage.set_state(trial, TrialState::Complete, Some(value)).expect("set"));
    }
}

#[test]
fn workers_of_both_kinds_share_a_study() {
    let storages = Storages::new();
    for storage in storages.open() {
        let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
        for _ in 0..8 {
            storage.create_trial(study, &NewTrial::waiting(Map::new())).expect("enqueued");
        }
    }
    let versions = [python(5), python(4)].into_iter().flatten();
    let pythons: Vec<_> = versions
        .map(|python| {
            let mut command = command(&python, "work", &storages.names);
            command.stdout(Stdio::null()).spawn().expect("Python starts")
        })
        .collect();
    let expected = 4 * 12 + pythons.len() * 12;
    for name in &storages.names {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| work(open(name, Access::Existing).expect("opened").as_ref(), 12));
            }
        });
    }
    for mut python in pythons {
        assert!(python.wait().expect("Python ends").success());
    }
    for storage in storages.open() {
        let trials = storage.trials(the_study(storage.as_ref()).id).expect("read");
        let numbers: BTreeSet<_> = trials.iter().map(|trial| trial.number).collect();
        assert_eq!(numbers, (0..expected as u64).collect(), "{}", storage.describe());
        for trial in trials {
            assert_eq!(trial.state, TrialState::Complete);
            assert_eq!(trial.value(), Some(trial.parameters["x"].internal));
            assert_eq!(trial.intermediate.len(), 2);
        }
    }
}

#[test]
fn a_trial_that_we_claim_while_optuna_looks_at_it_is_ours() {
    let folder = tempfile::tempdir().expect("folder");
    for version in [5, 4] {
        let Some(python) = python(version) else { continue };
        for maker in ["ours", "Optuna's"] {
            let file = folder.path().join(format!("{maker}-{version}.db"));
            let name = format!("sqlite:///{}", file.display());
            if maker == "ours" {
                let storage = open(&name, Access::Create).expect("opened");
                let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
                storage.create_trial(study, &NewTrial::waiting(Map::new())).expect("enqueued");
            } else {
                ask(&python, "enqueue", std::slice::from_ref(&name));
            }
            let mut optuna = command(&python, "claim_late", std::slice::from_ref(&name));
            optuna.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut optuna = optuna.spawn().expect("Python starts");
            let mut line = String::new();
            // Kept, so that it may say more.
            let mut said = BufReader::new(optuna.stderr.take().expect("piped"));
            said.read_line(&mut line).expect("it says something");
            assert_eq!(line, "looked\n");
            let storage = open(&name, Access::Existing).expect("opened");
            let trial = storage.trials(the_study(storage.as_ref()).id).expect("read").remove(0).id;
            assert!(storage.set_state(trial, TrialState::Running, None).expect("asked"));
            storage.set_state(trial, TrialState::Complete, Some(0.5)).expect("set");
            drop(optuna.stdin.take());
            let output = optuna.wait_with_output().expect("Python ends");
            assert!(output.status.success());
            assert_eq!(
                String::from_utf8_lossy(&output.stdout).trim(),
                "[false]",
                "{maker}, Optuna {version}"
            );
            let trial = storage.trials(the_study(storage.as_ref()).id).expect("read").remove(0);
            assert_eq!((trial.state, trial.value()), (TrialState::Complete, Some(0.5)));
        }
    }
}

#[test]
fn a_database_that_crashes_is_waited_for() {
    let mut storages = Storages::new();
    let Some(server) = &mut storages.server else { return };
    let url = server.url();
    let storage = open(&url, Access::Create).expect("opened");
    let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| work(open(&url, Access::Existing).expect("opened").as_ref(), 80)))
            .collect();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(300));
            server.stop();
            server.launch();
        }
        workers.into_iter().for_each(|worker| worker.join().expect("it went on"));
    });
    let trials = storage.trials(study).expect("read");
    assert_eq!(trials.len(), 240);
    assert!(trials.iter().all(|trial| trial.state == TrialState::Complete));
}

#[test]
fn a_trial_whose_worker_fell_silent_is_stale_in_every_storage() {
    for storage in Storages::new().open() {
        let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
        let [silent, alive, dead] =
            std::array::from_fn(|_| storage.create_trial(study, &NewTrial::running()).expect("created").id);
        storage.heartbeat(dead).expect("noted");
        std::thread::sleep(Duration::from_millis(400));
        storage.heartbeat(alive).expect("noted");
        let stale = storage.stale_trials(study, Duration::from_millis(250)).expect("read");
        assert_eq!(stale, [dead], "{}", storage.describe());
        storage.set_state(dead, TrialState::Fail, None).expect("set");
        storage.set_state(silent, TrialState::Waiting, None).expect("handed back");
        assert!(storage.heartbeat(dead).is_err(), "its worker learns that it was given up");
        assert!(storage.set_state(silent, TrialState::Running, None).expect("taken up again"));
    }
}

#[test]
fn databases_with_other_tables_are_refused() {
    let storages = Storages::new();
    let [_, sqlite, ..] = &storages.names[..] else { panic!("SQLite is the second") };
    open(sqlite, Access::Create).expect("made");
    let file = sqlite.trim_start_matches("sqlite:///");
    let Some(python) = python(5) else { return };
    for (version, expected) in [("v2.4.0.a", "optuna storage upgrade"), ("v9.0.0.a", "a newer optimil")] {
        let code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                    c.execute('UPDATE alembic_version SET version_num = ?', [sys.argv[2]]); c.commit()";
        let status = Command::new(&python).args(["-c", code, file, version]).status();
        assert!(status.expect("Python starts").success());
        let error = open(sqlite, Access::Existing).map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let text = storages.folder.path().join("text.db");
    fs::write(&text, "no database at all, but long enough to look into it").expect("written");
    let error =
        open(&format!("sqlite:///{}", text.display()), Access::Existing).map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("no database of SQLite"), "{error}");
    if let Some(url) = storages.names.get(2) {
        let wrong = url.replace("secret", "wrong-word");
        let error = open(&wrong, Access::Create).map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("authentication failed") && !error.contains("wrong-word"), "{error}");
    }
}

/// Not a test: a worker that writes until it is killed.
#[test]
#[ignore = "run by the test below"]
fn writer() {
    let Some(journal) = std::env::var_os("OPTIMIL_TEST_JOURNAL") else { return };
    let storage = open(journal.to_str().expect("UTF-8"), Access::Existing).expect("opened");
    work(storage.as_ref(), usize::MAX);
}

#[test]
fn a_journal_is_readable_after_its_writer_was_killed() {
    let folder = tempfile::tempdir().expect("folder");
    let journal = folder.path().join("journal.log");
    let storage = open(journal.to_str().expect("UTF-8"), Access::Create).expect("opened");
    let study = storage.create_study(STUDY, Direction::Minimize).expect("created");
    let mut before = 0;
    for kill in 0..5_u64 {
        let mut writer = Command::new(std::env::current_exe().expect("this program"));
        writer.args(["--exact", "writer", "--ignored"]).env("OPTIMIL_TEST_JOURNAL", &journal);
        let mut writer = writer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        while storage.trials(study).expect("read").len() < before + 3 {
            std::thread::sleep(Duration::from_millis(5 + kill));
        }
        writer.kill().expect("killed");
        writer.wait().expect("ended");
        // What others do after half a minute.
        let _ = fs::remove_file(folder.path().join("journal.log.lock"));
        storage.create_trial(study, &NewTrial::waiting(Map::new())).expect("created");
        before = storage.trials(study).expect("read").len();
    }
    let Some(python) = python(5) else { return };
    assert_same(storage.as_ref(), ask(&python, "dump", &[journal.display().to_string()]).remove(0));
}
