//! What a layout still needs to look as a chemist draws it: chains that bend by 120°, fragments beside each other, the
//! long side from left to right.

use std::f64::consts::PI;

use crate::{BOND, Point};

impl Point {
    pub(crate) fn towards(self, other: Self, distance: f64) -> Self {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let length = dx.hypot(dy).max(f64::MIN_POSITIVE);
        Self { x: self.x + dx / length * distance, y: self.y + dy / length * distance }
    }

    pub(crate) fn distance(self, other: Self) -> f64 {
        (other.x - self.x).hypot(other.y - self.y)
    }

    pub(crate) fn shifted(self, by: (f64, f64)) -> Self {
        Self { x: self.x + by.0, y: self.y + by.1 }
    }

    fn turned(self, around: Self, angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        let (x, y) = (self.x - around.x, self.y - around.y);
        Self { x: around.x + cos * x - sin * y, y: around.y + sin * x + cos * y }
    }
}

/// Atoms that come closer than this, without a bond, are in each other's way.
const CROWDED: f64 = 0.65 * BOND;
/// Space between fragments.
const BETWEEN: f64 = 1.2 * BOND;

/// Where the atoms lie, and which are bonded.
pub(crate) struct Skeleton {
    pub points: Vec<Point>,
    /// Atoms bonded to each atom.
    pub neighbours: Vec<Vec<usize>>,
    /// Whether an atom with two bonds has an angle between them.
    pub bends: Vec<bool>,
}

impl Skeleton {
    /// Makes it look as a chemist draws it. Bends keep their sense, so configurations stay what they are.
    pub fn tidy(&mut self) {
        for atom in 0..self.points.len() {
            self.bend(atom);
        }
        let fragments = self.fragments();
        for fragment in &fragments {
            self.lay_lengthwise(fragment);
        }
        self.set_apart(&fragments);
    }

    /// Gives an atom of a chain an angle of 120°, unless that brings others into each other's way.
    fn bend(&mut self, atom: usize) {
        let [first, second] = self.neighbours[atom][..] else { return };
        if !self.bends[atom] {
            return;
        }
        let at = self.points[atom];
        let direction = |to: usize| (self.points[to].y - at.y).atan2(self.points[to].x - at.x);
        let angle = (direction(second) - direction(first) + 3.0 * PI).rem_euclid(2.0 * PI) - PI;
        if angle.abs() < 0.7 * PI {
            return;
        }
        let part = self.reached(second, atom);
        // In a ring the other side moves with it.
        if part.contains(&first) {
            return;
        }
        let by = (2.0 * PI / 3.0).copysign(angle) - angle;
        let crowded = self.crowding();
        let before = self.points.clone();
        part.iter().for_each(|&moved| self.points[moved] = before[moved].turned(at, by));
        if self.crowding() > crowded {
            self.points = before;
        }
    }

    /// How many pairs of atoms are in each other's way.
    fn crowding(&self) -> usize {
        let pairs = (0..self.points.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        pairs
            .filter(|&(a, b)| self.points[a].distance(self.points[b]) < CROWDED)
            .filter(|&(a, b)| !self.neighbours[a].contains(&b))
            .count()
    }

    /// Atoms that are reached from an atom without going through another one.
    fn reached(&self, from: usize, without: usize) -> Vec<usize> {
        let mut seen = vec![false; self.points.len()];
        seen[from] = true;
        let mut reached = vec![from];
        let mut next = 0;
        while let Some(&atom) = reached.get(next) {
            next += 1;
            for &other in self.neighbours[atom].iter().filter(|&&other| other != without) {
                if !std::mem::replace(&mut seen[other], true) {
                    reached.push(other);
                }
            }
        }
        reached
    }

    /// The atoms of each fragment, in the order of the SMILES.
    fn fragments(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.points.len()];
        let mut fragments = Vec::new();
        for atom in 0..self.points.len() {
            if !seen[atom] {
                let fragment = self.reached(atom, usize::MAX);
                fragment.iter().for_each(|&reached| seen[reached] = true);
                fragments.push(fragment);
            }
        }
        fragments
    }

    /// Turns a fragment so that it extends most from left to right.
    fn lay_lengthwise(&mut self, fragment: &[usize]) {
        let count = fragment.len() as f64;
        let mean = |value: fn(&Point) -> f64| {
            fragment.iter().map(|&atom| value(&self.points[atom])).sum::<f64>() / count
        };
        let middle = Point { x: mean(|p| p.x), y: mean(|p| p.y) };
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for &atom in fragment {
            let (x, y) = (self.points[atom].x - middle.x, self.points[atom].y - middle.y);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // The first principal axis; to the nearest twelfth of a turn, since bonds in steps of 30° look calm.
        let step = PI / 6.0;
        let angle = (0.5 * (2.0 * xy).atan2(xx - yy) / step).round() * step;
        for &atom in fragment {
            self.points[atom] = self.points[atom].turned(middle, -angle);
        }
    }

    /// Puts fragments side by side.
    fn set_apart(&mut self, fragments: &[Vec<usize>]) {
        let mut left = 0.0;
        for fragment in fragments {
            let edge = |value: fn(&Point) -> f64, best: fn(f64, f64) -> f64| {
                fragment.iter().map(|&atom| value(&self.points[atom])).reduce(best).unwrap_or(0.0)
            };
            let (start, end) = (edge(|p| p.x, f64::min), edge(|p| p.x, f64::max));
            let (top, bottom) = (edge(|p| p.y, f64::min), edge(|p| p.y, f64::max));
            let by = (left - start, -0.5 * (top + bottom));
            fragment.iter().for_each(|&atom| self.points[atom] = self.points[atom].shifted(by));
            left += end - start + BETWEEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(points: &[(f64, f64)]) -> Skeleton {
        let last = points.len() - 1;
        let neighbours =
            |at: usize| [at.checked_sub(1), (at < last).then_some(at + 1)].into_iter().flatten().collect();
        Skeleton {
            points: points.iter().map(|&(x, y)| Point { x: BOND * x, y: BOND * y }).collect(),
            neighbours: (0..=last).map(neighbours).collect(),
            bends: vec![true; last + 1],
        }
    }

    #[test]
    fn flat_chains_become_zigzags_and_keep_the_sense_of_their_bends() {
        let (long, short) = ((PI / 12.0).cos(), (PI / 12.0).sin());
        let mut skeleton = chain(&[(0.0, 0.0), (long, short), (2.0 * long, 0.0), (3.0 * long, short)]);
        skeleton.tidy();
        let points = skeleton.points;
        for pair in points.windows(2) {
            assert!((pair[0].distance(pair[1]) - BOND).abs() < 1e-9);
        }
        for three in points.windows(3) {
            assert!((three[0].distance(three[2]) - 3f64.sqrt() * BOND).abs() < 1e-6);
        }
        // A zigzag, not a bow: the ends are far apart.
        assert!((points[0].distance(points[3]) - 7f64.sqrt() * BOND).abs() < 1e-6);
    }

    #[test]
    fn straight_atoms_stay_straight() {
        let mut skeleton = chain(&[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]);
        skeleton.bends = vec![false; 3];
        skeleton.tidy();
        assert!((skeleton.points[0].distance(skeleton.points[2]) - 2.0 * BOND).abs() < 1e-9);
    }
}
