//! The page.
fn main() {
    explorer::page::run();
}
