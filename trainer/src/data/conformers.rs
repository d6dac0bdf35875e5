//! The conformers of molecules, numbered in the order in which they come up.

use std::collections::HashMap;

/// Conformers by molecule and name.
///
/// Most molecules have a few, which are found one after the other faster than by a map, and in less memory.
pub(super) struct Conformers {
    list: Vec<Conformer>,
    /// The last conformer of each molecule, and how many it has.
    last: Vec<(Option<usize>, usize)>,
    /// The conformers of molecules that have many.
    many: HashMap<usize, HashMap<Box<str>, usize>>,
}

struct Conformer {
    molecule: usize,
    name: Box<str>,
    /// The one before it of the same molecule.
    before: Option<usize>,
}

/// More conformers of a molecule are kept in a map.
const FEW: usize = 32;

impl Conformers {
    /// None yet, of some number of molecules.
    pub fn of(molecules: usize) -> Self {
        Self { list: Vec::new(), last: vec![(None, 0); molecules], many: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The molecule of a conformer.
    pub fn molecule(&self, number: usize) -> usize {
        self.list[number].molecule
    }

    /// The number of a conformer.
    pub fn number(&self, molecule: usize, name: &str) -> Option<usize> {
        let (mut next, count) = self.last[molecule];
        if count > FEW {
            return self.many[&molecule].get(name).copied();
        }
        while let Some(number) = next {
            if *self.list[number].name == *name {
                return Some(number);
            }
            next = self.list[number].before;
        }
        None
    }

    /// The number of a conformer, which is a new one if it was not there.
    pub fn number_or_new(&mut self, molecule: usize, name: &str) -> usize {
        if let Some(number) = self.number(molecule, name) {
            return number;
        }
        let number = self.list.len();
        let (before, count) = self.last[molecule];
        if count == FEW {
            let map = self.many.entry(molecule).or_default();
            let mut next = before;
            while let Some(number) = next {
                map.insert(self.list[number].name.clone(), number);
                next = self.list[number].before;
            }
        }
        if count >= FEW {
            self.many.entry(molecule).or_default().insert(name.into(), number);
        }
        self.last[molecule] = (Some(number), count + 1);
        self.list.push(Conformer { molecule, name: name.into(), before });
        number
    }

    /// Molecule and name of each, in the order of their numbers.
    pub fn into_iter(self) -> impl Iterator<Item = (usize, Box<str>)> {
        self.list.into_iter().map(|conformer| (conformer.molecule, conformer.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformers_are_found_by_molecule_and_name_however_many_there_are() {
        let mut conformers = Conformers::of(3);
        for round in 0..2 {
            for name in 0..100 {
                for molecule in [2, 0] {
                    let number = 2 * name + usize::from(molecule == 0);
                    let known = conformers.number(molecule, &name.to_string());
                    assert_eq!(known, (round == 1).then_some(number));
                    assert_eq!(conformers.number_or_new(molecule, &name.to_string()), number);
                }
            }
        }
        assert_eq!((conformers.len(), conformers.molecule(1)), (200, 0));
        assert_eq!(conformers.number(1, "0"), None);
        let last = conformers.into_iter().last().expect("some");
        assert_eq!((last.0, &*last.1), (0, "99"));
    }
}
