//! The `optimil` command line.

use std::process::ExitCode;

use clap::Parser;
use trainer::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("optimil: {error:#}");
            // The code of bad input, like that of a wrong option.
            ExitCode::from(2)
        }
    }
}
