//! Which parameters are sampled jointly.

use std::collections::{BTreeMap, BTreeSet};

use crate::study::{Distribution, Trial};

/// Parameters that are sampled jointly, by name.
pub(super) type Space = BTreeMap<String, Distribution>;

/// The parameters that all trials have, with the same range in all.
pub(super) fn intersection<'a>(trials: impl Iterator<Item = &'a Trial>) -> Space {
    let mut common: Option<Vec<(&String, &Distribution)>> = None;
    for trial in trials {
        match &mut common {
            None => {
                common = Some(trial.parameters.iter().map(|(name, it)| (name, &it.distribution)).collect());
            }
            Some(common) => {
                // Both are sorted by name.
                let mut others = trial.parameters.iter().peekable();
                common.retain(|&(name, distribution)| {
                    while others.next_if(|&(other, _)| other < name).is_some() {}
                    others
                        .peek()
                        .is_some_and(|&(other, it)| other == name && it.distribution == *distribution)
                });
            }
        }
    }
    let common = common.unwrap_or_default().into_iter();
    common.map(|(name, distribution)| (name.clone(), distribution.clone())).collect()
}

/// The finest partition of all parameters such that every trial has all or none of each part.
pub(super) fn groups<'a>(trials: impl Iterator<Item = &'a Trial>) -> Vec<Space> {
    let mut groups: Vec<Space> = Vec::new();
    for trial in trials {
        let mut new: BTreeSet<&String> = trial.parameters.keys().collect();
        let mut next = Vec::with_capacity(groups.len() + 1);
        for group in groups {
            new.retain(|name| !group.contains_key(*name));
            let (inside, outside): (Space, Space) =
                group.into_iter().partition(|(name, _)| trial.parameters.contains_key(name));
            next.extend([inside, outside].into_iter().filter(|group| !group.is_empty()));
        }
        if !new.is_empty() {
            next.push(
                new.into_iter()
                    .map(|name| (name.clone(), trial.parameters[name].distribution.clone()))
                    .collect(),
            );
        }
        groups = next;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::trial;
    use crate::study::TrialState::Complete;

    fn float(high: f64) -> Distribution {
        Distribution::Float { low: 0.0, high, log: false, step: None }
    }

    #[test]
    fn common_parameters_have_the_same_range_everywhere() {
        let trials = [
            trial(
                0,
                Complete,
                Some(0.0),
                [("a", 0.1, float(1.0)), ("b", 0.1, float(1.0)), ("c", 0.1, float(1.0))],
            ),
            trial(
                1,
                Complete,
                Some(0.0),
                [("b", 0.1, float(2.0)), ("c", 0.2, float(1.0)), ("d", 0.1, float(1.0))],
            ),
        ];
        assert_eq!(intersection(trials.iter()), Space::from([("c".to_owned(), float(1.0))]));
        assert_eq!(intersection([].iter()), Space::new());
    }

    #[test]
    fn groups_are_what_appears_together() {
        let trials = [
            trial(
                0,
                Complete,
                Some(0.0),
                [("a", 0.1, float(1.0)), ("x", 0.1, float(1.0)), ("y", 0.1, float(1.0))],
            ),
            trial(1, Complete, Some(0.0), [("a", 0.1, float(1.0)), ("z", 0.2, float(1.0))]),
        ];
        let names: Vec<Vec<String>> =
            groups(trials.iter()).into_iter().map(|group| group.into_keys().collect()).collect();
        assert_eq!(names, [vec!["a"], vec!["x", "y"], vec!["z"]]);
    }
}
