//! Names that nobody else has.

/// A random UUID (version 4).
pub(super) fn unique_name() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
