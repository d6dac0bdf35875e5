//! The command line: what was typed, resolved and validated before any work starts.

mod command_line;
mod import;
mod predict;
mod run_args;
mod serve;
mod tables;
mod train;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

/// Learns from molecules and their conformers which compounds interfere with optical assays.
#[derive(Debug, Parser)]
#[command(name = "optimil", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model on the split `train`, choose its epoch on a validation split, and export a bundle
    Train(train::TrainArgs),
    /// Predict molecules with a bundle: probabilities and attention, one row a conformer
    Predict(predict::PredictArgs),
    /// Make a bundle from a checkpoint of the earlier PyTorch system
    Import(import::ImportArgs),
    /// Show a bundle in the explorer, in a browser on this machine
    Serve(serve::ServeArgs),
}

impl Cli {
    /// Parses the command line; exits with a message where it is wrong, or help is asked for.
    pub fn from_command_line(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self::parse_from(command_line::with_hyphens(arguments))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// One sentence for the user: what is wrong, where, and what to do.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Train(args) => train::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Import(args) => import::run(&args),
            Command::Serve(args) => serve::run(&args),
        }
    }
}
