//! The model bundle `NAME.optimil`: a ZIP of data, nothing in it is code.
//!
//! | member | content |
//! |---|---|
//! | `manifest.json` | [`Manifest`]: what the model is, and SHA-256 and size of every other member |
//! | `weights.safetensors` | the weights, float32, in PyTorch's names and layout |
//! | `weights.1.safetensors`, … | the weights of the other members of an ensemble |
//! | `molecules.json` | optional: [`Molecule`]s that travel with the model |
//! | `features.safetensors` | with the molecules: `x2d` [M, F2], `x3d` [I, F3], `bag_offsets` [M + 1] (int64) |
//! | `conformers.sdf` | optional: coordinates, properties `ID` and `conf_id` |
//!
//! Readers ignore members and manifest fields that they do not know, and refuse a newer major version.
//!
//! A bundle holds one model, or an ensemble: several models of the same tasks and the same features (folds, seeds,
//! trials), each a [`ModelEntry`] of the manifest. A bundle of one model has format version 1.1 and is one for
//! readers of 1.0 too; an ensemble has 2.0.

mod manifest;
mod read;
mod write;

pub use manifest::{
    DataSource, FormatVersion, Interval, Manifest, Member, MixedPrecision, ModelEntry, Molecule,
    ParameterImportance, SearchSummary, SearchTrial, Standardiser, TaskMetrics, TrainingSummary,
};
pub use read::{BundleError, BundleReader, MAX_MODELS};
pub use write::{BundleContents, write};

const MANIFEST: &str = "manifest.json";
const MOLECULES: &str = "molecules.json";
const FEATURES: &str = "features.safetensors";
/// Name of the member with the coordinates of conformers.
pub const CONFORMERS: &str = "conformers.sdf";

/// Name of the member with the weights of the model at this position.
fn weights_member(position: usize) -> String {
    if position == 0 { "weights.safetensors".into() } else { format!("weights.{position}.safetensors") }
}
