//! The browser explorer: opens a model bundle, shows its molecules and runs the model on them.
//!
//! Two programs are made of this crate. The page (`src/page/`) reads the bundle and draws; it has no Burn in it, so it
//! appears at once. The model (`src/model/`) runs in a Web Worker and does nothing but read weights and predict.
//! They speak the messages of [`protocol`].
//!
//! What needs no browser (what is looked at, which rows a table shows) is this library, and tested natively.

pub mod colour;
pub mod comparison;
pub mod coordinates;
pub mod drawing_queue;
pub mod export;
pub mod inquiry;
pub mod labelled;
pub mod nearest;
pub mod protocol;
pub mod standing;
pub mod superposition;
pub mod table;
pub mod view;
