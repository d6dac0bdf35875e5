//! Writing a bundle.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{
    CONFORMERS, FEATURES, FormatVersion, MANIFEST, MOLECULES, Manifest, Member, ModelEntry, Molecule,
    weights_member,
};
use crate::bags::Bags;
use crate::state_dict::StateDict;

/// What goes into a bundle.
#[derive(Debug, Clone)]
pub struct BundleContents {
    /// The manifest; its version, its models and its list of members are filled in by [`write()`].
    pub manifest: Manifest,
    /// The models with their weights: one, or the members of an ensemble, whose names differ.
    pub models: Vec<(ModelEntry, StateDict)>,
    /// Molecules that travel with the model and their features, in the same order.
    pub molecules: Option<(Vec<Molecule>, Bags)>,
    /// Coordinates of their conformers, an SD file.
    pub conformers: Option<Vec<u8>>,
}

/// The bytes of a bundle: the same contents give the same bytes.
///
/// # Panics
/// If there is no model.
pub fn write(contents: &BundleContents) -> Vec<u8> {
    assert!(!contents.models.is_empty(), "a bundle holds a model");
    let mut members = Vec::new();
    let mut models = Vec::new();
    for (position, (model, weights)) in contents.models.iter().enumerate() {
        let name = weights_member(position);
        members.push((name.clone(), weights.to_safetensors(), CompressionMethod::Stored));
        models.push(ModelEntry { weights: name, ..model.clone() });
    }
    if let Some((molecules, bags)) = &contents.molecules {
        let json = serde_json::to_vec(molecules).expect("molecules are plain data");
        members.push((MOLECULES.into(), json, CompressionMethod::Deflated));
        members.push((FEATURES.into(), features(bags), CompressionMethod::Deflated));
    }
    if let Some(conformers) = &contents.conformers {
        members.push((CONFORMERS.into(), conformers.clone(), CompressionMethod::Deflated));
    }
    let listed: BTreeMap<String, Member> = members
        .iter()
        .map(|(name, bytes, _)| (name.clone(), Member { size: bytes.len() as u64, sha256: sha256(bytes) }))
        .collect();
    let format_version = FormatVersion::needed_for(models.len());
    let manifest = Manifest { format_version, models, members: listed, ..contents.manifest.clone() };
    let manifest = serde_json::to_vec_pretty(&manifest).expect("the manifest is plain data");
    members.insert(0, (MANIFEST.into(), manifest, CompressionMethod::Deflated));

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, compression) in members {
        let options = SimpleFileOptions::default()
            .compression_method(compression)
            .large_file(bytes.len() > u32::MAX as usize / 2);
        zip.start_file(name, options).and_then(|()| Ok(zip.write_all(&bytes)?)).expect("writing to memory");
    }
    zip.finish().expect("writing to memory").into_inner()
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn features(bags: &Bags) -> Vec<u8> {
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (x2d, x3d) = (floats(bags.x2d().data()), floats(bags.x3d().data()));
    let offsets: Vec<u8> = bags.offsets().iter().flat_map(|&offset| (offset as i64).to_le_bytes()).collect();
    let view = |dtype, shape: &[usize], bytes| {
        TensorView::new(dtype, shape.to_vec(), bytes).expect("a matrix's values fill its shape")
    };
    let views = [
        ("x2d", view(Dtype::F32, &[bags.x2d().rows(), bags.x2d().columns()], &x2d)),
        ("x3d", view(Dtype::F32, &[bags.x3d().rows(), bags.x3d().columns()], &x3d)),
        ("bag_offsets", view(Dtype::I64, &[bags.offsets().len()], &offsets)),
    ];
    safetensors::serialize(views, None).expect("three views of different names always serialise")
}
