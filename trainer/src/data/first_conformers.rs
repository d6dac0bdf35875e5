//! Bags of one conformer: what is left to learn from where the conformers of a molecule do not matter.

use shared_model::bags::{Bags, Matrix};

use super::dataset::Dataset;

impl Dataset {
    /// The same molecules, each with the first of its conformers only, in the order of the 3D table.
    pub fn first_conformers(&self) -> Self {
        let bags = self.bags();
        let first = &bags.offsets()[..self.len()];
        let x3d: Vec<f32> = first.iter().flat_map(|&row| bags.x3d().row(row)).copied().collect();
        let x3d = Matrix::new(first.len(), bags.x3d().columns(), x3d).expect("whole rows");
        let offsets = (0..=self.len()).collect();
        let bags = Bags::new(bags.x2d().clone(), x3d, offsets).expect("one instance a molecule");
        let conformers = first.iter().map(|&row| self.conformers()[row].clone()).collect();
        self.with_instances(bags, conformers)
    }
}
