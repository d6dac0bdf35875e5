//! Optuna in a process of its own, on the same problems: every value is computed here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::problems::{Point, Problem, Space};

/// Installed where `OPTIMIL_PYTHON` names no Python.
const PACKAGES: [&str; 1] = ["optuna==5.0.0"];

/// A Python that searches.
pub struct Optuna {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Optuna {
    pub fn start() -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/optuna_search.py");
        let mut process = Command::new(python()?)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python does not start: set OPTIMIL_PYTHON to one that has Optuna")?;
        let requests = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Ok(Self { process, requests, answers })
    }

    /// The best value of a search of so many trials.
    pub fn search(&mut self, problem: &Problem, seed: u64, trials: u64) -> anyhow::Result<f64> {
        self.ask(&json!({ "search": texts(&problem.space), "seed": seed, "trials": trials }))?;
        let mut best = f64::INFINITY;
        for _ in 0..trials {
            let point: Point = self.answer()?;
            let value = problem.value(&point);
            best = best.min(value);
            self.ask(&json!(value))?;
        }
        Ok(best)
    }

    /// Seconds of each draw after so many random trials.
    pub fn time(&mut self, space: &Space, trials: u64, draws: u64) -> anyhow::Result<Vec<f64>> {
        self.ask(&json!({ "time": texts(space), "trials": trials, "draws": draws }))?;
        self.answer()
    }

    fn ask(&mut self, request: &Value) -> anyhow::Result<()> {
        writeln!(self.requests, "{request}")?;
        Ok(self.requests.flush()?)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        ensure!(
            self.answers.read_line(&mut line)? > 0,
            "Python ended: set OPTIMIL_PYTHON to one that has Optuna"
        );
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Optuna {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn texts(space: &Space) -> BTreeMap<&str, String> {
    space.iter().map(|(name, distribution)| (name.as_str(), distribution.to_json())).collect()
}

/// A Python that has Optuna.
fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os("OPTIMIL_PYTHON") {
        return Ok(python.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("optuna");
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        eprintln!("installing {} from PyPI into {}", PACKAGES.join(" and "), venv.display());
        for command in [
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES),
        ] {
            let status = command.status().with_context(|| format!("{command:?} does not start"))?;
            ensure!(status.success(), "{command:?} failed: set OPTIMIL_PYTHON to a Python that has Optuna");
        }
        std::fs::write(venv.join("complete"), PACKAGES.join("\n"))?;
    }
    Ok(python)
}
