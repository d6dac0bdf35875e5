//! Training step, forward pass and epoch, against PyTorch on the same shapes, weights and threads.
//!
//! ```sh
//! cargo bench --locked --workspace --bench training_step
//! ```
//!
//! Ours and PyTorch run as two processes that wait while the other one works; rounds of both alternate. Before
//! anything is timed, both compute all losses of the same batch from the same weights, and must agree. Ratios are
//! PyTorch's median time divided by ours, so above 1 Optimil is the faster one.
//!
//! PyTorch is the Python of the environment variable `OPTIMIL_PYTHON`, else it is installed from PyPI under
//! `target/`. `-- --help` lists the options.

#[path = "../report/clock.rs"]
mod clock;
mod contest;
mod ours;
mod pytorch;
#[path = "../report/spread.rs"]
mod spread;
#[path = "../report/table.rs"]
mod table;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::contest::Contest;
use crate::table::print_table;
use crate::workload::{BagSizes, Tables};

#[derive(Parser)]
struct Options {
    /// Threads of either side
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Rounds of either side
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Least seconds of a round
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Only the steps of this shape (a, b or c), or only the epochs (epoch)
    #[arg(long)]
    only: Option<String>,
    /// Folder of the tables of the epoch: labels.csv, feat2d_scaled.csv.gz, feat3d_scaled.csv.gz,
    /// feat3d_qm_scaled.csv.gz, params.json, and schema.toml unless the tasks are the built-in ones
    #[arg(long, value_name = "FOLDER")]
    tables: Option<PathBuf>,
    /// Epochs of a round, of which the first does not count
    #[arg(long, default_value_t = 4, value_parser = RangedU64ValueParser::<usize>::new().range(2..))]
    epochs: usize,
    /// Profile our own steps for so many seconds; no PyTorch
    #[arg(long, value_name = "SECONDS")]
    profile: Option<f64>,
    /// Serve commands for the workload in this folder
    #[arg(long, value_name = "FOLDER", hide = true)]
    serve: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// A case of the table.
struct Shape {
    key: &'static str,
    title: &'static str,
    bags: BagSizes,
    batch_size: usize,
    width: usize,
}

const SHAPES: [Shape; 3] = [
    Shape {
        key: "a",
        title: "hidden 256, B 256, 10 conformers",
        bags: BagSizes::Equal(10),
        batch_size: 256,
        width: 256,
    },
    Shape {
        key: "b",
        title: "hidden 256, B 256, 1–10 conformers",
        bags: BagSizes::Between(1, 10),
        batch_size: 256,
        width: 256,
    },
    Shape {
        key: "c",
        title: "hidden 128, B 128, 5–6 conformers",
        bags: BagSizes::Between(5, 6),
        batch_size: 128,
        width: 128,
    },
];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let default_tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/chromophores");
    let tables = Tables::in_folder(options.tables.as_deref().unwrap_or(&default_tables));
    if let Some(folder) = &options.serve {
        return ours::serve(folder, &tables);
    }
    let folder = tempfile::tempdir()?;
    let wanted = |key: &str| options.only.as_deref().is_none_or(|only| only == key);
    if let Some(seconds) = options.profile {
        let shape = SHAPES.iter().find(|shape| wanted(shape.key)).context("no such shape")?;
        workload::write_steps(folder.path(), shape.width, shape.batch_size, shape.bags)?;
        return ours::profile(folder.path(), seconds);
    }

    let python = pytorch::python()?;
    let mut rows = Vec::new();
    for shape in SHAPES.iter().filter(|shape| wanted(shape.key)) {
        workload::write_steps(folder.path(), shape.width, shape.batch_size, shape.bags)?;
        for &threads in &options.threads {
            let mut contest = Contest::start(folder.path(), &tables, &python, threads)?;
            contest.check_losses(shape.title)?;
            for (what, command) in [("step", "step"), ("forward", "forward")] {
                let result = contest.steps(command, options.rounds, options.seconds)?;
                rows.push(result.row(&format!("{}) {what}, {}", shape.key, shape.title), threads));
            }
        }
    }
    if wanted("epoch") {
        let folder = tempfile::tempdir()?;
        workload::write_epochs(folder.path(), &tables, options.epochs)?;
        for &threads in &options.threads {
            let mut contest = Contest::start(folder.path(), &tables, &python, threads)?;
            contest.check_losses("the tables' first validation molecules")?;
            for (baseline, command) in [("Lightning", "lightning"), ("bare loop", "loop")] {
                let result = contest.epochs(command, options.rounds.div_ceil(2), options.epochs)?;
                rows.push(result.row(&format!("epoch against PyTorch's {baseline}"), threads));
            }
        }
    }
    println!();
    print_table(&contest::HEADINGS, &rows);
    println!(
        "\nmilliseconds, median (range); CPU is the time of all threads; ratio is PyTorch / ours of the medians\n\
         step: forward, losses, backward, AdamW; forward: without gradients; epoch: training and validation"
    );
    Ok(())
}
