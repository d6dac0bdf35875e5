//! Conformers laid on each other: the rotation and translation that bring the atoms of one as close as can be to those of
//! another, by unit quaternions (Horn, J. Opt. Soc. Am. A 4, 629, 1987).

/// A place in space, in Å.
type Place = [f64; 3];

/// The records of the SD file with their coordinates moved so that all lie on the first. A record whose atoms are not
/// those of the first one, or that is no V2000 mol block, stays where it is.
pub fn superpose(records: &[&str]) -> Vec<String> {
    let blocks: Vec<Option<MolBlock>> = records.iter().map(|record| MolBlock::read(record)).collect();
    let Some(Some(reference)) = blocks.first() else {
        return records.iter().map(|&record| record.to_owned()).collect();
    };
    // Where hydrogens are is the least of a conformation; without others they have to do.
    let heavy: Vec<usize> =
        (0..reference.atoms.len()).filter(|&atom| reference.atoms[atom].1 != "H").collect();
    let fitted = if heavy.len() < 3 { (0..reference.atoms.len()).collect() } else { heavy };
    let targets: Vec<Place> = fitted.iter().map(|&atom| reference.atoms[atom].0).collect();
    let same = |block: &MolBlock| {
        let elements = block.atoms.iter().map(|atom| atom.1);
        elements.eq(reference.atoms.iter().map(|atom| atom.1))
    };
    records
        .iter()
        .zip(&blocks)
        .map(|(record, block)| match block {
            Some(block) if same(block) && !targets.is_empty() => {
                let places: Vec<Place> = fitted.iter().map(|&atom| block.atoms[atom].0).collect();
                let movement = Movement::onto(&places, &targets);
                block.with_places(record, |place| movement.apply(place))
            }
            _ => (*record).to_owned(),
        })
        .collect()
}

/// The atoms of a V2000 mol block: places and elements.
struct MolBlock<'a> {
    atoms: Vec<(Place, &'a str)>,
}

/// Lines before the first atom.
const HEADER: usize = 4;

impl<'a> MolBlock<'a> {
    fn read(record: &'a str) -> Option<Self> {
        let mut lines = record.lines().skip(HEADER - 1);
        let counts = lines.next()?;
        if !counts.contains("V2000") {
            return None;
        }
        let count: usize = counts.get(..3)?.trim().parse().ok()?;
        let atom = |line: &'a str| {
            let number =
                |at: usize| line.get(at..at + 10)?.trim().parse().ok().filter(|n: &f64| n.is_finite());
            Some(([number(0)?, number(10)?, number(20)?], line.get(31..34).or(line.get(31..))?.trim()))
        };
        let atoms: Vec<_> = lines.take(count).map(atom).collect::<Option<_>>()?;
        (atoms.len() == count).then_some(Self { atoms })
    }

    /// The record with other coordinates.
    fn with_places(&self, record: &str, place: impl Fn(Place) -> Place) -> String {
        let mut out = String::with_capacity(record.len());
        for (number, line) in record.split_inclusive('\n').enumerate() {
            match number.checked_sub(HEADER).and_then(|atom| self.atoms.get(atom)) {
                Some(&(from, _)) => {
                    let [x, y, z] = place(from);
                    out += &format!("{x:10.4}{y:10.4}{z:10.4}{}", &line[30..]);
                }
                None => out += line,
            }
        }
        out
    }
}

/// A rotation between two centres.
struct Movement {
    from: Place,
    rotation: [Place; 3],
    to: Place,
}

impl Movement {
    /// The movement that brings places as close as can be to as many targets, in the mean of squares.
    fn onto(places: &[Place], targets: &[Place]) -> Self {
        let (from, to) = (centre(places), centre(targets));
        // Sums of products of coordinates: s[i][j] = Σ place_i · target_j.
        let pairs = || places.iter().zip(targets);
        let product = |i: usize, j: usize| {
            pairs().map(|(place, target)| (place[i] - from[i]) * (target[j] - to[j])).sum::<f64>()
        };
        let s: [Place; 3] = std::array::from_fn(|i| std::array::from_fn(|j| product(i, j)));
        let n = [
            [s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]],
            [s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
            [s[2][0] - s[0][2], s[0][1] + s[1][0], s[1][1] - s[0][0] - s[2][2], s[1][2] + s[2][1]],
            [s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], s[2][2] - s[0][0] - s[1][1]],
        ];
        let [w, x, y, z] = largest_eigenvector(n);
        let rotation = [
            [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ];
        Self { from, rotation, to }
    }

    fn apply(&self, place: Place) -> Place {
        let centred: Place = std::array::from_fn(|axis| place[axis] - self.from[axis]);
        std::array::from_fn(|axis| {
            let row = self.rotation[axis];
            self.to[axis] + row.iter().zip(centred).map(|(r, c)| r * c).sum::<f64>()
        })
    }
}

fn centre(places: &[Place]) -> Place {
    std::array::from_fn(|axis| places.iter().map(|place| place[axis]).sum::<f64>() / places.len() as f64)
}

/// The unit eigenvector of the largest eigenvalue of a symmetric matrix, by Jacobi's rotations.
fn largest_eigenvector(mut a: [[f64; 4]; 4]) -> [f64; 4] {
    let mut vectors: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)));
    // Convergence is quadratic: a few sweeps reach rounding.
    for _ in 0..24 {
        for p in 0..3 {
            for q in p + 1..4 {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = 1.0_f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (of_p, of_q) = (a[p], a[q]);
                a[p] = std::array::from_fn(|k| c * of_p[k] - s * of_q[k]);
                a[q] = std::array::from_fn(|k| s * of_p[k] + c * of_q[k]);
                for row in &mut vectors {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            }
        }
    }
    let largest = (0..4).max_by(|&i, &j| a[i][i].total_cmp(&a[j][j])).unwrap_or(0);
    std::array::from_fn(|row| vectors[row][largest])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(places: &[Place]) -> String {
        let mut text = format!("name\n  program\n\n{:3}  0  0  0  0  0  0  0  0  0999 V2000\n", places.len());
        for [x, y, z] in places {
            text += &format!("{x:10.4}{y:10.4}{z:10.4} C   0  0\n");
        }
        text + "M  END\n> <conf_id>\n1\n\n$$$$\n"
    }

    const BENT: [Place; 5] =
        [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.0, 1.4, 0.0], [2.2, 1.5, 1.5], [-0.5, 1.0, 0.7]];

    fn places(record: &str) -> Vec<Place> {
        MolBlock::read(record).expect("a mol block").atoms.iter().map(|atom| atom.0).collect()
    }

    fn distance(a: &[Place], b: &[Place]) -> f64 {
        let pairs = a.iter().zip(b).flat_map(|(a, b)| (0..3).map(move |axis| (a[axis] - b[axis]).powi(2)));
        (pairs.sum::<f64>() / a.len() as f64).sqrt()
    }

    #[test]
    fn a_turned_conformer_comes_back() {
        let (sin, cos) = 2.1_f64.sin_cos();
        let turn = |[x, y, z]: Place| [cos * x - z * sin + 3.0, y - 7.0, sin * x + cos * z + 1.0];
        let (first, second) = (record(&BENT), record(&BENT.map(turn)));
        let moved = superpose(&[&first, &second]);
        assert!(distance(&places(&moved[1]), &BENT) < 2e-4);
        assert!(moved[1].ends_with("> <conf_id>\n1\n\n$$$$\n"));
    }

    #[test]
    fn mirror_images_are_not_reflected_onto_each_other() {
        let mirrored = record(&BENT.map(|[x, y, z]| [x, y, -z]));
        let moved = superpose(&[&record(&BENT), &mirrored]);
        assert!(distance(&places(&moved[1]), &BENT) > 0.1);
    }

    #[test]
    fn no_small_movement_comes_closer() {
        let other = BENT.map(|[x, y, z]| [0.3 * x * x - y, x + 0.2 * z, z - 0.1 * x * y]);
        let moved = places(&superpose(&[&record(&BENT), &record(&other)])[1]);
        let best = distance(&moved, &BENT);
        for angle in [-0.02_f64, 0.02] {
            let (sin, cos) = angle.sin_cos();
            let middle = centre(&moved);
            for axis in 0..3 {
                let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
                let turned: Vec<Place> = moved
                    .iter()
                    .map(|place| {
                        let mut turned = *place;
                        let (a, b) = (place[i] - middle[i], place[j] - middle[j]);
                        (turned[i], turned[j]) =
                            (middle[i] + cos * a - sin * b, middle[j] + sin * a + cos * b);
                        turned
                    })
                    .collect();
                assert!(distance(&turned, &BENT) > best);
            }
        }
    }

    #[test]
    fn what_is_not_the_same_molecule_stays_where_it_is() {
        let (first, other) = (record(&BENT), record(&BENT[..4]));
        let foreign = first.replace("V2000", "V3000");
        let moved = superpose(&[&first, &other, &foreign, "nonsense"]);
        assert_eq!(moved[1..], [other, foreign, "nonsense".to_owned()]);
    }
}
