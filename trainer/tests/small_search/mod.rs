//! Searches of moments, as a user runs them, on the chromophores.

#![allow(dead_code, reason = "each test file uses a part")]

use std::process::{Child, Command, Stdio};

use serde_json::Value;
use trainer::study::{self, Access, Trial, TrialState};

use crate::program::{Folder, chromophores, features};

const SPACE: &str = r#"[parameters]
lr = { low = 1e-4, high = 1e-2, log = true }
mol_hidden = [8, 16]
inst_hidden = 16
attn_heads = [2, 3, 4]
mixer_hidden = 16
proj_dim = 16
mol_layers = 1
inst_layers = 1
mixer_layers = 1
head_num_layers = 1
"#;

/// Wide enough to be killed while it computes, and not while it writes.
pub const WIDE: [&str; 6] = ["--set", "mol_layers=3", "--set", "inst_hidden=96", "--set", "mixer_hidden=96"];

/// Options of a search of moments.
pub fn options(folder: &Folder) -> Vec<String> {
    let more = [
        ("labels", chromophores("labels.csv")),
        ("schema", chromophores("schema.toml")),
        ("space", folder.write("space.toml", SPACE.as_bytes())),
        ("device", "cpu".into()),
        ("folds", "2".into()),
        ("max-epochs", "2".into()),
    ];
    features()
        .into_iter()
        .chain(more.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]))
        .collect()
}

/// The trials of the one study in a storage.
pub fn trials(storage: &str) -> Vec<Trial> {
    let storage = study::open(storage, Access::Existing).expect("a storage");
    let study = storage.studies().expect("readable").remove(0);
    storage.trials(study.id).expect("readable")
}

pub fn count(trials: &[Trial], state: TrialState) -> usize {
    trials.iter().filter(|trial| trial.state == state).count()
}

/// What a search found, whatever was interrupted on the way.
pub fn found(storage: &str) -> Vec<(serde_json::Map<String, Value>, Option<f64>)> {
    let trials = trials(storage);
    let valued = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    valued.map(|trial| (trial.external_parameters(), trial.value())).collect()
}

/// Starts a search that tells nothing.
pub fn start(arguments: &[&str], options: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_optimil"));
    command.args(arguments).args(options).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}
