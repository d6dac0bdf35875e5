//! Puts the built explorer (`dist/`, made by `make explorer`) into the program, for `optimil serve`.
//! Without it the program builds all the same, and `serve` says what is missing.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let crate_folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let dist = Path::new(&crate_folder).join("../dist");
    // Cargo rebuilds every time while a watched path is missing; an empty folder is watched in peace.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut list = String::from("&[\n");
    if dist.join("index.html").exists() {
        add_folder(&dist.canonicalize()?, "", &mut list)?;
    }
    list.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("explorer_files.rs"), list)
}

/// Adds a line for each file of a folder and of those in it, whose names begin with `prefix`.
fn add_folder(folder: &Path, prefix: &str, list: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        // Trunk leaves a lock file, whose name starts with a dot.
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            add_folder(&path, &format!("{name}/"), list)?;
        } else {
            writeln!(list, "({name:?}, include_bytes!({path:?})),").expect("a string takes every line");
        }
    }
    Ok(())
}
