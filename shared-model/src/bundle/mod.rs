//! The model bundle `NAME.optimil`: a ZIP of data, nothing in it is code.
//!
//! | member | content |
//! |---|---|
//! | `manifest.json` | [`Manifest`]: what the model is, and SHA-256 and size of every other member |
//! | `weights.safetensors` | the weights, float32, in PyTorch's names and layout |
//! | `molecules.json` | optional: [`Molecule`]s that travel with the model |
//! | `features.safetensors` | with the molecules: `x2d` [M, F2], `x3d` [I, F3], `bag_offsets` [M + 1] (int64) |
//! | `conformers.sdf` | optional: coordinates, properties `ID` and `conf_id` |
//!
//! Readers ignore members and manifest fields that they do not know, and refuse a newer major version.

mod manifest;
mod read;
mod write;

pub use manifest::{
    DataSource, FormatVersion, Interval, Manifest, Member, Molecule, Standardiser, TaskMetrics,
    TrainingSummary,
};
pub use read::{BundleError, BundleReader};
pub use write::{BundleContents, write};

const MANIFEST: &str = "manifest.json";
const WEIGHTS: &str = "weights.safetensors";
const MOLECULES: &str = "molecules.json";
const FEATURES: &str = "features.safetensors";
const CONFORMERS: &str = "conformers.sdf";
