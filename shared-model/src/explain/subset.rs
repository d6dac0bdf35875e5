//! Some conformers of a molecule, the others switched off.

use std::ops::Range;

/// Some of the conformers of a molecule, at least one: the network has no prediction of an empty bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    /// Ascending.
    positions: Vec<usize>,
}

impl Subset {
    /// All of so many conformers.
    ///
    /// # Panics
    /// If there are none.
    pub fn all(conformers: usize) -> Self {
        Self::at(0..conformers).expect("a molecule has a conformer")
    }

    /// The conformers that are on; `None` if none is.
    pub fn of(on: &[bool]) -> Option<Self> {
        Self::at((0..on.len()).filter(|&position| on[position]))
    }

    fn at(positions: impl Iterator<Item = usize>) -> Option<Self> {
        let positions: Vec<usize> = positions.collect();
        (!positions.is_empty()).then_some(Self { positions })
    }

    /// Positions of the conformers in the molecule, ascending.
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// Whether it is one of the subsets of so many conformers.
    pub(super) fn fits(&self, conformers: Range<usize>) -> bool {
        self.positions.last().is_some_and(|&last| last < conformers.len())
    }
}
