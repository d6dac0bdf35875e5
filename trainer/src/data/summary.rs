//! What there is in a data set, in numbers for people.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;

/// Numbers of molecules, conformers and positives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// Number of 2D features.
    pub features_2d: usize,
    /// Number of 3D features.
    pub features_3d: usize,
    /// Molecules left out because they have no usable conformer.
    pub molecules_left_out: usize,
    /// Molecules with 1, 2, … conformers.
    pub molecules_by_conformers: Vec<usize>,
    /// The parts of the data set that were used.
    pub parts: Vec<PartSummary>,
}

/// A split, or another part of the molecules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// Its name.
    pub name: String,
    /// Molecules in it.
    pub molecules: usize,
    /// Their conformers.
    pub conformers: usize,
    /// Positives of each task.
    pub positives: Vec<usize>,
}

impl DatasetSummary {
    /// Its file in the folder of a training run.
    pub const FILE: &str = "data_summary.json";

    /// Counts a data set and some named parts of its rows.
    pub fn new(dataset: &Dataset, parts: &[(&str, &[usize])]) -> Self {
        let bags = dataset.bags();
        let mut molecules_by_conformers = Vec::new();
        for molecule in 0..dataset.len() {
            let conformers = bags.instances(molecule).len();
            if molecules_by_conformers.len() < conformers {
                molecules_by_conformers.resize(conformers, 0);
            }
            molecules_by_conformers[conformers - 1] += 1;
        }
        let part = |&(name, rows): &(&str, &[usize])| {
            let mut positives = vec![0; dataset.schema().task_count()];
            for &row in rows {
                for (count, &label) in positives.iter_mut().zip(dataset.labels_of(row)) {
                    *count += usize::from(label);
                }
            }
            PartSummary {
                name: name.to_owned(),
                molecules: rows.len(),
                conformers: rows.iter().map(|&row| bags.instances(row).len()).sum(),
                positives,
            }
        };
        Self {
            features_2d: dataset.names_2d().len(),
            features_3d: dataset.names_3d().len(),
            molecules_left_out: dataset.report().dropped.len(),
            molecules_by_conformers,
            parts: parts.iter().map(part).collect(),
        }
    }
}
