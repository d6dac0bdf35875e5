//! The command line: what was typed, resolved and validated before any work starts.

mod command_line;
mod config_file;
mod cv;
mod devices;
mod dry_run;
mod ensemble;
mod explain;
mod hpo;
mod import;
mod interruption;
mod mixed_precision;
mod predict;
mod progress;
mod report;
mod run_args;
mod serve;
mod study;
mod tables;
mod train;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::config_file::ResolvedOptions;

/// Learns from molecules and their conformers which compounds interfere with optical assays.
#[derive(Debug, Parser)]
#[command(name = "optimil", version, about, max_term_width = 100, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[arg(skip)]
    options: ResolvedOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model on the split `train`, choose its epoch on a validation split, and export a bundle
    Train(train::TrainArgs),
    /// Cross-validate without a search: folds, out-of-fold predictions, intervals, ablations
    Cv(cv::CvArgs),
    /// Search for parameters by cross-validation, then train on the best ones and export a bundle
    Hpo(Box<hpo::HpoArgs>),
    /// Write the report of a run folder: one self-contained HTML file
    Report(report::ReportArgs),
    /// Predict molecules with a bundle: probabilities and attention, one row a conformer
    Predict(predict::PredictArgs),
    /// Test what attention says: each conformer left out, deletion and insertion, uniform attention
    Explain(explain::ExplainArgs),
    /// Make a bundle from a checkpoint of the earlier PyTorch system
    Import(import::ImportArgs),
    /// Join bundles into an ensemble: one bundle that predicts the mean of its members, and how far they agree
    Ensemble(ensemble::EnsembleArgs),
    /// Look into the studies of hyper-parameter searches: list, show, best, export, retry
    Study(study::StudyArgs),
    /// Show a bundle in the explorer, in a browser on this machine
    Serve(serve::ServeArgs),
    /// List the devices to compute on, and why others cannot be used
    Devices(devices::DevicesArgs),
}

impl Cli {
    /// Parses the command line; exits with a message where it is wrong, or help is asked for.
    ///
    /// # Errors
    /// What is wrong with the file of `--config`.
    pub fn from_command_line(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let program = Self::command();
        let (words, config) = config_file::expand(command_line::with_hyphens(arguments), &program)?;
        let matches = program.clone().try_get_matches_from(words).unwrap_or_else(|error| {
            if let Some(config) = config.filter(|_| error.use_stderr()) {
                eprintln!("optimil: with the options in {}:", config.display());
            }
            error.exit()
        });
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = program.find_subcommand(name)
        {
            cli.options = ResolvedOptions::of(command, matches);
        }
        Ok(cli)
    }

    /// Runs the command.
    ///
    /// # Errors
    /// One sentence for the user: what is wrong, where, and what to do.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Train(args) => train::run(&args, &self.options),
            Command::Cv(args) => cv::run(&args, &self.options),
            Command::Hpo(args) => hpo::run(&args, &self.options),
            Command::Report(args) => report::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Import(args) => import::run(&args),
            Command::Ensemble(args) => ensemble::run(&args),
            Command::Study(args) => study::run(&args),
            Command::Serve(args) => serve::run(&args),
            Command::Devices(args) => devices::run(&args),
        }
    }
}

/// The exit code of an error: 2, the code of bad input, like that of a wrong option; where a signal ended the work,
/// 128 and its number.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<interruption::Interrupted>().map_or(2, interruption::Interrupted::exit_code)
}
