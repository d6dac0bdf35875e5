//! The `optimil` command line.

use std::process::ExitCode;

use trainer::commands::{Cli, exit_code};

fn main() -> ExitCode {
    match Cli::from_command_line(std::env::args_os()).and_then(Cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("optimil: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}
