//! What no other program is needed for.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, json};

use super::*;
use crate::study::Distribution;

fn float() -> Distribution {
    Distribution::Float { low: 0.0, high: 1.0, log: false, step: None }
}

fn study(folder: &Path) -> (Journal, StudyId) {
    let journal = Journal::open(&folder.join("journal.log")).expect("opened");
    let study = journal.create_study("study", Direction::Minimize).expect("created");
    (journal, study)
}

#[test]
fn another_process_sees_what_was_written() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, study) = study(folder.path());
    let other = Journal::open(&folder.path().join("journal.log")).expect("opened");
    let trial = journal.create_trial(study, &NewTrial::running()).expect("created");
    journal.set_parameter(trial.id, "x", 0.1, &float()).expect("set");
    for (step, value) in [(0, f64::NAN), (1, f64::INFINITY), (2, 0.1 + 0.2)] {
        journal.report(trial.id, step, value).expect("reported");
    }
    journal.set_trial_attribute(trial.id, Scope::User, "note", &json!({ "a": ["NaN", 1] })).expect("set");
    assert!(journal.set_state(trial.id, TrialState::Complete, Some(0.1 + 0.2)).expect("set"));
    journal
        .create_trial(study, &NewTrial::waiting(Map::from_iter([("x".into(), json!(0.5))])))
        .expect("created");
    let (ours, theirs) = (journal.trials(study).expect("read"), other.trials(study).expect("read"));
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    assert_eq!(theirs[0].value(), Some(0.1 + 0.2));
    assert!(theirs[0].intermediate[&0].is_nan());
    assert_eq!((theirs[1].number, theirs[1].state, theirs[1].started), (1, TrialState::Waiting, None));
    assert_eq!(theirs[1].fixed_parameters().expect("fixed")["x"], json!(0.5));
}

#[test]
fn what_is_refused_is_not_written() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, study) = study(folder.path());
    let trial = journal.create_trial(study, &NewTrial::running()).expect("created").id;
    let path = folder.path().join("journal.log");
    journal.set_parameter(trial, "x", 0.1, &float()).expect("set");
    journal.set_state(trial, TrialState::Fail, None).expect("set");
    let next = journal.create_trial(study, &NewTrial::running()).expect("created").id;
    let before = fs::read_to_string(&path).expect("read");
    let whole = Distribution::Int { low: 0, high: 3, log: false, step: 1 };
    assert!(matches!(journal.set_parameter(next, "x", 1.0, &whole), Err(StorageError::Incompatible { .. })));
    assert!(matches!(journal.report(trial, 0, 1.0), Err(StorageError::Finished(_))));
    assert!(matches!(journal.set_state(trial, TrialState::Complete, None), Err(StorageError::Finished(_))));
    assert!(matches!(journal.heartbeat(trial), Err(StorageError::Finished(_))));
    assert!(!journal.set_state(next, TrialState::Running, None).expect("somebody runs it"));
    let again = journal.create_study("study", Direction::Maximize);
    assert!(matches!(again, Err(StorageError::StudyExists { .. })));
    let nowhere = journal.create_trial(StudyId(7), &NewTrial::running());
    assert!(matches!(nowhere, Err(StorageError::NoStudy { .. })));
    assert_eq!(fs::read_to_string(&path).expect("read"), before);
}

#[test]
fn a_deleted_study_leaves_the_identities_of_others_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, first) = study(folder.path());
    journal.create_trial(first, &NewTrial::running()).expect("created");
    journal.delete_study(first).expect("deleted");
    let second = journal.create_study("study", Direction::Minimize).expect("created");
    let trial = journal.create_trial(second, &NewTrial::running()).expect("created");
    assert_eq!((second, trial.id, trial.number), (StudyId(1), TrialId(1), 0));
    assert!(matches!(journal.trials(first), Err(StorageError::NoStudy { .. })));
}

#[test]
fn one_of_many_takes_up_a_waiting_trial() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, study) = study(folder.path());
    let waiting: Vec<_> = (0..10)
        .map(|_| journal.create_trial(study, &NewTrial::waiting(Map::new())).expect("created").id)
        .collect();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = Journal::open(&folder.path().join("journal.log")).expect("opened");
                for &trial in &waiting {
                    if own.set_state(trial, TrialState::Running, None).expect("asked") {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                    own.create_trial(study, &NewTrial::running()).expect("created");
                }
            });
        }
    });
    assert_eq!(taken.load(Ordering::SeqCst), 10);
    let numbers: Vec<_> = journal.trials(study).expect("read").iter().map(|trial| trial.number).collect();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_line_that_its_writer_did_not_finish_is_cut_before_the_next() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, study) = study(folder.path());
    let path = folder.path().join("journal.log");
    for cut in [1, 20, 60] {
        let whole = fs::read_to_string(&path).expect("read");
        let last = whole.lines().last().expect("a line");
        fs::write(&path, format!("{whole}{}", &last[..cut.min(last.len() - 1)])).expect("written");
        let reader = Journal::open(&path).expect("opened");
        let before = reader.trials(study).expect("read").len();
        journal.create_trial(study, &NewTrial::running()).expect("created");
        assert_eq!(reader.trials(study).expect("read").len(), before + 1);
        assert!(fs::read_to_string(&path).expect("read").starts_with(&whole));
    }
}

#[test]
fn a_damaged_line_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal.log");
    let (journal, study) = study(folder.path());
    fs::write(&path, fs::read_to_string(&path).expect("read") + "{\"op_code\":99,\"worker_id\":\"w\"}\n")
        .expect("written");
    let error = journal.trials(study).expect_err("refused").to_string();
    let expected =
        format!("{} is damaged or of an unknown format: line 2: operation 99 is not known", path.display());
    assert!(error.starts_with(&expected), "{error}");
    fs::write(&path, "").expect("written");
    assert!(journal.trials(study).expect_err("refused").to_string().contains("became shorter"));
}

#[test]
fn a_trial_without_a_heartbeat_for_long_is_stale() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, study) = study(folder.path());
    let [silent, alive, dead] =
        std::array::from_fn(|_| journal.create_trial(study, &NewTrial::running()).expect("created").id);
    journal.heartbeat(alive).expect("noted");
    journal.heartbeat(dead).expect("noted");
    let leases = folder.path().join("journal.log.leases");
    let lease = File::options().write(true).open(leases.join(dead.0.to_string())).expect("lease");
    lease.set_modified(std::time::SystemTime::now() - Duration::from_secs(100)).expect("set");
    assert_eq!(journal.stale_trials(study, Duration::from_secs(60)).expect("read"), [dead]);
    for trial in [silent, alive, dead] {
        journal.set_state(trial, TrialState::Fail, None).expect("set");
    }
    assert_eq!(journal.stale_trials(study, Duration::ZERO).expect("read"), []);
    assert!(!leases.exists(), "no lease, no folder");
}

#[test]
fn a_lease_of_a_journal_that_was_there_before_counts_for_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let (journal, first) = study(folder.path());
    let trial = journal.create_trial(first, &NewTrial::running()).expect("created").id;
    journal.heartbeat(trial).expect("noted");
    fs::remove_file(folder.path().join("journal.log")).expect("removed");
    let (journal, second) = study(folder.path());
    journal.create_trial(second, &NewTrial::running()).expect("created");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(journal.stale_trials(second, Duration::ZERO).expect("read"), []);
}
