//! Time and memory to read labels, 2D and 3D tables (CSV) into matrices, against pandas, and from the cache.
//!
//! ```text
//! cargo bench --locked --workspace --bench table_reading -- --rounds 3
//! ```
//!
//! Every reading is a process of its own. The files are read from memory: they were just written. pandas is that of
//! the Python that `OPTIMIL_PYTHON` names, else it is installed from PyPI under `target/`. `-- --help` lists the
//! options.

#[path = "../report/clock.rs"]
mod clock;
#[path = "../report/spread.rs"]
mod spread;
#[path = "../report/table.rs"]
mod table;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use shared_model::schema::TaskSchema;
use trainer::data::{self, Cache, Labels, Splits, Tables};

use crate::clock::Clock;
use crate::spread::Spread;
use crate::table::print_table;

/// Installed where `OPTIMIL_PYTHON` names no Python.
const PACKAGES: [&str; 2] = ["pandas==3.1.1", "numpy==2.4.6"];

#[derive(Parser)]
struct Options {
    /// Molecules
    #[arg(long, default_value_t = 50_000)]
    molecules: usize,
    /// Conformers of each
    #[arg(long, default_value_t = 5)]
    conformers: usize,
    /// 2D features, and as many 3D features
    #[arg(long, default_value_t = 200)]
    features: usize,
    /// Decimals of a feature
    #[arg(long, default_value_t = 6)]
    decimals: usize,
    /// Readings of each kind
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Reads the tables of a folder once, and prints the measurement
    #[arg(long, hide = true)]
    read: Option<PathBuf>,
    /// The cache to read through
    #[arg(long, hide = true)]
    cache: Option<PathBuf>,
    /// Given by Cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// One reading.
#[derive(Serialize, Deserialize)]
struct Reading {
    seconds: f64,
    /// Of all processors.
    cpu_seconds: f64,
    peak_bytes: f64,
    /// Sum of all features.
    sum: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(folder) = &options.read {
        println!("{}", serde_json::to_string(&read(folder, options.cache)?)?);
        return Ok(());
    }
    let python = python()?;
    let folder = tempfile::tempdir()?;
    let bytes = write_tables(folder.path(), &options)?;
    let Options { molecules, conformers, features, rounds, .. } = options;
    let numbers = molecules * (1 + conformers) * features;
    println!(
        "{molecules} molecules × {conformers} conformers × {features} features: {:.0} MB of CSV, {:.0} MB of matrices",
        bytes as f64 / 1e6,
        numbers as f64 * 4e-6
    );

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pandas_reading.py");
    let pandas = || {
        let mut command = Command::new(&python);
        command.arg(&script).args(files(folder.path()));
        command
    };
    let ours = |cache: Option<&Path>| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("--read").arg(folder.path());
        cache.into_iter().for_each(|cache| _ = command.arg("--cache").arg(cache));
        command
    };
    let cache = folder.path().join("cache");
    let (mut baseline, mut baseline_cpu, mut rows) = (f64::NAN, f64::NAN, Vec::new());
    let mut sums = Vec::new();
    let mut add = |name: &str, commands: &mut dyn FnMut() -> io::Result<Command>| -> anyhow::Result<()> {
        let readings =
            (0..rounds).map(|_| measure(&mut commands()?)).collect::<anyhow::Result<Vec<Reading>>>()?;
        let seconds = Spread::of(readings.iter().map(|reading| reading.seconds));
        let cpu = Spread::of(readings.iter().map(|reading| reading.cpu_seconds));
        let peak = Spread::of(readings.iter().map(|reading| reading.peak_bytes));
        if baseline.is_nan() {
            (baseline, baseline_cpu) = (seconds.median, cpu.median);
        }
        rows.push(vec![
            name.to_owned(),
            seconds.show(1.0, 2),
            format!("{:.1}×", baseline / seconds.median),
            cpu.show(1.0, 2),
            format!("{:.1}×", baseline_cpu / cpu.median),
            peak.show(1e-6, 0),
            format!("{:.2}×", peak.median / (4.0 * numbers as f64)),
        ]);
        sums.extend(readings.iter().map(|reading| reading.sum));
        Ok(())
    };
    add("pandas", &mut || Ok(pandas()))?;
    add("optimil", &mut || Ok(ours(None)))?;
    add("optimil, writing the cache", &mut || {
        if cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        Ok(ours(Some(&cache)))
    })?;
    add("optimil, from the cache", &mut || Ok(ours(Some(&cache))))?;
    let header = ["", "seconds", "speed-up", "CPU seconds", "speed-up", "peak MB", "of the matrices"];
    print_table(&header, &rows);
    let agree = sums.iter().all(|sum| (sum - sums[0]).abs() <= 1e-6 * numbers as f64);
    ensure!(agree, "the readings differ: sums of all features are {sums:?}");
    Ok(())
}

/// Reads the tables in this process.
fn read(folder: &Path, cache: Option<PathBuf>) -> anyhow::Result<Reading> {
    let schema: TaskSchema = toml::from_str("[[task]]\nname = \"active\"\n[[task]]\nname = \"toxic\"\n")?;
    let [labels, feat2d, feat3d] = files(folder);
    let tables = Tables { labels: Some(labels), feat2d: Some(feat2d), feat3d, feat3d_qm: None };
    let splits = Splits::named(["train", "leaderboard"]);
    let clock = Clock::start();
    let dataset = match cache {
        Some(cache) => {
            let (dataset, notice) =
                data::load_cached(&tables, &schema, &splits, Labels::Required, &Cache::new(cache))?;
            ensure!(notice.is_none(), "{notice:?}");
            dataset
        }
        None => data::load(&tables, &schema, &splits, Labels::Required)?,
    };
    let time = clock.read();
    let peak_bytes = peak_bytes();
    let matrices = [dataset.bags().x2d(), dataset.bags().x3d()];
    let sum = matrices.iter().flat_map(|matrix| matrix.data()).map(|&value| f64::from(value)).sum();
    Ok(Reading { seconds: time.wall, cpu_seconds: time.cpu, peak_bytes, sum })
}

/// Most memory that this process had at once; unknown where there is no `/proc`.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

fn measure(command: &mut Command) -> anyhow::Result<Reading> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Labels, 2D and 3D table.
fn files(folder: &Path) -> [PathBuf; 3] {
    ["labels.csv", "feat2d.csv", "feat3d.csv"].map(|name| folder.join(name))
}

/// Writes the tables; returns their bytes.
fn write_tables(folder: &Path, options: &Options) -> io::Result<u64> {
    let &Options { molecules, conformers, features, decimals, .. } = options;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let paths = files(folder);
    let create = |path: &Path| File::create(path).map(|file| BufWriter::with_capacity(1 << 20, file));
    let mut out = create(&paths[0])?;
    writeln!(out, "ID,split,active,toxic")?;
    for molecule in 0..molecules {
        let split = if molecule % 5 == 0 { "leaderboard" } else { "train" };
        writeln!(out, "MOL{molecule:06},{split},{},{}", molecule % 11 / 10, molecule % 13 / 12)?;
    }
    out.flush()?;
    for (path, keys, rows) in [(&paths[1], 1, 1), (&paths[2], 2, conformers)] {
        let mut out = create(path)?;
        write!(out, "{}", ["ID", "ID,conf_id"][keys - 1])?;
        (0..features).try_for_each(|feature| write!(out, ",x{keys}_{feature:03}"))?;
        writeln!(out)?;
        for molecule in 0..molecules {
            for conformer in 0..rows {
                write!(out, "MOL{molecule:06}")?;
                if keys == 2 {
                    write!(out, ",MOL{molecule:06}_{conformer}")?;
                }
                for _ in 0..features {
                    // Like a standardised feature: mean 0, variance 1.
                    let value: f64 = (0..3).map(|_| random.random_range(-1.0..1.0)).sum();
                    write!(out, ",{value:.decimals$}")?;
                }
                writeln!(out)?;
            }
        }
        out.flush()?;
    }
    paths.iter().map(|path| path.metadata().map(|metadata| metadata.len())).sum()
}

/// A Python that has pandas.
fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os("OPTIMIL_PYTHON") {
        return Ok(python.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pandas");
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        eprintln!("installing {} from PyPI into {}", PACKAGES.join(" and "), venv.display());
        for command in [
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES),
        ] {
            let status = command.status().with_context(|| format!("{command:?} does not start"))?;
            ensure!(status.success(), "{command:?} failed: set OPTIMIL_PYTHON to a Python that has pandas");
        }
        std::fs::write(venv.join("complete"), PACKAGES.join("\n"))?;
    }
    Ok(python)
}
