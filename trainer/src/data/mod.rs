//! Input tables, and the [`Dataset`] that is made of them.
//!
//! Label, 2D and 3D feature tables, CSV, CSV.gz or Parquet, are each read once: the keys of a row decide which
//! molecule or instance it belongs to, and its features go straight into the matrices that training uses. The rows of
//! the instance matrix are put in order at the end, in place: it is never held twice.
//!
//! ```no_run
//! use shared_model::schema::TaskSchema;
//! use trainer::data::{self, Labels, Splits, Tables, TargetScales};
//!
//! let tables = Tables {
//!     labels: Some("labels.csv".into()),
//!     feat2d: Some("feat2d.csv.gz".into()),
//!     feat3d: "feat3d.parquet".into(),
//!     feat3d_qm: None,
//! };
//! let dataset = data::load(&tables, &TaskSchema::euos25(), &Splits::named(["train"]), Labels::Required)?;
//! let fold = dataset.fold(0)?;
//! let scales = TargetScales::fit(&dataset, &fold.train);
//! # Ok::<(), data::DataError>(())
//! ```

mod cache;
mod cell;
mod conformers;
mod csv_blocks;
mod csv_field;
mod csv_rows;
mod csv_scan;
mod csv_table;
mod dataset;
mod decimal;
mod digest;
mod error;
mod feature_statistics;
mod features;
mod first_conformers;
mod folds;
mod growing_matrix;
mod in_order;
mod instances;
mod labels;
mod large_pages;
mod parquet_column;
mod parquet_table;
mod schema_file;
mod standardise;
mod summary;
mod table;

use std::path::PathBuf;

use shared_model::{
    bags::{Bags, Matrix},
    schema::TaskSchema,
};

pub use cache::{Cache, load_cached};
pub use dataset::{Dataset, Report, Targets};
pub use error::DataError;
pub use feature_statistics::feature_statistics;
pub use folds::{Fold, TRAIN_SPLIT};
pub use schema_file::read_schema;
pub use standardise::{Standardiser, TargetScales};
pub use summary::{DatasetSummary, PartSummary};
pub use table::Place;

use self::{error::first_few, features::Features, instances::Instances, table::Table};

/// Paths of the input tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Labels, one row a molecule; none: the 2D table names the molecules, and their labels are unknown.
    pub labels: Option<PathBuf>,
    /// 2D features, one row a molecule; none: the molecules have no features of their own (F2 = 0).
    pub feat2d: Option<PathBuf>,
    /// 3D geometry features, one row a conformer.
    pub feat3d: PathBuf,
    /// 3D quantum features, one row a conformer.
    pub feat3d_qm: Option<PathBuf>,
}

/// Which molecules of the label table are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Splits {
    /// All, whatever their split; the label table needs no split column.
    All,
    /// Those of the named splits, each of which must have a molecule. A molecule with an empty split is in none.
    Named(Vec<String>),
}

impl Splits {
    /// The molecules of the named splits.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Named(names.into_iter().map(Into::into).collect())
    }

    fn contain(&self, split: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| split == Some(name)),
        }
    }
}

/// Whether every task of the schema must have its column in the label table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// A task without a column is an error: for training.
    Required,
    /// A task without a column has negative labels only, and stands in [`Report::absent_columns`]: for prediction.
    Optional,
}

/// Reads the molecules of the wanted splits from the tables.
///
/// Molecules without an instance are left out and reported. Auxiliary and weight columns may be missing from the
/// label table: the targets are masked out, the weights are 1, and the report names the columns.
///
/// # Errors
/// The first thing that is wrong with a table, by file, row and column.
pub fn load(
    tables: &Tables,
    schema: &TaskSchema,
    splits: &Splits,
    labels: Labels,
) -> Result<Dataset, DataError> {
    schema.validate()?;
    if matches!(splits, Splits::Named(names) if names.is_empty()) {
        return Err(DataError::NoSplitNamed);
    }
    let columns = &schema.columns;
    let molecules = tables.labels.as_ref().or(tables.feat2d.as_ref()).ok_or(DataError::NoMoleculeTable)?;
    let label_table = Table::open(molecules)?;
    let feat2d = tables.feat2d.as_deref().map(Table::open).transpose()?;
    let geometry = Table::open(&tables.feat3d)?;
    let quantum = tables.feat3d_qm.as_deref().map(Table::open).transpose()?;

    let conformer_keys = [columns.id.as_str(), columns.conformer.as_str()];
    let features_2d = match &feat2d {
        Some(table) => Some((table, Features::of(table, schema, &conformer_keys[..1], &columns.ignored_2d)?)),
        None => None,
    };
    let geometry_features = Features::of(&geometry, schema, &conformer_keys, &columns.ignored_3d)?;
    let quantum_features = match &quantum {
        Some(table) => Some(Features::of(table, schema, &conformer_keys, &columns.ignored_qm)?),
        None => None,
    };
    let mut names_3d = geometry_features.names.clone();
    if let (Some(table), Some(features)) = (&quantum, &quantum_features) {
        if let Some(column) = features.names.iter().find(|&name| names_3d.contains(name)) {
            return Err(DataError::FeatureInBothTables {
                column: column.clone(),
                geometry: geometry.path().into(),
                quantum: table.path().into(),
            });
        }
        names_3d.extend_from_slice(&features.names);
    }

    let labels = labels::read(&label_table, schema, splits, labels)?;
    let quantum_source = quantum.as_ref().zip(quantum_features.as_ref());
    let geometry_source = (&geometry, &geometry_features);
    let Instances { kept, offsets, conformers, features: x3d } =
        instances::read(&labels.index, columns, geometry_source, quantum_source)?;
    let ids: Vec<&str> = labels.molecules.iter().map(|molecule| molecule.id.as_str()).collect();
    let x2d = match &features_2d {
        Some((table, features)) => {
            features::of_molecules(table, features, &columns.id, &labels.index, &kept, &ids)?
        }
        None => Matrix::new(kept.len(), 0, Vec::new()).expect("no columns"),
    };
    if kept.is_empty() {
        let paths = [Some(geometry.path()), quantum.as_ref().map(Table::path)];
        let paths: Vec<String> = paths.iter().flatten().map(|path| path.display().to_string()).collect();
        return Err(DataError::NoInstances {
            molecules: ids.len(),
            examples: first_few(&ids),
            tables: paths.join(" joined with "),
        });
    }
    let names_2d = features_2d.map_or_else(Vec::new, |(_, features)| features.names);
    let bags = Bags::new(x2d, x3d, offsets).expect("every kept molecule has its instances");
    Ok(Dataset::assemble(schema.clone(), labels, &kept, bags, conformers, names_2d, names_3d))
}
