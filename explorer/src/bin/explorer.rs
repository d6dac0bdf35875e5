//! The page.

#[cfg(target_arch = "wasm32")]
#[path = "../page/mod.rs"]
mod page;

#[cfg(target_arch = "wasm32")]
fn main() {
    page::run();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This is a program for the browser: build it with scripts/build-explorer.");
}
