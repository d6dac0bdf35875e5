//! The page.

#[cfg(target_arch = "wasm32")]
fn main() {
    explorer::page::run();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This is a program for the browser: build it with scripts/build-explorer.");
}
