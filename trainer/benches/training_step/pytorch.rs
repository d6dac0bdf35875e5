//! Where PyTorch is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Installed where `OPTIMIL_PYTHON` names no Python.
const PACKAGES: [&str; 2] = ["torch==2.15.0", "lightning==2.6.6"];

/// The baseline's script.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch_baseline.py")
}

/// A Python that has PyTorch and Lightning.
pub fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os("OPTIMIL_PYTHON") {
        return Ok(python.into());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let venv = target.join("pytorch");
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        eprintln!("installing {} from PyPI into {} (some gigabytes)", PACKAGES.join(" and "), venv.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        std::fs::write(venv.join("complete"), PACKAGES.join("\n"))?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let advice = "set OPTIMIL_PYTHON to a Python that has torch and lightning";
    let status = command.status().with_context(|| format!("{command:?} does not start: {advice}"))?;
    ensure!(status.success(), "{command:?} failed: {advice}");
    Ok(())
}
