//! Joining bundles: the models of several become the members of one ensemble.

use std::collections::{HashMap, HashSet};

use shared_model::bags::{Bags, Matrix};
use shared_model::bundle::{
    BundleContents, BundleError, BundleReader, DataSource, MAX_MODELS, Manifest, ModelEntry, Molecule,
};
use shared_model::schema::{AuxiliaryOutput, TaskSchema};
use shared_model::sd_file;
use shared_model::state_dict::StateDict;

use crate::bundle_file;

/// A bundle to be joined.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its file, for messages.
    pub file: String,
    /// What to call its model; several models are called `NAME/MODEL`.
    pub name: String,
    /// The bundle.
    pub bundle: BundleReader<'a>,
}

/// Why bundles cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A bundle that cannot be read.
    #[error("{file}: {error}")]
    Unreadable {
        /// The bundle.
        file: String,
        /// What is wrong with it.
        error: BundleError,
    },
    /// Models that answer other questions, or read other features.
    #[error(
        "{file} has {found} where {first} has {expected}: only models of the same tasks and features can be joined"
    )]
    Different {
        /// The bundle.
        file: String,
        /// What it has.
        found: String,
        /// The first bundle.
        first: String,
        /// What the first bundle has.
        expected: String,
    },
    /// Two models of one name.
    #[error("two members of the ensemble would be called \"{0}\": name the bundles apart with --names")]
    SameName(String),
    /// More models than a bundle holds.
    #[error("the bundles hold {0} models together, and one bundle can hold {MAX_MODELS}: join fewer")]
    TooMany(usize),
    /// A molecule that is not the same everywhere.
    #[error(
        "molecule \"{id}\" has other {what} in {file} than in the bundles before it: join bundles that were made of the same tables"
    )]
    OtherMolecule {
        /// The molecule.
        id: String,
        /// What differs.
        what: &'static str,
        /// The bundle.
        file: String,
    },
}

/// The contents of a bundle whose members are the models of all parts, in their order.
///
/// Tasks and feature names must be those of the first part. The molecules of all parts travel with the ensemble, each
/// once; so do their conformers' coordinates. Thresholds are left out: they belong to the probabilities of one model.
///
/// # Errors
/// [`JoinError`] if a part cannot be read, or if the parts do not belong together.
///
/// # Panics
/// If there is no part.
pub fn join(parts: &[Part]) -> Result<BundleContents, JoinError> {
    let first = parts.first().expect("an ensemble has a member");
    for part in &parts[1..] {
        compare(first, part)?;
    }
    let manifest = first.bundle.manifest();
    let data_source = data_source(parts);
    let manifest =
        bundle_file::manifest(&manifest.schema, &manifest.features_2d, &manifest.features_3d, data_source);
    let models = models(parts)?;
    let mut molecules = Union::default();
    let mut conformers = Coordinates::default();
    for part in parts {
        let unreadable = |error| JoinError::Unreadable { file: part.file.clone(), error };
        if let (Some(list), Some(bags)) =
            (part.bundle.molecules().map_err(unreadable)?, part.bundle.features().map_err(unreadable)?)
        {
            molecules.add(part, list, &bags)?;
        }
        if let Some(bytes) = part.bundle.conformers().map_err(unreadable)? {
            conformers.add(&bytes);
        }
    }
    let molecules = molecules.into_bags(&manifest);
    Ok(BundleContents { manifest, models, molecules, conformers: conformers.into_bytes() })
}

/// The models of all parts with their weights.
fn models(parts: &[Part]) -> Result<Vec<(ModelEntry, StateDict)>, JoinError> {
    let count = parts.iter().map(|part| part.bundle.manifest().models.len()).sum();
    if count > MAX_MODELS {
        return Err(JoinError::TooMany(count));
    }
    let mut names = HashSet::new();
    let mut models = Vec::with_capacity(count);
    for part in parts {
        let entries = &part.bundle.manifest().models;
        for entry in entries {
            let name = match entries.len() {
                1 => part.name.clone(),
                _ => format!("{}/{}", part.name, entry.name),
            };
            if !names.insert(name.clone()) {
                return Err(JoinError::SameName(name));
            }
            let weights = part
                .bundle
                .weights(entry)
                .map_err(|error| JoinError::Unreadable { file: part.file.clone(), error })?;
            models.push((ModelEntry { name, ..entry.clone() }, weights));
        }
    }
    Ok(models)
}

/// Every licence and citation, once.
fn data_source(parts: &[Part]) -> Option<DataSource> {
    let sources = || parts.iter().filter_map(|part| part.bundle.manifest().data_source.as_ref());
    let joined = |text: fn(&DataSource) -> &str| {
        let mut texts: Vec<&str> = Vec::new();
        for source in sources() {
            if !texts.contains(&text(source)) {
                texts.push(text(source));
            }
        }
        texts.join("; ")
    };
    sources().next()?;
    Some(DataSource {
        licence: joined(|source| &source.licence),
        citation: joined(|source| &source.citation),
    })
}

/// Checks that a part answers the tasks of the first from the same features; names the first difference.
fn compare(first: &Part, part: &Part) -> Result<(), JoinError> {
    let (expected, found) = (first.bundle.manifest(), part.bundle.manifest());
    match difference(expected, found) {
        None => Ok(()),
        Some((expected, found)) => {
            let (file, first) = (part.file.clone(), first.file.clone());
            Err(JoinError::Different { file, found, first, expected })
        }
    }
}

/// What two bundles have instead of each other.
fn difference(a: &Manifest, b: &Manifest) -> Option<(String, String)> {
    let lists = |manifest: &Manifest| -> [(&'static str, Vec<String>); 5] {
        let TaskSchema { tasks, absorbance, fluorescence, .. } = &manifest.schema;
        let columns =
            |outputs: &[AuxiliaryOutput]| outputs.iter().map(|output| output.column.clone()).collect();
        [
            ("task", tasks.iter().map(|task| task.name.clone()).collect()),
            ("absorbance output", columns(absorbance)),
            ("fluorescence output", columns(fluorescence)),
            ("2D feature", manifest.features_2d.clone()),
            ("3D feature", manifest.features_3d.clone()),
        ]
    };
    for ((what, a), (_, b)) in lists(a).into_iter().zip(lists(b)) {
        if a == b {
            continue;
        }
        let position = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let words = |names: &[String]| match names.get(position) {
            Some(name) => format!("{what} {} \"{name}\"", position + 1),
            None => format!("only {} {what}s", names.len()),
        };
        return Some((words(&a), words(&b)));
    }
    // What the tables are read by; what only training reads may differ.
    (a.schema.columns != b.schema.columns).then(|| {
        ("its own names of the table columns".to_owned(), "other names of the table columns".to_owned())
    })
}

/// Molecules and features of several bundles, each molecule once.
#[derive(Default)]
struct Union {
    molecules: Vec<Molecule>,
    positions: HashMap<String, usize>,
    x2d: Vec<f32>,
    x3d: Vec<f32>,
    /// First instance of each molecule after the first one.
    ends: Vec<usize>,
}

impl Union {
    fn add(&mut self, part: &Part, molecules: Vec<Molecule>, bags: &Bags) -> Result<(), JoinError> {
        let widths = (bags.x2d().columns(), bags.x3d().columns());
        for (row, molecule) in molecules.into_iter().enumerate() {
            let instances = bags.instances(row);
            let x2d = bags.x2d().row(row);
            let x3d = &bags.x3d().data()[instances.start * widths.1..instances.end * widths.1];
            match self.positions.get(&molecule.id) {
                Some(&known) => self.agree(part, known, molecule, x2d, x3d)?,
                None => {
                    self.positions.insert(molecule.id.clone(), self.molecules.len());
                    self.ends.push(self.ends.last().unwrap_or(&0) + instances.len());
                    self.molecules.push(molecule);
                    self.x2d.extend_from_slice(x2d);
                    self.x3d.extend_from_slice(x3d);
                }
            }
        }
        Ok(())
    }

    /// Checks a molecule that is there already, and takes over what only now is known of it.
    fn agree(
        &mut self,
        part: &Part,
        known: usize,
        molecule: Molecule,
        x2d: &[f32],
        x3d: &[f32],
    ) -> Result<(), JoinError> {
        fn take<T: PartialEq>(known: &mut Option<T>, found: Option<T>) -> bool {
            if known.is_none() {
                *known = found;
                return true;
            }
            found.is_none() || *known == found
        }
        let start = if known == 0 { 0 } else { self.ends[known - 1] };
        let width = x3d.len() / molecule.conformers.len();
        let same_features = self.x2d[known * x2d.len()..][..x2d.len()] == *x2d
            && self.x3d.get(start * width..self.ends[known] * width) == Some(x3d);
        let entry = &mut self.molecules[known];
        let what = if entry.conformers != molecule.conformers {
            "conformers"
        } else if !same_features {
            "features"
        } else if !take(&mut entry.smiles, molecule.smiles) {
            "SMILES"
        } else if !take(&mut entry.split, molecule.split) {
            "splits"
        } else if !take(&mut entry.labels, molecule.labels) {
            "labels"
        } else {
            return Ok(());
        };
        Err(JoinError::OtherMolecule { id: molecule.id, what, file: part.file.clone() })
    }

    fn into_bags(self, manifest: &Manifest) -> Option<(Vec<Molecule>, Bags)> {
        let (count, instances) = (self.molecules.len(), *self.ends.last()?);
        let matrix = |rows, columns: usize, data| Matrix::new(rows, columns, data).expect("whole rows");
        let x2d = matrix(count, manifest.features_2d.len(), self.x2d);
        let x3d = matrix(instances, manifest.features_3d.len(), self.x3d);
        let offsets = [0].into_iter().chain(self.ends).collect();
        Some((self.molecules, Bags::new(x2d, x3d, offsets).expect("bags of bags")))
    }
}

/// SD records of several bundles, each conformer once.
#[derive(Default)]
struct Coordinates {
    records: String,
    known: HashSet<(String, String)>,
}

impl Coordinates {
    fn add(&mut self, bytes: &[u8]) {
        // What was written here is UTF-8, and every record names its conformer; a foreign one is carried along.
        for record in sd_file::records(&String::from_utf8_lossy(bytes)) {
            let key = sd_file::key(record).map(|(id, conformer)| (id.to_owned(), conformer.to_owned()));
            if key.is_none_or(|key| self.known.insert(key)) {
                self.records.push_str(record);
            }
        }
    }

    fn into_bytes(self) -> Option<Vec<u8>> {
        (!self.records.is_empty()).then(|| self.records.into_bytes())
    }
}
