//! Two processes that take turns: ours and PyTorch's.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::Time;
use crate::pytorch;
use crate::spread::Spread;
use crate::workload::Tables;

/// Headings of the rows of [`Outcome::row`].
pub const HEADINGS: [&str; 7] =
    ["", "threads", "ours CPU", "PyTorch CPU", "CPU ratio", "ours / PyTorch wall", "wall ratio"];

/// Largest relative difference of a loss between the two.
const TOLERANCE: f64 = 1e-4;

/// A pause between turns: threads of the last one's pool spin for a while before they sleep.
const PAUSE: Duration = Duration::from_millis(300);

/// Ours and PyTorch with the same workload and number of threads.
pub struct Contest {
    ours: Side,
    pytorch: Side,
}

/// A process that answers each line with a line of JSON. It ends when its input does.
struct Side {
    name: &'static str,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Child,
}

impl Time {
    /// The time of one of `count` equal pieces.
    pub fn per(self, count: usize) -> Self {
        Self { wall: self.wall / count as f64, cpu: self.cpu / count as f64 }
    }
}

/// Times of either side.
pub struct Outcome {
    ours: Vec<Time>,
    pytorch: Vec<Time>,
}

impl Side {
    fn start(name: &'static str, command: &mut Command, threads: usize) -> anyhow::Result<Self> {
        let threads = threads.to_string();
        let mut process = command
            .envs([
                ("RAYON_NUM_THREADS", &threads),
                ("OMP_NUM_THREADS", &threads),
                ("MKL_NUM_THREADS", &threads),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let input = process.stdin.take().context("the process has an input")?;
        let output = BufReader::new(process.stdout.take().context("the process has an output")?);
        Ok(Self { name, input, output, _process: process })
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &str) -> anyhow::Result<T> {
        writeln!(self.input, "{command}").with_context(|| format!("{} has ended", self.name))?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        let value = serde_json::from_str(&answer);
        value.with_context(|| format!("{} answered to \"{command}\": {answer}", self.name))
    }
}

impl Contest {
    pub fn start(folder: &Path, tables: &Tables, python: &Path, threads: usize) -> anyhow::Result<Self> {
        let mut ours = Command::new(std::env::current_exe()?);
        ours.arg("--serve").arg(folder).arg("--tables").arg(tables.folder());
        let mut baseline = Command::new(python);
        baseline.arg(pytorch::script()).arg(folder).arg(threads.to_string());
        Ok(Self {
            ours: Side::start("our process", &mut ours, threads)?,
            pytorch: Side::start("PyTorch", &mut baseline, threads)?,
        })
    }

    /// Compares and prints all losses of the first batch.
    pub fn check_losses(&mut self, what: &str) -> anyhow::Result<()> {
        let ours: Map<String, Value> = self.ours.ask("loss")?;
        let pytorch: Map<String, Value> = self.pytorch.ask("loss")?;
        let mut worst = 0.0f64;
        for (name, loss) in &ours {
            let number = |value: Option<&Value>| value.and_then(Value::as_f64);
            let (Some(ours), Some(pytorch)) = (number(Some(loss)), number(pytorch.get(name))) else {
                bail!("{what}: the {name} loss is not a number on both sides");
            };
            let difference = (ours - pytorch).abs() / pytorch.abs().max(1e-6);
            ensure!(
                difference <= TOLERANCE,
                "{what}: the {name} loss is {ours} here and {pytorch} in PyTorch"
            );
            worst = worst.max(difference);
        }
        let total = |losses: &Map<String, Value>| losses["total"].as_f64().unwrap_or(f64::NAN);
        println!(
            "{what}: loss {:.6} here, {:.6} in PyTorch; {} losses differ by at most {worst:.1e}",
            total(&ours),
            total(&pytorch),
            ours.len()
        );
        Ok(())
    }

    /// Times a command that is repeated often enough to fill a round.
    pub fn steps(&mut self, command: &str, rounds: usize, seconds: f64) -> anyhow::Result<Outcome> {
        let mut repeats = [0; 2];
        for (side, repeats) in [&mut self.ours, &mut self.pytorch].into_iter().zip(&mut repeats) {
            // The first repeats allocate and choose kernels.
            let _: Time = side.ask(&format!("{command} 3"))?;
            let trial: Time = side.ask(&format!("{command} 3"))?;
            *repeats = ((seconds / trial.per(3).wall).ceil() as usize).max(1);
        }
        let mut outcome = Outcome { ours: Vec::new(), pytorch: Vec::new() };
        for _ in 0..rounds {
            std::thread::sleep(PAUSE);
            let time: Time = self.ours.ask(&format!("{command} {}", repeats[0]))?;
            outcome.ours.push(time.per(repeats[0]));
            std::thread::sleep(PAUSE);
            let time: Time = self.pytorch.ask(&format!("{command} {}", repeats[1]))?;
            outcome.pytorch.push(time.per(repeats[1]));
        }
        Ok(outcome)
    }

    /// Times epochs; the first one of a round, which allocates, does not count.
    pub fn epochs(&mut self, baseline: &str, rounds: usize, epochs: usize) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome { ours: Vec::new(), pytorch: Vec::new() };
        for _ in 0..rounds {
            std::thread::sleep(PAUSE);
            let times: Vec<Time> = self.ours.ask(&format!("epoch {epochs}"))?;
            outcome.ours.extend(&times[1..]);
            std::thread::sleep(PAUSE);
            let times: Vec<Time> = self.pytorch.ask(&format!("{baseline} {epochs}"))?;
            outcome.pytorch.extend(&times[1..]);
        }
        Ok(outcome)
    }
}

impl Outcome {
    /// A row of the table.
    pub fn row(&self, title: &str, threads: usize) -> Vec<String> {
        let spread = |times: &[Time], of: fn(&Time) -> f64| Spread::of(times.iter().map(of));
        let [cpu, wall]: [fn(&Time) -> f64; 2] = [|time| time.cpu, |time| time.wall];
        let (ours, pytorch) = (spread(&self.ours, cpu), spread(&self.pytorch, cpu));
        let (ours_wall, pytorch_wall) = (spread(&self.ours, wall), spread(&self.pytorch, wall));
        vec![
            title.to_owned(),
            threads.to_string(),
            ours.show(1e3, 1),
            pytorch.show(1e3, 1),
            format!("{:.2}×", pytorch.median / ours.median),
            format!("{:.1} / {:.1}", ours_wall.median * 1e3, pytorch_wall.median * 1e3),
            format!("{:.2}×", pytorch_wall.median / ours_wall.median),
        ]
    }
}
