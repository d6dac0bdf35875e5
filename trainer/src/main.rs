//! The `optimil` command line.

use std::process::ExitCode;

use trainer::commands::{Cli, exit_code};

fn main() -> ExitCode {
    quieten_mesa();
    match Cli::from_command_line(std::env::args_os()).and_then(Cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("optimil: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// Without a desktop session, as on a cluster, Mesa's layer that chooses among GPUs writes errors to the terminal when
/// Vulkan is looked for: it looks for the desktop. Devices are chosen by `--device` here.
#[allow(unsafe_code)]
fn quieten_mesa() {
    let set = |name: &str| std::env::var_os(name).is_some();
    if cfg!(target_os = "linux") && !set("XDG_RUNTIME_DIR") && !set("MESA_VK_DEVICE_SELECT") {
        // SAFETY: the program has one thread yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
