//! Workers of one study that are killed again and again.

mod postgres_server;
mod program;
mod small_search;

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use postgres_server::Server;
use program::{Folder, succeeds};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use small_search::{WIDE, count, found, options, start, trials};
use trainer::study::TrialState;

const BUDGET: usize = 16;

#[test]
fn a_journal_has_the_budget_of_trials_though_two_of_four_workers_are_killed() {
    let folder = Folder::new();
    survives(&folder, &folder.path("shared.journal"));
}

#[test]
fn postgresql_has_the_budget_of_trials_though_two_of_four_workers_are_killed() {
    let Some(server) = Server::start() else { return };
    survives(&Folder::new(), &server.url());
}

/// Four workers on one study, two of which are killed at random moments and started anew, until the other two are done.
fn survives(folder: &Folder, storage: &str) {
    let options = options(folder);
    let budget = BUDGET.to_string();
    let common = ["hpo", "--no-final", "--study", "shared", "--storage", storage, "--trials", &budget];
    // A worker that dies is not to be blamed for it.
    let common = [common.as_slice(), &["--retries", "1000"], &WIDE].concat();
    let outs = ["a", "b", "c", "d"].map(|name| folder.path(name));
    let arguments = |worker: usize| [common.as_slice(), &["--out", &*outs[worker]]].concat();
    let mut workers: Vec<Child> = (0..4).map(|worker| start(&arguments(worker), &options)).collect();

    let mut random = ChaCha8Rng::seed_from_u64(0);
    let begun = Instant::now();
    let mut kills = 0;
    while workers[..2].iter_mut().any(|worker| worker.try_wait().expect("its state").is_none()) {
        assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", trials(storage));
        thread::sleep(Duration::from_millis(random.random_range(100..1500)));
        let victim = random.random_range(2..4);
        if workers[victim].try_wait().expect("its state").is_none() {
            workers[victim].kill().expect("killed");
            kills += 1;
        }
        workers[victim].wait().expect("it ended");
        workers[victim] = start(&arguments(victim), &options);
    }
    for worker in &mut workers {
        worker.wait().expect("it ends");
    }
    assert!(kills > 2, "killed {kills} times only");
    // Whatever the dead left is taken up by the next.
    succeeds(&arguments(0), &options);

    let trials = trials(storage);
    assert_eq!(count(&trials, TrialState::Complete) + count(&trials, TrialState::Pruned), BUDGET);
    assert_eq!(count(&trials, TrialState::Running) + count(&trials, TrialState::Waiting), 0, "{trials:#?}");
    let numbers: Vec<u64> = trials.iter().map(|trial| trial.number).collect();
    assert_eq!(numbers, (0..trials.len() as u64).collect::<Vec<_>>());
    let mut learning_rates: Vec<String> =
        found(storage).iter().map(|(parameters, _)| parameters["lr"].to_string()).collect();
    learning_rates.sort();
    let found = learning_rates.len();
    learning_rates.dedup();
    assert_eq!(learning_rates.len(), found, "none twice");
    eprintln!("{kills} kills, {} trials that failed", count(&trials, TrialState::Fail));
}
