//! The molecules with labels, by split: what the quality of a model can be measured on.

use shared_model::bundle::{Manifest, Molecule};

/// Split of the training molecules, as the trainer names it.
const TRAINING: &str = "train";

/// Molecules with labels that were of one split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledSplit {
    /// Its name; none: these molecules are of no split.
    pub name: Option<String>,
    /// Positions of the molecules in the bundle.
    pub molecules: Vec<u32>,
    /// Positives of each task `[T]`.
    pub positives: Vec<usize>,
}

/// What a split was to the training of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The model was trained on it.
    Training,
    /// It chose the epoch whose weights these are.
    Validation,
    /// The bundle does not say.
    Unknown,
}

/// The splits that have molecules with labels, in the order in which the bundle has them.
pub fn labelled_splits(molecules: &[Molecule], tasks: usize) -> Vec<LabelledSplit> {
    let mut splits: Vec<LabelledSplit> = Vec::new();
    for (position, molecule) in molecules.iter().enumerate() {
        let Some(labels) = &molecule.labels else { continue };
        let at = splits.iter().position(|split| split.name == molecule.split).unwrap_or_else(|| {
            splits.push(LabelledSplit {
                name: molecule.split.clone(),
                molecules: Vec::new(),
                positives: vec![0; tasks],
            });
            splits.len() - 1
        });
        let split = &mut splits[at];
        split.molecules.push(position as u32);
        for (count, &label) in split.positives.iter_mut().zip(labels) {
            *count += usize::from(label > 0);
        }
    }
    splits
}

/// What a split was to the models of a bundle.
pub fn role(split: &LabelledSplit, manifest: &Manifest) -> Role {
    let name = split.name.as_deref();
    let validated =
        |training: &shared_model::bundle::TrainingSummary| Some(&*training.validation_split) == name;
    match name {
        Some(TRAINING) => Role::Training,
        _ if manifest.models.iter().filter_map(|model| model.training.as_ref()).any(validated) => {
            Role::Validation
        }
        _ => Role::Unknown,
    }
}

/// The split to begin with: the one that is asked for, else that of the validation, else the first that the model was not
/// trained on.
pub fn chosen_split(splits: &[LabelledSplit], wanted: Option<&str>, manifest: &Manifest) -> usize {
    let place = |wanted: &dyn Fn(&LabelledSplit) -> bool| splits.iter().position(wanted);
    wanted
        .and_then(|wanted| place(&|split| split.name.as_deref().unwrap_or_default() == wanted))
        .or_else(|| place(&|split| role(split, manifest) == Role::Validation))
        .or_else(|| place(&|split| role(split, manifest) != Role::Training))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use shared_model::bundle::FormatVersion;
    use shared_model::schema::TaskSchema;

    use super::*;

    fn molecule(split: Option<&str>, labels: Option<[u8; 2]>) -> Molecule {
        Molecule {
            id: "a".into(),
            smiles: None,
            split: split.map(Into::into),
            labels: labels.map(Into::into),
            conformers: vec!["0".into()],
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            format_version: FormatVersion::CURRENT,
            producer: String::new(),
            created: String::new(),
            schema: TaskSchema::euos25(),
            models: Vec::new(),
            features_2d: Vec::new(),
            features_3d: Vec::new(),
            thresholds: None,
            data_source: None,
            members: Default::default(),
        }
    }

    #[test]
    fn molecules_without_labels_are_left_out_and_positives_are_counted_by_split() {
        let molecules = [
            molecule(Some("train"), Some([1, 0])),
            molecule(Some("leaderboard"), Some([1, 1])),
            molecule(Some("leaderboard"), None),
            molecule(None, Some([0, 1])),
            molecule(Some("train"), Some([1, 1])),
        ];
        let splits = labelled_splits(&molecules, 2);
        let told: Vec<_> = splits
            .iter()
            .map(|split| (split.name.as_deref(), &split.molecules[..], &split.positives[..]))
            .collect();
        assert_eq!(
            told,
            [
                (Some("train"), &[0, 4][..], &[2, 1][..]),
                (Some("leaderboard"), &[1], &[1, 1]),
                (None, &[3], &[0, 1])
            ]
        );
    }

    #[test]
    fn training_molecules_are_not_what_one_begins_with() {
        let molecules = [molecule(Some("train"), Some([1, 0])), molecule(Some("test"), Some([1, 0]))];
        let splits = labelled_splits(&molecules, 2);
        let manifest = manifest();
        assert_eq!([0, 1].map(|at| role(&splits[at], &manifest)), [Role::Training, Role::Unknown]);
        assert_eq!(chosen_split(&splits, None, &manifest), 1);
        assert_eq!(chosen_split(&splits, Some("train"), &manifest), 0);
        assert_eq!(chosen_split(&splits, Some("elsewhere"), &manifest), 1);
        assert_eq!(chosen_split(&splits[..1], None, &manifest), 0, "all that there is");
    }
}
