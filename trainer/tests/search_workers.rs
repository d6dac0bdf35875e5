//! Workers on one study: budget, retries, pruning, signals and death, with an objective of moments.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};
use shared_model::schema::TaskSchema;
use tempfile::TempDir;
use trainer::search::History;
use trainer::search::objective::{Candidate, Failure, Objective, TrialControl};
use trainer::search::pruner::{NoPruner, Pruner};
use trainer::search::sampler::{Joint, RandomSampler, Sampler, TpeSampler};
use trainer::search::session::{SearchError, SearchSettings, Session};
use trainer::search::space::Space;
use trainer::search::worker::{Ending, Limits, SearchEvent, work};
use trainer::study::{self, Access, NewTrial, Scope, Storage, StudyId, Trial, TrialState};

/// A study of its own in a temporary folder.
struct Place {
    _folder: TempDir,
    storage: std::sync::Arc<dyn Storage>,
    space: Space,
    under: Map<String, Value>,
    sampler: Box<dyn Sampler>,
}

impl Place {
    fn new() -> Self {
        Self::with(RandomSampler::new(0))
    }

    fn with(sampler: impl Sampler + 'static) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("study.journal");
        let storage = study::open(path.to_str().expect("UTF-8"), Access::Create).expect("a journal");
        let mut space = Space::named("v2", &TaskSchema::euos25()).expect("known");
        let fixed: Vec<(String, Value)> = space
            .searched()
            .filter(|(name, _)| !["lr", "mol_layers"].contains(name))
            .map(|(name, distribution)| {
                let low = if name == "lam_floor" { 0.4 } else { 0.0 };
                (
                    name.to_owned(),
                    match distribution {
                        study::Distribution::Float { low: least, .. } => least.max(low).into(),
                        study::Distribution::Int { low, .. } => (*low).into(),
                        study::Distribution::Categorical { choices } => choices[0].clone(),
                    },
                )
            })
            .collect();
        space.fix(&fixed, &TaskSchema::euos25()).expect("fixed");
        Self { _folder: folder, storage, space, under: Map::new(), sampler: Box::new(sampler) }
    }

    fn session(&self, budget: u64) -> Session<'_> {
        let settings = SearchSettings {
            seed: 0,
            budget: Some(budget),
            retries: 2,
            heartbeat: Duration::from_millis(200),
        };
        let identity = json!({ "data": "none" });
        Session::open(
            &*self.storage,
            "s",
            &identity,
            &self.space,
            &self.under,
            &*self.sampler,
            settings,
            "nothing",
        )
        .expect("a study")
    }

    fn study(&self) -> StudyId {
        self.storage.studies().expect("readable")[0].id
    }

    fn trials(&self) -> Vec<Trial> {
        self.storage.trials(self.study()).expect("readable")
    }

    fn count(&self, state: TrialState) -> usize {
        self.trials().iter().filter(|trial| trial.state == state).count()
    }
}

/// An objective made of a function of the number of evaluations before.
struct Made<F>(AtomicUsize, F);

impl<F: Fn(usize, &Candidate, &dyn TrialControl) -> Result<f64, Failure> + Sync> Objective for Made<F> {
    fn check(&self, _: &Map<String, Value>) -> Result<(), String> {
        Ok(())
    }

    fn evaluate(&self, candidate: Candidate, control: &dyn TrialControl) -> Result<f64, Failure> {
        self.1(self.0.fetch_add(1, Ordering::Relaxed), &candidate, control)
    }
}

fn made<F: Fn(usize, &Candidate, &dyn TrialControl) -> Result<f64, Failure> + Sync>(function: F) -> Made<F> {
    Made(AtomicUsize::new(0), function)
}

fn lr(candidate: &Candidate) -> f64 {
    candidate.parameters["lr"].as_f64().expect("a number")
}

static NO_SIGNAL: AtomicUsize = AtomicUsize::new(0);

fn search(session: &Session, objective: &dyn Objective, jobs: usize) -> Result<Ending, SearchError> {
    work(session, objective, &NoPruner, jobs, Limits::default(), &NO_SIGNAL, &|_| {})
}

#[test]
fn many_workers_meet_the_budget_exactly() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let session = place.session(10);
                let objective = made(|_, candidate, _| Ok(lr(candidate)));
                assert_eq!(search(&session, &objective, 2).expect("it ends"), Ending::Budget);
            });
        }
    });
    assert_eq!(place.count(TrialState::Complete), 10);
    assert_eq!(place.count(TrialState::Running), 0);
    let trials = place.trials();
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let places: BTreeSet<String> =
        complete.map(|trial| trial.external_parameters()["lr"].to_string()).collect();
    assert_eq!(places.len(), 10, "each has its own draw");
}

#[test]
fn what_may_pass_is_tried_again_with_the_same_parameters_up_to_the_limit() {
    let place = Place::new();
    let seen = Mutex::new(Vec::new());
    let objective = made(|before, candidate, _| {
        seen.lock().expect("no panic").push((lr(candidate), candidate.seed));
        match before {
            0 => Err(Failure::Passing("the device was lost".into())),
            1 => panic!("a mistake in the program"),
            4 => Err(Failure::Final("the loss is no number".into())),
            _ => Ok(1.0),
        }
    });
    search(&place.session(4), &objective, 1).expect("it ends");
    let seen = seen.into_inner().expect("no panic");
    assert_eq!((seen[0], seen[1]), (seen[2], seen[2]), "the same parameters and seed");
    assert_ne!(seen[4].0, seen[5].0, "another one after a final failure");
    let trials = place.trials();
    assert_eq!(place.count(TrialState::Complete), 4);
    assert_eq!(place.count(TrialState::Fail), 3);
    assert!(trials[0].user_attributes["error"].as_str().expect("why").contains("device was lost"));
    assert!(trials[1].user_attributes["error"].as_str().expect("why").contains("a mistake"));
    assert_eq!(trials[2].system_attributes["failed_trial"], 0);
    assert_eq!(trials[2].system_attributes["retry_history"], json!([0, 1]));

    let place = Place::new();
    let objective = made(|_, _, _| Err(Failure::Passing("always".into())));
    let error = search(&place.session(4), &objective, 1).expect_err("it gives up").to_string();
    assert!(error.contains("always") && error.contains("10"), "{error}");
    let histories: Vec<usize> = place
        .trials()
        .iter()
        .map(|trial| {
            trial.system_attributes.get("retry_history").and_then(Value::as_array).map_or(0, Vec::len)
        })
        .collect();
    assert!(histories.iter().all(|&retries| retries <= 2), "{histories:?}");
}

#[test]
fn an_interrupted_search_comes_to_the_trials_of_an_undisturbed_one() {
    let found = |fails: &[usize]| {
        // After ten random trials it looks at those before.
        let place = Place::with(TpeSampler::new(0, Joint::Common, Box::new(RandomSampler::new(0))));
        let objective = made(|before, candidate, _| match fails.contains(&before) {
            true => Err(Failure::Passing("for now".into())),
            false => Ok(lr(candidate) + candidate.seed as f64 / 1e20),
        });
        search(&place.session(20), &objective, 1).expect("it ends");
        let trials = place.trials();
        let valued = trials.iter().filter(|trial| trial.state == TrialState::Complete);
        valued.map(|trial| (trial.external_parameters(), trial.value())).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), found(&[0, 3, 4, 7, 18]));
}

#[test]
fn a_value_that_is_none_fails_and_a_pruned_trial_has_its_last_report() {
    struct Second;
    impl Pruner for Second {
        fn prunes(&self, _: &History, trial: &Trial) -> bool {
            trial.number == 1 && trial.intermediate.len() == 2
        }
    }
    let place = Place::new();
    let objective = made(|before, _, control| {
        for step in 0..4 {
            control.report(step, step as f64);
            if control.stop().load(Ordering::Relaxed) != 0 {
                return Err(Failure::Stopped);
            }
        }
        control.note("seen", json!([1, 2]));
        Ok(if before == 0 { f64::NAN } else { 1.0 })
    });
    let session = place.session(3);
    let ended = Mutex::new(Vec::new());
    let observe = |event: SearchEvent| {
        if let SearchEvent::Ends { trial, state, .. } = event {
            ended.lock().expect("no panic").push((trial.number, state));
        }
    };
    work(&session, &objective, &Second, 1, Limits::default(), &NO_SIGNAL, &observe).expect("it ends");
    let states: Vec<TrialState> = place.trials().iter().map(|trial| trial.state).collect();
    let complete = TrialState::Complete;
    assert_eq!(states, [TrialState::Fail, TrialState::Pruned, complete, complete]);
    let pruned = &place.trials()[1];
    assert_eq!((pruned.value(), pruned.intermediate.len()), (Some(1.0), 2));
    assert_eq!(place.trials()[2].user_attributes["seen"], json!([1, 2]));
    let numbers: Vec<u64> = ended.into_inner().expect("no panic").iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

#[test]
fn a_trial_that_was_ended_by_others_is_dropped() {
    let place = Place::new();
    let objective = made(|before, _, control| {
        if before == 0 {
            let id = place.trials()[0].id;
            place.storage.set_state(id, TrialState::Fail, None).expect("failed");
            // The next sign of life tells.
            let begun = std::time::Instant::now();
            while control.stop().load(Ordering::Relaxed) == 0 {
                assert!(begun.elapsed() < Duration::from_secs(5));
                std::thread::sleep(Duration::from_millis(5));
            }
            control.report(0, 0.5);
            return Err(Failure::Stopped);
        }
        Ok(1.0)
    });
    search(&place.session(2), &objective, 1).expect("it goes on");
    assert_eq!(place.count(TrialState::Complete), 2);
    assert!(place.trials()[0].intermediate.is_empty());
}

#[test]
fn the_trials_of_dead_workers_are_tried_again_and_those_of_strangers_left_alone() {
    let place = Place::new();
    drop(place.session(1));
    let study = place.study();
    let mut dead = NewTrial::running();
    // This process, but at another time: its number was used before.
    let session = place.session(3);
    let probe = made(|_, _, _| Ok(0.5));
    search(&place.session(1), &probe, 1).expect("it ends");
    let mut owner = place.trials()[0].system_attributes["optimil:owner"].clone();
    owner["started"] = "0".into();
    dead.system_attributes.insert("optimil:owner".into(), owner.clone());
    let dead = place.storage.create_trial(study, &dead).expect("created");
    // One that Optuna runs, without signs of life.
    let stranger = place.storage.create_trial(study, &NewTrial::running()).expect("created");
    search(&session, &made(|_, _, _| Ok(1.0)), 1).expect("it ends");
    let trials = place.trials();
    assert_eq!(trials[dead.number as usize].state, TrialState::Fail);
    assert_eq!(trials[stranger.number as usize].state, TrialState::Running);
    assert_eq!(trials[3].system_attributes["failed_trial"], dead.number);
    assert_eq!(place.count(TrialState::Complete), 2, "and the stranger's is the third");
}

#[test]
fn a_retry_that_the_budget_has_no_place_for_is_ended_and_one_that_was_asked_for_waits() {
    let place = Place::new();
    search(&place.session(1), &made(|_, _, _| Ok(0.5)), 1).expect("it ends");
    let first = place.trials().remove(0);
    // Its worker took a second place of a budget of one, and died before it could give it up.
    let mut dead = NewTrial::running();
    let mut owner = first.system_attributes["optimil:owner"].clone();
    owner["started"] = "0".into();
    dead.system_attributes.insert("optimil:owner".into(), owner);
    place.storage.create_trial(place.study(), &dead).expect("created");
    search(&place.session(1), &made(|_, _, _| Ok(1.0)), 1).expect("it ends");
    let states = || place.trials().iter().map(|trial| trial.state).collect::<Vec<_>>();
    assert_eq!(states(), [TrialState::Complete, TrialState::Fail, TrialState::Fail]);
    assert!(place.trials()[2].started.is_some());
    // `optimil study retry` of what was ended.
    place.storage.create_trial(place.study(), &study::retry_of(&place.trials()[2])).expect("created");
    search(&place.session(1), &made(|_, _, _| Ok(1.0)), 1).expect("it ends");
    assert_eq!(states()[3], TrialState::Waiting);
    search(&place.session(2), &made(|_, _, _| Ok(1.0)), 1).expect("it ends");
    assert_eq!(states()[3], TrialState::Complete);
}

#[test]
fn a_signal_hands_the_trial_back_without_blame() {
    let place = Place::new();
    let signal = AtomicUsize::new(0);
    let objective = made(|before, _, control| {
        if before == 1 {
            signal.store(15, Ordering::Relaxed);
            while control.stop().load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            return Err(Failure::Stopped);
        }
        Ok(1.0)
    });
    let session = place.session(5);
    let ending = work(&session, &objective, &NoPruner, 1, Limits::default(), &signal, &|_| {});
    assert_eq!(ending.expect("it ends"), Ending::Signal(15));
    let trials = place.trials();
    let states: Vec<TrialState> = trials.iter().map(|trial| trial.state).collect();
    assert_eq!(states, [TrialState::Complete, TrialState::Fail, TrialState::Waiting]);
    assert_eq!(trials[2].external_parameters(), trials[1].external_parameters());
    assert_eq!(trials[2].system_attributes["retry_history"], json!([]));
    search(&place.session(5), &made(|_, _, _| Ok(1.0)), 1).expect("it ends");
    assert_eq!(place.count(TrialState::Complete), 5);
}

#[test]
fn a_study_of_something_else_is_refused() {
    let place = Place::new();
    drop(place.session(1));
    let settings = place.session(1).settings.clone();
    let other = json!({ "data": "others" });
    let error = Session::open(
        &*place.storage,
        "s",
        &other,
        &place.space,
        &place.under,
        &*place.sampler,
        settings,
        "nothing",
    )
    .map(|_| ())
    .expect_err("other data")
    .to_string();
    assert!(error.contains("data") && error.contains("--study") && !error.contains('\n'), "{error}");
    let study = place.study();
    let names = &place.storage.studies().expect("readable")[0].system_attributes["study:metric_names"];
    assert_eq!(names, &json!(["score"]));
    place.storage.set_study_attribute(study, Scope::User, "note", &json!("kept")).expect("written");
}
