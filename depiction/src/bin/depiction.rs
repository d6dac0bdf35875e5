//! The drawing worker.
fn main() {
    #[cfg(target_arch = "wasm32")]
    depiction::worker::run();
}
