//! The `optimil` command line.

use std::process::ExitCode;

use trainer::commands::Cli;

fn main() -> ExitCode {
    match Cli::from_command_line(std::env::args_os()).and_then(Cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("optimil: {error:#}");
            // The code of bad input, like that of a wrong option.
            ExitCode::from(2)
        }
    }
}
