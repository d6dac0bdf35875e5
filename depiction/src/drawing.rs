//! Drawing a molecule from SMILES.

use chematic::core::{AtomIdx, BondEntry, BondOrder, Molecule, apply_kekule, implicit_hcount, kekulize};
use chematic::mol::stereo_depiction::depiction_with_stereo;

use crate::label::{CAPITAL, FONT, free_side, runs, width};
use crate::layout::Skeleton;
use crate::{Atom, BOND, Label, Mark, Point, Structure};

/// Most atoms of a drawing, hydrogens that are not written left out: a larger one would be a knot of lines, and take long.
pub const MAX_ATOMS: usize = 400;

/// Free space around a drawing.
const MARGIN: f64 = 0.25 * BOND;
/// Distance of the lines of a double bond.
const GAP: f64 = 6.5;
/// Free space around the symbol of an atom.
const CLEARANCE: f64 = 3.5;
/// Half the width of a wedge at its broad end.
const WEDGE: f64 = 5.0;
/// Largest ring in which a double bond has its second line inside.
const LARGEST_RING: usize = 8;

/// Draws a molecule.
///
/// # Errors
/// In words, if the text is no SMILES of a molecule that can be drawn.
pub fn draw(smiles: &str) -> Result<Structure, String> {
    let parsed = chematic::smiles::parse(smiles).map_err(|error| error.to_string())?;
    let atoms = parsed.atoms().count();
    if atoms == 0 {
        return Err("it has no atom".into());
    }
    if atoms > MAX_ATOMS {
        return Err(format!("it has {atoms} atoms, more than the {MAX_ATOMS} of a legible drawing"));
    }
    let kekule = kekulize(&parsed)
        .map_err(|_| "its aromatic bonds cannot be written as single and double bonds".to_owned())?;
    let kekulized = apply_kekule(&parsed, &kekule);
    let (with_stereo, layout) = depiction_with_stereo(&kekulized);
    let molecule = with_stereo.unwrap_or(kekulized);
    let points = molecule.atoms().map(|(atom, _)| layout.get(atom)).map(|p| Point { x: p.x, y: p.y });
    let mut drawing = Drawing { molecule: &molecule, points: points.collect() };
    let neighbours = |atom| molecule.neighbors(atom).map(|(other, _)| other.0 as usize).collect();
    let mut skeleton = Skeleton {
        neighbours: molecule.atoms().map(|(atom, _)| neighbours(atom)).collect(),
        bends: molecule.atoms().map(|(atom, _)| !drawing.is_linear(atom)).collect(),
        points: std::mem::take(&mut drawing.points),
    };
    skeleton.tidy();
    drawing.points = skeleton.points;
    Ok(drawing.finish())
}

struct Drawing<'a> {
    molecule: &'a Molecule,
    points: Vec<Point>,
}

impl Drawing<'_> {
    fn finish(&self) -> Structure {
        let mut marks: Vec<Mark> = Vec::new();
        for (_, bond) in self.molecule.bonds() {
            self.bond(bond, &mut marks);
        }
        for (atom, _) in self.molecule.atoms() {
            marks.extend(self.label(atom));
        }
        // Everything that is drawn, with a little room around it.
        let mut frame = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let mut include = |[left, top, right, bottom]: [f64; 4]| {
            let [l, t, r, b] = frame;
            frame = [l.min(left), t.min(top), r.max(right), b.max(bottom)];
        };
        self.points.iter().for_each(|p| include([p.x, p.y, p.x, p.y]));
        for mark in &marks {
            if let Mark::Label(label) = mark {
                runs(label).iter().for_each(|run| include(run.edges()));
            }
        }
        let [left, top, right, bottom] = frame;
        let by = (MARGIN - left, MARGIN - top);
        for mark in &mut marks {
            match mark {
                Mark::Line(points) => points.iter_mut().for_each(|p| *p = p.shifted(by)),
                Mark::Wedge(points) => points.iter_mut().for_each(|p| *p = p.shifted(by)),
                Mark::Label(label) => label.at = label.at.shifted(by),
            }
        }
        Structure { width: right - left + 2.0 * MARGIN, height: bottom - top + 2.0 * MARGIN, marks }
    }

    fn at(&self, atom: AtomIdx) -> Point {
        self.points[atom.0 as usize]
    }

    fn symbol(&self, atom: AtomIdx) -> &'static str {
        let about = self.molecule.atom(atom);
        if about.wildcard { "*" } else { about.element.symbol() }
    }

    fn has_label(&self, atom: AtomIdx) -> bool {
        let about = self.molecule.atom(atom);
        let bonds = self.molecule.neighbors(atom).count();
        self.symbol(atom) != "C" || about.charge != 0 || about.isotope.is_some() || bonds == 0
            // Between two double bonds a bare bend would not be seen.
            || (self.is_linear(atom) && !self.has_triple(atom))
    }

    /// Whether two bonds go straight through an atom: two double ones, or a triple and a single one.
    fn is_linear(&self, atom: AtomIdx) -> bool {
        self.molecule.neighbors(atom).count() == 2 && self.order_sum(atom) == 4
    }

    fn order_sum(&self, atom: AtomIdx) -> u8 {
        self.molecule.neighbors(atom).map(|(_, bond)| self.molecule.bond(bond).order.order_int()).sum()
    }

    fn has_triple(&self, atom: AtomIdx) -> bool {
        self.molecule.neighbors(atom).any(|(_, bond)| self.molecule.bond(bond).order == BondOrder::Triple)
    }

    fn label(&self, atom: AtomIdx) -> Option<Mark> {
        if !self.has_label(atom) {
            return None;
        }
        let (about, at) = (self.molecule.atom(atom), self.at(atom));
        let bonds: Vec<(f64, f64)> = self
            .molecule
            .neighbors(atom)
            .map(|(other, _)| at.towards(self.at(other), 1.0))
            .map(|one| (one.x - at.x, one.y - at.y))
            .collect();
        let symbol = self.symbol(atom);
        Some(Mark::Label(Label {
            at,
            atom: Atom {
                symbol: symbol.to_owned(),
                isotope: about.isotope,
                hydrogens: implicit_hcount(self.molecule, atom),
                charge: about.charge,
            },
            hydrogens: free_side(symbol, &bonds),
        }))
    }

    /// How far from the middle of an atom a bond towards a point ends.
    fn room(&self, atom: AtomIdx, towards: Point) -> f64 {
        if !self.has_label(atom) {
            return 0.0;
        }
        let at = self.at(atom);
        let length = at.distance(towards).max(f64::MIN_POSITIVE);
        let (x, y) = ((towards.x - at.x).abs() / length, (towards.y - at.y).abs() / length);
        let half_width = 0.5 * width(self.symbol(atom), FONT) + CLEARANCE;
        let half_height = 0.5 * CAPITAL + CLEARANCE;
        (half_width / x).min(half_height / y)
    }

    fn bond(&self, bond: &BondEntry, marks: &mut Vec<Mark>) {
        let (a, b) = (bond.atom1, bond.atom2);
        let (mut from, mut to) = (self.at(a), self.at(b));
        (from, to) = (from.towards(to, self.room(a, to)), to.towards(from, self.room(b, from)));
        let length = from.distance(to).max(f64::MIN_POSITIVE);
        // A unit vector across the bond.
        let across = (-(to.y - from.y) / length, (to.x - from.x) / length);
        let by = |factor: f64| (across.0 * factor, across.1 * factor);
        let line = |factor: f64| Mark::Line([from.shifted(by(factor)), to.shifted(by(factor))]);
        match bond.order {
            BondOrder::Double => match self.inner_side(a, b) {
                Some(side) => {
                    let inwards = (side.x - from.x) * across.0 + (side.y - from.y) * across.1;
                    // The inner line is shorter where the bond ends in a bend.
                    let inset = |atom| if self.has_label(atom) { 0.0 } else { 0.14 * BOND };
                    let (p, q) = (from.towards(to, inset(a)), to.towards(from, inset(b)));
                    let by = by(GAP.copysign(inwards));
                    marks.extend([line(0.0), Mark::Line([p.shifted(by), q.shifted(by)])]);
                }
                None => marks.extend([line(0.5 * GAP), line(-0.5 * GAP)]),
            },
            BondOrder::Triple => marks.extend([line(0.0), line(0.8 * GAP), line(-0.8 * GAP)]),
            BondOrder::Up => marks.push(Mark::Wedge([from, to.shifted(by(WEDGE)), to.shifted(by(-WEDGE))])),
            BondOrder::Down => {
                let dashes = (length / 4.5).round().max(3.0) as usize;
                for dash in 0..=dashes {
                    let share = dash as f64 / dashes as f64;
                    let middle = from.towards(to, share * length);
                    let half = (0.15 + 0.85 * share) * WEDGE;
                    marks.push(Mark::Line([middle.shifted(by(half)), middle.shifted(by(-half))]));
                }
            }
            _ => marks.push(line(0.0)),
        }
    }

    /// A point on the side where the second line of a double bond belongs: the middle of its ring, or of what hangs at
    /// it; none if the lines stand on both sides.
    fn inner_side(&self, a: AtomIdx, b: AtomIdx) -> Option<Point> {
        if let Some(ring) = self.ring(a, b) {
            return Some(self.middle(&ring));
        }
        let others = |atom, except| {
            self.molecule.neighbors(atom).map(|(other, _)| other).filter(move |&other| other != except)
        };
        let (of_a, of_b): (Vec<AtomIdx>, Vec<AtomIdx>) = (others(a, b).collect(), others(b, a).collect());
        if of_a.is_empty() || of_b.is_empty() {
            return None;
        }
        Some(self.middle(&[of_a, of_b].concat()))
    }

    fn middle(&self, atoms: &[AtomIdx]) -> Point {
        let count = atoms.len() as f64;
        Point {
            x: atoms.iter().map(|&atom| self.at(atom).x).sum::<f64>() / count,
            y: atoms.iter().map(|&atom| self.at(atom).y).sum::<f64>() / count,
        }
    }

    /// The smallest ring through a bond, of several the one with most double bonds (breadth-first search from one end).
    fn ring(&self, a: AtomIdx, b: AtomIdx) -> Option<Vec<AtomIdx>> {
        let mut shortest: Vec<Vec<AtomIdx>> = Vec::new();
        let mut paths = vec![vec![a]];
        for _ in 1..LARGEST_RING {
            let mut longer = Vec::new();
            for path in &paths {
                let last = *path.last().expect("a path begins at an atom");
                for (next, _) in self.molecule.neighbors(last) {
                    if (last == a && next == b) || path.contains(&next) {
                        continue;
                    }
                    let path = [path.as_slice(), &[next]].concat();
                    if next == b { shortest.push(path) } else { longer.push(path) }
                }
            }
            if !shortest.is_empty() {
                break;
            }
            paths = longer;
        }
        shortest.into_iter().max_by_key(|ring| self.double_bonds_in(ring))
    }

    fn double_bonds_in(&self, ring: &[AtomIdx]) -> usize {
        let within = |bond: &BondEntry| ring.contains(&bond.atom1) && ring.contains(&bond.atom2);
        self.molecule.bonds().filter(|(_, bond)| bond.order == BondOrder::Double && within(bond)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    fn drawn(smiles: &str) -> Structure {
        draw(smiles).unwrap_or_else(|reason| panic!("{smiles}: {reason}"))
    }

    fn labels(structure: &Structure) -> Vec<&Label> {
        let marks = structure.marks.iter();
        marks.filter_map(|mark| if let Mark::Label(label) = mark { Some(label) } else { None }).collect()
    }

    fn count(structure: &Structure, wanted: fn(&Mark) -> bool) -> usize {
        structure.marks.iter().filter(|mark| wanted(mark)).count()
    }

    #[test]
    fn benzene_is_nine_lines_within_its_frame() {
        let benzene = drawn("c1ccccc1");
        assert_eq!(count(&benzene, |mark| matches!(mark, Mark::Line(_))), 9);
        assert!(labels(&benzene).is_empty());
        for mark in &benzene.marks {
            let Mark::Line(points) = mark else { panic!("only lines") };
            for point in points {
                assert!(
                    (0.0..=benzene.width).contains(&point.x) && (0.0..=benzene.height).contains(&point.y)
                );
            }
        }
    }

    #[test]
    fn second_lines_of_a_ring_are_inside() {
        let benzene = drawn("c1ccccc1");
        let centre = Point { x: 0.5 * benzene.width, y: 0.5 * benzene.height };
        let lengths = benzene.marks.iter().map(|mark| {
            let Mark::Line([a, b]) = mark else { panic!("only lines") };
            let middle = Point { x: 0.5 * (a.x + b.x), y: 0.5 * (a.y + b.y) };
            (a.distance(*b), middle.distance(centre))
        });
        let (inner, outer): (Vec<_>, Vec<_>) = lengths.partition(|(length, _)| *length < 0.9 * BOND);
        assert_eq!((inner.len(), outer.len()), (3, 6));
        assert!(inner.iter().all(|(_, distance)| *distance < outer[0].1));
    }

    #[test]
    fn hetero_atoms_have_labels_with_hydrogens_and_charges() {
        let structure = drawn("[NH3+]CC(=O)[O-]");
        let said: Vec<(&str, u8, i8)> = labels(&structure)
            .iter()
            .map(|label| (label.atom.symbol.as_str(), label.atom.hydrogens, label.atom.charge))
            .collect();
        assert_eq!(said, [("N", 3, 1), ("O", 0, 0), ("O", 0, -1)]);
        let water = drawn("O");
        assert_eq!((labels(&water)[0].hydrogens, labels(&water)[0].atom.hydrogens), (Side::Left, 2));
    }

    #[test]
    fn bonds_leave_room_for_labels() {
        let structure = drawn("CCl");
        let chlorine = labels(&structure)[0].at;
        let Mark::Line([a, b]) = structure.marks[0] else { panic!("the bond comes first") };
        let nearest = a.distance(chlorine).min(b.distance(chlorine));
        assert!(nearest > 0.5 * CAPITAL && nearest < 0.5 * BOND, "{nearest}");
    }

    #[test]
    fn mirror_images_differ_in_their_wedges() {
        let wedges = |structure: &Structure| count(structure, |mark| matches!(mark, Mark::Wedge(_)));
        let flat = drawn("NC(C)C(=O)O");
        let (left, right) = (drawn("N[C@@H](C)C(=O)O"), drawn("N[C@H](C)C(=O)O"));
        assert_eq!(wedges(&flat), 0);
        // A bond behind the plane is a row of lines.
        let has_stereo =
            |structure: &Structure| wedges(structure) > 0 || structure.marks.len() > flat.marks.len();
        assert!(has_stereo(&left) && has_stereo(&right));
        assert_ne!(left, right);
    }

    #[test]
    fn double_bonds_keep_their_geometry() {
        let distance = |smiles: &str| {
            let structure = drawn(smiles);
            let labels = labels(&structure);
            labels[0].at.distance(labels[1].at)
        };
        assert!(distance("F/C=C/F") > distance("F/C=C\\F") + 0.5 * BOND);
    }

    #[test]
    fn salts_stand_side_by_side_and_labels_stay_in_the_frame() {
        let salt = drawn("[Na+].[Cl-]");
        let labels = labels(&salt);
        assert!(labels[0].at.distance(labels[1].at) > 0.5 * BOND);
        let iron = drawn("*CC[Fe+3]");
        for run in self::labels(&iron).into_iter().flat_map(runs) {
            let [left, top, right, bottom] = run.edges();
            assert!(left >= 0.0 && top >= 0.0 && right <= iron.width && bottom <= iron.height);
        }
    }

    #[test]
    fn what_is_no_molecule_is_told_in_words() {
        for (smiles, words) in [
            ("C1CC", "ring closure 1"),
            ("CC(", "parenthes"),
            ("not a molecule", "position"),
            ("", "empty"),
            ("c1cccc1", "single and double bonds"),
        ] {
            let reason = draw(smiles).expect_err(smiles);
            assert!(reason.contains(words), "{smiles}: {reason}");
        }
        assert!(draw(&"C".repeat(MAX_ATOMS + 1)).expect_err("too large").contains("atoms"));
    }
}
