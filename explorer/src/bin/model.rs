//! The model worker.
fn main() {
    explorer::model::run();
}
