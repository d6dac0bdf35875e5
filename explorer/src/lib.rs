//! The browser explorer: opens a model bundle, shows its molecules and runs the model on them.
//!
//! Two programs share this crate. The page (`page`) reads the bundle and draws; it has no Burn in it, so it
//! appears at once. The model (`model`) runs in a Web Worker and does nothing but read weights and predict.
//! They speak the messages of [`protocol`].

pub mod model;
pub mod page;
pub mod protocol;
