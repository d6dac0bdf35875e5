//! The model worker.

#[cfg(target_arch = "wasm32")]
#[path = "../model/mod.rs"]
mod model;

#[cfg(target_arch = "wasm32")]
fn main() {
    model::run();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This is a program for the browser: build it with scripts/build-explorer.");
}
