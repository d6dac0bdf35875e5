//! The coordinates worker.

#[cfg(target_arch = "wasm32")]
#[path = "../coordinates_worker.rs"]
mod coordinates_worker;

#[cfg(target_arch = "wasm32")]
fn main() {
    coordinates_worker::run();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This is a program for the browser: build it with scripts/build-explorer.");
}
