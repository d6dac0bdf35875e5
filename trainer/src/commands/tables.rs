//! Options that name the input tables and the task schema.

use std::path::PathBuf;

use clap::Args;
use shared_model::schema::TaskSchema;

use crate::data::{self, DataError, Tables};

/// The feature tables.
#[derive(Debug, Clone, Args)]
pub(super) struct FeatureArgs {
    /// 2D features, one row a molecule (CSV, CSV.gz or Parquet) [default: none, the model sees conformers only]
    #[arg(long, value_name = "FILE", alias = "feat2d-scaled")]
    pub feat2d: Option<PathBuf>,
    /// 3D geometry features, one row a conformer
    #[arg(long, value_name = "FILE", alias = "feat3d-scaled")]
    pub feat3d: PathBuf,
    /// 3D quantum features, one row a conformer
    #[arg(long, value_name = "FILE", alias = "feat3d-qm-scaled")]
    pub feat3d_qm: Option<PathBuf>,
}

impl FeatureArgs {
    /// The tables, with labels where there are any.
    pub fn tables(&self, labels: Option<&PathBuf>) -> Tables {
        Tables {
            labels: labels.cloned(),
            feat2d: self.feat2d.clone(),
            feat3d: self.feat3d.clone(),
            feat3d_qm: self.feat3d_qm.clone(),
        }
    }
}

/// The task schema from a file, or the built-in one.
pub(super) fn schema(path: Option<&PathBuf>) -> Result<TaskSchema, DataError> {
    path.map_or_else(|| Ok(TaskSchema::euos25()), |path| data::read_schema(path))
}

/// Tells what a person should know.
pub(super) fn note(notice: Option<String>) {
    if let Some(notice) = notice {
        eprintln!("note: {notice}");
    }
}
