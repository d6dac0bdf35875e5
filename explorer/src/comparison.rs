//! Two bundles side by side: which molecules, tasks and conformers are the same, and how far the models differ on them.

use std::collections::{BTreeSet, HashMap};

use shared_model::bundle::{Manifest, Molecule};

/// What two bundles, A and B, have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// Positions of the molecules that both have, in A and in B, in the order of A.
    pub molecules: Vec<(u32, u32)>,
    /// Molecules of A alone, and of B alone.
    pub lone_molecules: [usize; 2],
    /// Molecules of one ID with different structures.
    pub other_structures: usize,
    /// Molecules of one ID whose conformers differ.
    pub other_conformers: usize,
    /// Positions of the tasks that both have, in A and in B.
    pub tasks: Vec<(usize, usize)>,
    /// Names of the tasks of A alone, and of B alone.
    pub lone_tasks: [Vec<String>; 2],
    /// Features, of molecules and conformers, of A alone, and of B alone.
    pub lone_features: [usize; 2],
}

/// Matches molecules by ID, and tasks and features by name.
pub fn match_bundles(manifests: [&Manifest; 2], molecules: [&[Molecule]; 2]) -> Matching {
    let [a, b] = molecules;
    let in_b: HashMap<&str, u32> =
        b.iter().enumerate().map(|(position, molecule)| (molecule.id.as_str(), position as u32)).collect();
    let shared: Vec<(u32, u32)> = a
        .iter()
        .enumerate()
        .filter_map(|(position, molecule)| Some((position as u32, *in_b.get(molecule.id.as_str())?)))
        .collect();
    let differ = |differ: fn(&Molecule, &Molecule) -> bool| {
        shared.iter().filter(|&&(at_a, at_b)| differ(&a[at_a as usize], &b[at_b as usize])).count()
    };
    let [tasks_a, tasks_b] = manifests.map(|manifest| &manifest.schema.tasks);
    let place = |name: &str| tasks_b.iter().position(|task| task.name == name);
    let tasks: Vec<(usize, usize)> =
        tasks_a.iter().enumerate().filter_map(|(at, task)| Some((at, place(&task.name)?))).collect();
    let lone_tasks = [0, 1].map(|side| {
        let known = |at: usize| tasks.iter().any(|pair| [pair.0, pair.1][side] == at);
        let all = [tasks_a, tasks_b][side].iter().enumerate();
        all.filter(|(at, _)| !known(*at)).map(|(_, task)| task.name.clone()).collect()
    });
    let features = manifests.map(|manifest| {
        let of_molecules = manifest.features_2d.iter().map(|name| (2, name.as_str()));
        of_molecules
            .chain(manifest.features_3d.iter().map(|name| (3, name.as_str())))
            .collect::<BTreeSet<_>>()
    });
    Matching {
        lone_molecules: [a.len() - shared.len(), b.len().saturating_sub(shared.len())],
        other_structures: differ(|a, b| a.smiles != b.smiles),
        other_conformers: differ(|a, b| a.conformers != b.conformers),
        molecules: shared,
        tasks,
        lone_tasks,
        lone_features: [
            features[0].difference(&features[1]).count(),
            features[1].difference(&features[0]).count(),
        ],
    }
}

/// Positions of the conformers that both molecules have, by their names, in A and in B.
pub fn match_conformers(a: &Molecule, b: &Molecule) -> Vec<(usize, usize)> {
    let place = |name: &String| b.conformers.iter().position(|other| other == name);
    a.conformers.iter().enumerate().filter_map(|(at, name)| Some((at, place(name)?))).collect()
}

/// How two sets of probabilities of the same molecules compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Molecules.
    pub molecules: usize,
    /// Mean of B less A.
    pub mean_difference: f64,
    /// Mean size of the difference.
    pub mean_distance: f64,
    /// Spearman's rank correlation; none where one model says the same of all.
    pub rank_correlation: Option<f64>,
}

/// Compares pairs of probabilities, of A and of B; none without a pair.
pub fn agreement(pairs: &[(f64, f64)]) -> Option<Agreement> {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    (!pairs.is_empty()).then(|| Agreement {
        molecules: pairs.len(),
        mean_difference: mean(|(a, b)| b - a),
        mean_distance: mean(|(a, b)| (b - a).abs()),
        rank_correlation: shared_model::explain::spearman((&a, 0.0), (&b, 0.0)),
    })
}

#[cfg(test)]
mod tests {
    use shared_model::bundle::FormatVersion;
    use shared_model::schema::TaskSchema;

    use super::*;

    fn molecule(id: &str, smiles: &str, conformers: &[&str]) -> Molecule {
        Molecule {
            id: id.into(),
            smiles: Some(smiles.into()),
            split: None,
            labels: None,
            conformers: conformers.iter().map(|&name| name.into()).collect(),
        }
    }

    fn manifest(features_3d: &[&str]) -> Manifest {
        Manifest {
            format_version: FormatVersion::CURRENT,
            producer: String::new(),
            created: String::new(),
            schema: TaskSchema::euos25(),
            models: Vec::new(),
            features_2d: vec!["a".into()],
            features_3d: features_3d.iter().map(|&name| name.into()).collect(),
            thresholds: None,
            data_source: None,
            members: Default::default(),
        }
    }

    #[test]
    fn molecules_are_matched_by_id_tasks_and_features_by_name() {
        let (first, mut second) = (manifest(&["a", "b", "c"]), manifest(&["c", "a"]));
        let moved = second.schema.tasks.remove(0);
        second.schema.tasks[2].name = "new".into();
        second.schema.tasks.push(moved);
        let a = [molecule("1", "C", &["0"]), molecule("2", "CC", &["0", "1"]), molecule("3", "CO", &["0"])];
        let b = [molecule("3", "OC", &["0"]), molecule("2", "CC", &["1"]), molecule("4", "N", &["0"])];
        let found = match_bundles([&first, &second], [&a, &b]);
        assert_eq!(found.molecules, [(1, 1), (2, 0)]);
        assert_eq!(found.lone_molecules, [1, 1]);
        assert_eq!((found.other_structures, found.other_conformers), (1, 1));
        assert_eq!(found.tasks, [(0, 3), (1, 0), (2, 1)]);
        assert_eq!(found.lone_tasks, [vec![first.schema.tasks[3].name.clone()], vec!["new".to_owned()]]);
        assert_eq!(found.lone_features, [1, 0]);
        assert_eq!(match_conformers(&a[1], &b[1]), [(1, 0)]);
    }

    #[test]
    fn a_model_agrees_with_itself_and_the_difference_is_b_less_a() {
        let same = agreement(&[(0.1, 0.1), (0.7, 0.7), (0.3, 0.3)]).expect("pairs");
        assert_eq!((same.mean_distance, same.rank_correlation), (0.0, Some(1.0)));
        let found = agreement(&[(0.25, 0.75), (0.5, 0.25)]).expect("pairs");
        assert_eq!((found.mean_difference, found.mean_distance), (0.125, 0.375));
        assert_eq!(found.rank_correlation, Some(-1.0));
        assert_eq!(agreement(&[]), None);
        assert_eq!(agreement(&[(0.5, 0.1), (0.5, 0.2)]).and_then(|found| found.rank_correlation), None);
    }
}
