//! Options that name the input tables and the task schema.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use shared_model::schema::TaskSchema;

use crate::data::{self, Cache, DataError, Dataset, Labels, Splits, Tables};

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
    /// Folder where large tables are kept as they were read, for the next run [default: the user's cache folder]
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    pub cache: Option<PathBuf>,
    /// Read the tables themselves, and keep nothing for the next run
    #[arg(long)]
    pub no_cache: bool,
}

impl FeatureArgs {
    /// Loads the molecules of some splits, with labels where there are any, from the tables or the cache.
    pub fn load(
        &self,
        labels: Option<&PathBuf>,
        schema: &TaskSchema,
        splits: &Splits,
        required: Labels,
    ) -> Result<Dataset, DataError> {
        let tables = Tables {
            labels: labels.cloned(),
            feat2d: self.feat2d.clone(),
            feat3d: self.feat3d.clone(),
            feat3d_qm: self.feat3d_qm.clone(),
        };
        let display = display(&tables);
        let cache = self.cache.clone().map(Cache::new).or_else(Cache::of_user).filter(|_| !self.no_cache);
        let result = match cache {
            Some(cache) => data::load_cached(&tables, schema, splits, required, &cache),
            None => data::load(&tables, schema, splits, required).map(|dataset| (dataset, None)),
        };
        display.finish_and_clear();
        let (dataset, notice) = result?;
        note(notice);
        Ok(dataset)
    }
}

/// What a terminal shows while the tables are read.
fn display(tables: &Tables) -> ProgressBar {
    let Tables { labels, feat2d, feat3d, feat3d_qm } = tables;
    let paths = [labels.as_ref(), feat2d.as_ref(), Some(feat3d), feat3d_qm.as_ref()];
    let bytes = paths
        .into_iter()
        .flatten()
        .filter_map(|path| path.metadata().ok())
        .map(|metadata| metadata.len())
        .sum();
    let style = ProgressStyle::with_template("{spinner} reading the tables, {msg}, elapsed {elapsed}");
    let display = ProgressBar::new_spinner().with_style(style.expect("a valid template"));
    display.set_message(HumanBytes(bytes).to_string());
    display.enable_steady_tick(Duration::from_millis(500));
    display
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
