//! Keeps what wasm-bindgen must know in the wasm when symbols are stripped from it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=--keep-section=target_features");
}
