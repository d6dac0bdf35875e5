//! `optimil hpo` as a user runs it.

mod program;
mod small_search;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::{Folder, optimil, succeeds};
use serde_json::Value;
use shared_model::bundle::BundleReader;
use small_search::{WIDE, count, found, options, start, trials};
use trainer::study::{Trial, TrialState};

#[test]
fn a_search_leaves_a_study_a_log_the_best_parameters_and_a_model_and_goes_on() {
    let folder = Folder::new();
    let (out, options) = (folder.path("run"), options(&folder));
    let printed = succeeds(&["hpo", "--trials", "3", "--out", &out], &options);
    assert!(printed.contains("3 trials complete") && printed.contains("optuna-dashboard"), "{printed}");
    let trials = trials(&folder.path("run/study.journal"));
    assert_eq!(count(&trials, TrialState::Complete), 3);
    for trial in &trials {
        for note in
            ["fold_scores", "fold_epochs", "macro_ap", "roc_auc", "seconds", "device", "worker", "version"]
        {
            assert!(trial.user_attributes.contains_key(note), "{note}");
        }
        // 16 is no multiple of 3: such configurations are drawn again.
        assert_ne!(trial.external_parameters()["attn_heads"], 3);
        assert_eq!(trial.intermediate.keys().copied().collect::<Vec<u64>>(), [0, 1, 2, 3]);
        let last = trial.last_report().expect("reports").1;
        assert!((last - trial.value().expect("a value")).abs() < 1e-12, "the last report is the value");
    }
    let log = fs::read_to_string(folder.path("run/trials.log")).expect("a log");
    assert_eq!(log.lines().count(), 3);
    for file in [
        "model.optimil",
        "leaderboard_attn.csv",
        "metrics.csv",
        "report.html",
        "hpo_trials.csv",
        "search.json",
    ] {
        assert!(fs::metadata(folder.path(&format!("run/{file}"))).is_ok(), "{file}");
    }
    let best: Value =
        serde_json::from_slice(&fs::read(folder.path("run/hpo_best_params.json")).expect("file"))
            .expect("JSON");
    let params: Value =
        serde_json::from_slice(&fs::read(folder.path("run/params.json")).expect("file")).expect("JSON");
    assert_eq!(best, params, "what was trained on at the end");
    let bundle = fs::read(folder.path("run/model.optimil")).expect("a bundle");
    let bundle = BundleReader::open(&bundle).expect("sound");
    let search = bundle.manifest().models[0].search.clone().expect("the search");
    assert_eq!((search.study.as_str(), search.trials.len()), ("hpo", 3));
    assert_eq!(Some(search.best_value), trials[search.best_trial as usize].value());
    let report = fs::read_to_string(folder.path("run/report.html")).expect("a report");
    for part in
        ["<h2>Search</h2>", "best so far", "<figcaption>lr</figcaption>", "Parameters of the best trial"]
    {
        assert!(report.contains(part), "{part}");
    }

    // Trained again from the run folder.
    let of_training = |pair: &[String]| !["--space", "--folds"].contains(&pair[0].as_str());
    let train: Vec<String> = options.chunks(2).filter(|pair| of_training(pair)).flatten().cloned().collect();
    let other = folder.path("other");
    succeeds(&["train", "--params", &out, "--out", &other], &train);
    let again: Value =
        serde_json::from_slice(&fs::read(folder.path("other/params.json")).expect("file")).expect("JSON");
    assert_eq!(again, best);

    // Three are there: one more.
    let before = found(&folder.path("run/study.journal"));
    succeeds(&["hpo", "--trials", "4", "--no-final", "--out", &out], &options);
    let after = found(&folder.path("run/study.journal"));
    assert_eq!((after.len(), &after[..3]), (4, &before[..]));

    // The report of a search alone.
    fs::remove_file(folder.path("run/model.optimil")).expect("removed");
    succeeds(&["report", &out], &[]);
    let report = fs::read_to_string(folder.path("run/report.html")).expect("a report");
    assert!(report.contains("<h1>Search</h1>") && !report.contains("NaN"));
}

#[test]
fn several_at_a_time_find_what_one_after_the_other_finds() {
    let folder = Folder::new();
    let options = options(&folder);
    let common = ["hpo", "--trials", "4", "--no-final", "--seed", "3", "--sampler", "random"];
    let journal = |name: &str| folder.path(&format!("{name}/study.journal"));
    for (name, jobs) in [("one", "1"), ("three", "3")] {
        let out = folder.path(name);
        succeeds(
            &[common.as_slice(), &["--jobs", jobs, "--pruner", "none", "--out", &out]].concat(),
            &options,
        );
    }
    assert_eq!(found(&journal("one")), found(&journal("three")), "the same bits");
}

#[test]
fn folds_side_by_side_report_what_one_after_the_other_reports() {
    let folder = Folder::new();
    let options = options(&folder);
    let pruner = ["--pruner", "median", "--pruner-startup-trials", "1", "--pruner-warmup-steps", "0"];
    let told = |name: &str, fold_jobs: &str| {
        let out = folder.path(name);
        let common = ["hpo", "--trials", "6", "--no-final", "--fold-jobs", fold_jobs, "--out", &out];
        succeeds(&[common.as_slice(), &pruner].concat(), &options);
        let trials = trials(&format!("{out}/study.journal")).into_iter();
        trials
            .map(|trial| {
                let scores = trial.user_attributes.get("fold_scores").cloned();
                (trial.state, trial.values, trial.intermediate, scores)
            })
            .collect::<Vec<_>>()
    };
    let (one, two) = (told("one", "1"), told("two", "2"));
    assert_eq!(one, two);
    let pruned = one.iter().filter(|(state, ..)| *state == TrialState::Pruned).count();
    assert!((1..6).contains(&pruned), "{one:?}");
}

/// Waits until the trials of a journal are as they should be.
fn wait_until(journal: &str, holds: impl Fn(&[Trial]) -> bool) {
    let begun = Instant::now();
    while fs::metadata(journal).is_err() || !holds(&trials(journal)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", trials(journal));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_search_goes_on_to_the_trials_of_an_undisturbed_one() {
    let folder = Folder::new();
    let options = options(&folder);
    let common = [["hpo", "--trials", "3", "--no-final", "--pruner", "none"].as_slice(), &WIDE].concat();
    succeeds(&[common.as_slice(), &["--out", &folder.path("whole")]].concat(), &options);
    let out = folder.path("killed");
    let journal = folder.path("killed/study.journal");
    let arguments = [common.as_slice(), &["--out", &out]].concat();
    let mut child = start(&arguments, &options);
    wait_until(&journal, |trials| trials.len() == 2 && !trials[1].intermediate.is_empty());
    thread::sleep(Duration::from_millis(20));
    child.kill().expect("killed");
    child.wait().expect("it ended");
    succeeds(&arguments, &options);
    assert_eq!(count(&trials(&journal), TrialState::Fail), 1, "the one that was killed");
    assert_eq!(found(&journal), found(&folder.path("whole/study.journal")));
}

#[test]
fn two_workers_share_a_budget_though_one_is_killed() {
    let folder = Folder::new();
    let options = options(&folder);
    let journal = folder.path("shared.journal");
    let common = ["hpo", "--trials", "6", "--no-final", "--storage", &journal, "--study", "shared"];
    let common = [common.as_slice(), &WIDE].concat();
    let arguments = |out| [common.as_slice(), &["--out", out]].concat();
    let (one, two) = (folder.path("one"), folder.path("two"));
    let mut killed = start(&arguments(&one), &options);
    let mut other = start(&[arguments(&two), vec!["--jobs", "2"]].concat(), &options);
    wait_until(&journal, |trials| count(trials, TrialState::Complete) >= 2);
    thread::sleep(Duration::from_millis(30));
    killed.kill().expect("killed");
    killed.wait().expect("it ended");
    assert!(other.wait().expect("it ends").success());
    // Whatever the dead one left is taken up by the next.
    succeeds(&arguments(&one), &options);
    let trials = trials(&journal);
    assert_eq!(count(&trials, TrialState::Complete) + count(&trials, TrialState::Pruned), 6);
    assert_eq!(count(&trials, TrialState::Running) + count(&trials, TrialState::Waiting), 0);
    let mut learning_rates: Vec<String> =
        found(&journal).iter().map(|(parameters, _)| parameters["lr"].to_string()).collect();
    learning_rates.sort();
    learning_rates.dedup();
    assert_eq!(learning_rates.len(), found(&journal).len(), "none twice");
}

#[test]
fn a_signal_hands_the_trial_back() {
    let folder = Folder::new();
    let options = options(&folder);
    let out = folder.path("run");
    let journal = folder.path("run/study.journal");
    let mut child = Command::new(env!("CARGO_BIN_EXE_optimil"))
        .args([
            "hpo",
            "--trials",
            "2",
            "--no-final",
            "--out",
            &out,
            "--max-epochs",
            "100000",
            "--patience",
            "100000",
        ])
        .args(options.iter().take(options.len() - 2))
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    while fs::metadata(&journal).is_err()
        || trials(&journal).iter().all(|trial| trial.intermediate.is_empty())
    {
        assert!(begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    let asked = Instant::now();
    let status = child.wait().expect("it ends");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(128 + 15));
    let trials = trials(&journal);
    let [failed, waiting] = &trials[..] else { panic!("{trials:?}") };
    assert_eq!((failed.state, waiting.state), (TrialState::Fail, TrialState::Waiting));
    assert!(failed.user_attributes["error"].as_str().expect("a reason").contains("signal 15"));
    assert_eq!(waiting.external_parameters(), failed.external_parameters());
    assert_eq!(waiting.system_attributes["failed_trial"], 0);
    assert_eq!(waiting.system_attributes["retry_history"], Value::Array(Vec::new()), "nobody's fault");
}

#[test]
fn known_good_parameters_come_first_and_what_is_impossible_is_told() {
    let folder = Folder::new();
    let options = options(&folder);
    let good = folder
        .write("good.json", br#"{ "lr": 0.002, "mol_hidden": 1024, "attn_heads": 4, "inst_hidden": 16 }"#);
    let out = folder.path("run");
    let output = optimil(
        &["hpo", "--trials", "2", "--no-final", "--enqueue", &good, "--set", "mol_layers=2", "--out", &out],
        &options,
    );
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("mol_hidden = 1024"), "{text}");
    let first = trials(&folder.path("run/study.journal")).remove(0).external_parameters();
    assert_eq!((&first["lr"], &first["attn_heads"]), (&0.002.into(), &4.into()));

    let refuses = |more: &[&str], part: &str| {
        let output = optimil(
            &["hpo", "--no-final"],
            &[options.as_slice(), &more.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()].concat(),
        );
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.lines().last().expect("a line").contains(part), "\"{part}\" is not in: {text}");
    };
    refuses(&["--trials", "3", "--out", &out, "--patience", "3"], "patience");
    let impossible =
        folder.write("impossible.toml", b"[parameters]\ninst_hidden = [16, 32]\nattn_heads = [3, 5]\n");
    refuses(&["--space", &impossible, "--out", &folder.path("new")], "narrow the search space");
    refuses(&["--storage", "postgresql://nobody@localhost/none", "--out", &folder.path("pg")], "--study");
    let printed = succeeds(&["hpo", "--print-space", "--out", &out], &options);
    assert!(
        printed.contains("lr = { low = 0.0001, high = 0.01, log = true }  # differs from v2"),
        "{printed}"
    );
}
