//! Bundles on disk: what goes into them from a data set, and writing them.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use shared_model::bags::{Bags, Matrix};
use shared_model::bundle::{
    self, BundleContents, DataSource, FormatVersion, Manifest, ModelEntry, Molecule, TrainingSummary,
};
use shared_model::schema::TaskSchema;
use shared_model::sd_file;
use shared_model::state_dict::StateDict;

use crate::atomic_file;
use crate::data::{Dataset, Standardiser};
use crate::parameters::RunParameters;
use crate::training::TrainedModel;

/// A manifest of a bundle made now by this program; its models are those of the [`BundleContents`].
pub fn manifest(
    schema: &TaskSchema,
    features_2d: &[String],
    features_3d: &[String],
    data_source: Option<DataSource>,
) -> Manifest {
    Manifest {
        format_version: FormatVersion::CURRENT,
        producer: concat!("optimil ", env!("CARGO_PKG_VERSION")).into(),
        created: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        schema: schema.clone(),
        models: Vec::new(),
        features_2d: features_2d.to_vec(),
        features_3d: features_3d.to_vec(),
        thresholds: None,
        data_source,
        members: Default::default(),
    }
}

/// A model that was trained here, as it goes into a bundle: what is known of it, and its weights.
pub fn trained_model(
    trained: &TrainedModel,
    parameters: &RunParameters,
    training: TrainingSummary,
) -> (ModelEntry, StateDict) {
    let standardisers = |scales: &Standardiser| {
        let scales = scales.mean.iter().zip(&scales.std);
        scales.map(|(&mean, &std)| bundle::Standardiser { mean, std }).collect()
    };
    let entry = ModelEntry {
        absorbance_standardisers: standardisers(&trained.scales.absorbance),
        fluorescence_standardisers: standardisers(&trained.scales.fluorescence),
        bitmask_groups: trained.groups.as_ref().map_or_else(Vec::new, |g| g.top_masks().to_vec()),
        training: Some(training),
        parameters: parameters.resolved.clone().into(),
        ..ModelEntry::new(trained.config.clone())
    };
    (entry, trained.weights.clone())
}

/// Some molecules of a data set with their features, to travel with a model.
pub fn molecules(dataset: &Dataset, rows: &[usize]) -> (Vec<Molecule>, Bags) {
    let bags = dataset.bags();
    let labelled = dataset.report().absent_columns.is_empty() || has_task_columns(dataset);
    let molecules = rows
        .iter()
        .map(|&row| Molecule {
            id: dataset.ids()[row].clone(),
            smiles: dataset.smiles()[row].clone(),
            split: dataset.splits()[row].clone(),
            labels: labelled.then(|| dataset.labels_of(row).iter().map(|&label| u8::from(label)).collect()),
            conformers: dataset.conformers()[bags.instances(row)].to_vec(),
        })
        .collect();
    let x2d: Vec<f32> = rows.iter().flat_map(|&row| bags.x2d().row(row)).copied().collect();
    let mut offsets = vec![0];
    let mut x3d = Vec::new();
    for &row in rows {
        for instance in bags.instances(row) {
            x3d.extend_from_slice(bags.x3d().row(instance));
        }
        offsets.push(offsets[offsets.len() - 1] + bags.instances(row).len());
    }
    let matrix = |rows: usize, columns: usize, data| {
        Matrix::new(rows, columns, data).expect("rows of one matrix make up another")
    };
    let x2d = matrix(rows.len(), bags.x2d().columns(), x2d);
    let x3d = matrix(offsets[rows.len()], bags.x3d().columns(), x3d);
    (molecules, Bags::new(x2d, x3d, offsets).expect("bags of bags"))
}

fn has_task_columns(dataset: &Dataset) -> bool {
    let absent = &dataset.report().absent_columns;
    dataset.schema().tasks.iter().all(|task| !absent.contains(&task.name))
}

/// Writes a bundle atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, contents: &BundleContents) -> io::Result<()> {
    let bytes = bundle::write(contents);
    atomic_file::write(path, |file| file.write_all(&bytes))
}

/// Reads the coordinates of these molecules' conformers from an SD file, gzipped or not.
///
/// # Errors
/// If the file cannot be read, is no SD file whose records name their molecule and conformer, or has none of the
/// conformers.
pub fn read_conformers(path: &Path, molecules: &[Molecule]) -> anyhow::Result<Vec<u8>> {
    let wrong = |what: &str| anyhow::anyhow!("conformers {}: {what}", path.display());
    let mut bytes = fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        let read = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
        read.map_err(|error| wrong(&error.to_string()))?;
        bytes = text;
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text"))?;
    let wanted: HashSet<(&str, &str)> = molecules
        .iter()
        .flat_map(|molecule| molecule.conformers.iter().map(|conformer| (&*molecule.id, &**conformer)))
        .collect();
    let mut kept = String::new();
    for record in sd_file::records(&text) {
        let key = sd_file::key(record)
            .ok_or_else(|| wrong("every record of the SD file must have the properties ID and conf_id"))?;
        if wanted.contains(&key) {
            kept.push_str(record);
        }
    }
    if kept.is_empty() {
        return Err(wrong("it has none of the conformers that travel with the model"));
    }
    Ok(kept.into_bytes())
}
