//! The chromophores of the repository.

use std::path::Path;

use trainer::data::{self, Dataset, Labels, Splits, TRAIN_SPLIT, Tables};

/// The data set, its molecules to train on and those to validate on.
pub fn chromophores() -> anyhow::Result<(Dataset, [Vec<usize>; 2])> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/chromophores");
    let tables = Tables {
        labels: Some(folder.join("labels.csv")),
        feat2d: Some(folder.join("feat2d_scaled.csv.gz")),
        feat3d: folder.join("feat3d_scaled.csv.gz"),
        feat3d_qm: Some(folder.join("feat3d_qm_scaled.csv.gz")),
    };
    let schema = data::read_schema(&folder.join("schema.toml"))?;
    let splits = Splits::named([TRAIN_SPLIT, "leaderboard"]);
    let dataset = data::load(&tables, &schema, &splits, Labels::Required)?;
    let parts = [dataset.split_rows(TRAIN_SPLIT)?, dataset.split_rows("leaderboard")?];
    Ok((dataset, parts))
}
