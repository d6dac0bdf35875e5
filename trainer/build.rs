//! Puts the built explorer (`dist/`, made by `make explorer`) into the program, for `optimil serve`.
//! Without it the program builds all the same, and `serve` says what is missing.

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
        for entry in fs::read_dir(dist.canonicalize()?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Trunk leaves a lock file, whose name starts with a dot.
            if entry.file_type()?.is_file() && !name.starts_with('.') {
                writeln!(list, "({name:?}, include_bytes!({:?})),", entry.path())
                    .expect("a string takes every line");
            }
        }
    }
    list.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("explorer_files.rs"), list)
}
