//! Reading a bundle that somebody else may have written, damaged or forged.

use std::io::{Cursor, Read};
use std::sync::Mutex;

use safetensors::tensor::{Dtype, SafeTensors};
use zip::ZipArchive;
use zip::result::ZipError;

use super::write::sha256;
use super::{CONFORMERS, FEATURES, FormatVersion, MANIFEST, MOLECULES, Manifest, ModelEntry, Molecule};
use crate::bags::{Bags, BagsError, Matrix};
use crate::config::ConfigError;
use crate::schema::SchemaError;
use crate::state_dict::{StateDict, StateDictError};

/// Most models of an ensemble.
pub const MAX_MODELS: usize = 256;
/// Most members of a bundle.
const MAX_MEMBERS: usize = 64 + MAX_MODELS;
/// Most bytes of the manifest.
const MAX_MANIFEST: u64 = 16 << 20;
/// Most bytes of the list of molecules.
const MAX_MOLECULES: u64 = 512 << 20;
/// Most bytes of a member of tensors or coordinates.
const MAX_TENSORS: u64 = 3 << 30;

/// Why a file is not a usable bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Another kind of file.
    #[error(
        "this is not an Optimil model bundle (it is no ZIP archive): choose a file that ends in .optimil"
    )]
    NotABundle,
    /// A ZIP archive of something else.
    #[error(
        "this ZIP archive is not an Optimil model bundle (it has no {MANIFEST}): choose a file that ends in .optimil"
    )]
    NoManifest,
    /// Cut off or damaged.
    #[error("the bundle is incomplete or damaged ({0}): copy or download it again")]
    Damaged(String),
    /// More members than a bundle can have.
    #[error(
        "the bundle has {0} members, more than the {MAX_MEMBERS} that are allowed: it was not written by Optimil"
    )]
    TooManyMembers(usize),
    /// A manifest that cannot be understood.
    #[error("the bundle's {MANIFEST} cannot be read ({0}): export the model again")]
    Manifest(String),
    /// Written for newer readers.
    #[error("the bundle has format version {found_major}.{found_minor}, this program reads up to {known}.x: use a newer version of Optimil",
        known = FormatVersion::CURRENT.major)]
    NewerVersion {
        /// Major version found.
        found_major: u32,
        /// Minor version found.
        found_minor: u32,
    },
    /// A manifest that contradicts itself.
    #[error(
        "the bundle's {MANIFEST} contradicts itself: {}{what} is {found}, the model configuration says {expected}", of(.model)
    )]
    Contradiction {
        /// Name of the model; empty for a model on its own.
        model: String,
        /// Which number.
        what: &'static str,
        /// What the manifest lists.
        found: usize,
        /// What its model configuration says.
        expected: usize,
    },
    /// No model, or more than a bundle can have.
    #[error(
        "the bundle's {MANIFEST} lists {0} models; an ensemble has 1 to {MAX_MODELS}: export the models again"
    )]
    ModelCount(usize),
    /// Members of an ensemble that cannot be told apart.
    #[error(
        "the bundle's {MANIFEST} has a model without a name of its own (\"{0}\"): the members of an ensemble need different names"
    )]
    ModelName(String),
    /// An impossible model configuration.
    #[error("the bundle cannot be used: {}{error}", of(.model))]
    Config {
        /// Name of the model; empty for a model on its own.
        model: String,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// An impossible task schema.
    #[error("the bundle cannot be used: {0}")]
    Schema(#[from] SchemaError),
    /// A member that the bundle should have.
    #[error("the bundle has no {0}: export the model again")]
    MissingMember(String),
    /// A member too large to be read.
    #[error("{name} in the bundle is {size} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// Name of the member.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A member that is not what the manifest says.
    #[error(
        "{0} in the bundle was changed after it was written (its SHA-256 is not the manifest's): get the original file"
    )]
    WrongHash(String),
    /// Tensors that cannot be read.
    #[error("{name} in the bundle is {error}")]
    Tensors {
        /// Name of the member.
        name: String,
        /// What is wrong with it.
        error: StateDictError,
    },
    /// Features that do not fit the molecules or the model.
    #[error("{FEATURES} in the bundle cannot be used: {0}")]
    Features(String),
}

/// A bundle in memory, opened and checked as far as the manifest; members are read and checked on demand.
#[derive(Debug)]
pub struct BundleReader<'a> {
    archive: Mutex<ZipArchive<Cursor<&'a [u8]>>>,
    manifest: Manifest,
}

impl<'a> BundleReader<'a> {
    /// Opens a bundle from the bytes of its file.
    ///
    /// # Errors
    /// [`BundleError`] for bytes that are not a bundle, a newer version, and a manifest that is impossible.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if !bytes.starts_with(b"PK") {
            return Err(BundleError::NotABundle);
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if archive.len() > MAX_MEMBERS {
            return Err(BundleError::TooManyMembers(archive.len()));
        }
        let manifest = member(&mut archive, MANIFEST, MAX_MANIFEST)?.ok_or(BundleError::NoManifest)?;
        let manifest = parse_manifest(&manifest)?;
        Ok(Self { archive: Mutex::new(archive), manifest })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The weights of a model of the manifest.
    ///
    /// # Errors
    /// If they are missing, changed, too large or no safetensors. That they fit the model configuration is
    /// checked where the network is built.
    pub fn weights(&self, model: &ModelEntry) -> Result<StateDict, BundleError> {
        let name = &model.weights;
        let bytes = self.read(name, MAX_TENSORS)?.ok_or_else(|| BundleError::MissingMember(name.clone()))?;
        StateDict::from_safetensors(&bytes)
            .map_err(|error| BundleError::Tensors { name: name.clone(), error })
    }

    /// The molecules that travel with the model, if any do.
    ///
    /// # Errors
    /// If they are changed, too large or not a list of molecules.
    pub fn molecules(&self) -> Result<Option<Vec<Molecule>>, BundleError> {
        let Some(bytes) = self.read(MOLECULES, MAX_MOLECULES)? else { return Ok(None) };
        let molecules: Vec<Molecule> = serde_json::from_slice(&bytes)
            .map_err(|error| BundleError::Damaged(format!("{MOLECULES}: {error}")))?;
        let tasks = self.manifest.schema.task_count();
        let wrong = |m: &&Molecule| m.labels.as_ref().is_some_and(|labels| labels.len() != tasks);
        if let Some(molecule) = molecules.iter().find(wrong) {
            let id = &molecule.id;
            return Err(BundleError::Damaged(format!("{MOLECULES}: \"{id}\" has not one label a task")));
        }
        Ok(Some(molecules))
    }

    /// The features of the molecules, in the same order, if any travel with the model.
    ///
    /// # Errors
    /// If they are changed or too large, or do not fit the molecules or the model configuration.
    pub fn features(&self) -> Result<Option<Bags>, BundleError> {
        let Some(bytes) = self.read(FEATURES, MAX_TENSORS)? else { return Ok(None) };
        let bags = parse_features(&bytes).map_err(BundleError::Features)?;
        let widths = [
            ("x2d", self.manifest.features_2d.len(), bags.x2d().columns()),
            ("x3d", self.manifest.features_3d.len(), bags.x3d().columns()),
        ];
        for (name, expected, found) in widths {
            if expected != found {
                let message = format!("{name} is {found} wide, the model needs {expected}");
                return Err(BundleError::Features(message));
            }
        }
        let molecules = self.molecules()?.ok_or_else(|| BundleError::MissingMember(MOLECULES.into()))?;
        let fits = molecules.len() == bags.len()
            && (0..bags.len()).all(|m| molecules[m].conformers.len() == bags.instances(m).len());
        if !fits {
            let message = format!("their molecules and conformers are not those of {MOLECULES}");
            return Err(BundleError::Features(message));
        }
        Ok(Some(bags))
    }

    /// Coordinates of the conformers as an SD file, if they travel with the model.
    ///
    /// # Errors
    /// If they are changed or too large.
    pub fn conformers(&self) -> Result<Option<Vec<u8>>, BundleError> {
        self.read(CONFORMERS, MAX_TENSORS)
    }

    /// A member that the manifest lists, checked against it; `None` where it is neither listed nor there.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let mut archive = self.archive.lock().expect("no reader panics while it holds the archive");
        match (self.manifest.members.get(name), member(&mut archive, name, limit)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(BundleError::MissingMember(name.into())),
            (Some(listed), Some(bytes)) if listed.sha256 == sha256(&bytes) => Ok(Some(bytes)),
            (_, Some(_)) => Err(BundleError::WrongHash(name.into())),
        }
    }
}

fn damaged(error: ZipError) -> BundleError {
    BundleError::Damaged(error.to_string())
}

/// The bytes of a member, or `None` if there is none of that name.
fn member(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, BundleError> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(damaged(error)),
    };
    let size = file.size();
    if size > limit {
        return Err(BundleError::TooLarge { name: name.into(), size, limit });
    }
    // The declared size may be a lie: memory grows with what is really there, and never past the limit.
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| BundleError::Damaged(format!("{name}: {error}")))?;
    if bytes.len() as u64 != size {
        return Err(BundleError::Damaged(format!("{name}: {} of {size} bytes", bytes.len())));
    }
    Ok(Some(bytes))
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    /// Read first: everything else may look different in another version.
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: FormatVersion,
    }
    let unreadable = |error: serde_json::Error| BundleError::Manifest(error.to_string());
    let Version { format_version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if format_version.major > FormatVersion::CURRENT.major {
        return Err(BundleError::NewerVersion {
            found_major: format_version.major,
            found_minor: format_version.minor,
        });
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(unreadable)?;
    manifest.schema.validate()?;
    if manifest.models.is_empty() || manifest.models.len() > MAX_MODELS {
        return Err(BundleError::ModelCount(manifest.models.len()));
    }
    for (position, model) in manifest.models.iter().enumerate() {
        let is_alone = manifest.models.len() == 1;
        let is_new = manifest.models[..position].iter().all(|earlier| earlier.name != model.name);
        if !is_alone && (model.name.trim().is_empty() || !is_new) {
            return Err(BundleError::ModelName(model.name.clone()));
        }
        check_model(&manifest, model)?;
    }
    Ok(manifest)
}

/// Checks that a model answers the tasks of the manifest from its features.
fn check_model(manifest: &Manifest, model: &ModelEntry) -> Result<(), BundleError> {
    let (config, schema) = (&model.config, &manifest.schema);
    config.validate().map_err(|error| BundleError::Config { model: model.name.clone(), error })?;
    for (what, found, expected) in [
        ("number of 2D feature names", manifest.features_2d.len(), config.mol_dim),
        ("number of 3D feature names", manifest.features_3d.len(), config.inst_dim),
        ("number of tasks", schema.tasks.len(), config.n_tasks),
        ("number of absorbance outputs", schema.absorbance.len(), config.n_absorbance),
        ("number of fluorescence outputs", schema.fluorescence.len(), config.n_fluorescence),
    ] {
        if found != expected {
            return Err(BundleError::Contradiction { what, found, expected, model: model.name.clone() });
        }
    }
    Ok(())
}

/// "fold 1: ", or nothing for a model without a name.
fn of(model: &str) -> String {
    if model.is_empty() { String::new() } else { format!("{model}: ") }
}

fn parse_features(bytes: &[u8]) -> Result<Bags, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let matrix = |name: &str| -> Result<Matrix, String> {
        let view = file.tensor(name).map_err(|error| format!("{name}: {error}"))?;
        let [rows, columns] = view.shape() else { return Err(format!("{name} is not a matrix")) };
        if view.dtype() != Dtype::F32 {
            return Err(format!("{name} has element type {:?}, not F32", view.dtype()));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Matrix::new(*rows, *columns, values).ok_or_else(|| format!("{name} does not fill its shape"))
    };
    let offsets = file.tensor("bag_offsets").map_err(|error| format!("bag_offsets: {error}"))?;
    if offsets.dtype() != Dtype::I64 {
        return Err(format!("bag_offsets has element type {:?}, not I64", offsets.dtype()));
    }
    let offsets: Result<Vec<usize>, String> = offsets
        .data()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&b| usize::try_from(i64::from_le_bytes(b)).map_err(|_| "a bag offset is negative".to_owned()))
        .collect();
    Bags::new(matrix("x2d")?, matrix("x3d")?, offsets?).map_err(|error: BagsError| error.to_string())
}
