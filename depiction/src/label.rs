//! Labels: where their letters stand, and how much room they take.

use crate::{BOND, Label, Side};

/// Font size of symbols.
pub(crate) const FONT: f64 = 0.45 * BOND;
/// Font size of indices: isotopes, numbers of hydrogens, charges.
pub(crate) const SMALL: f64 = 0.72 * FONT;
/// Height of a capital letter.
pub(crate) const CAPITAL: f64 = 0.72 * FONT;

/// A piece of a label.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// On the line.
    Letters(String),
    /// An index below it.
    Below(String),
    /// An index above it.
    Above(String),
}

impl Piece {
    fn width(&self) -> f64 {
        match self {
            Self::Letters(text) => width(text, FONT),
            Self::Below(text) | Self::Above(text) => width(text, SMALL),
        }
    }
}

/// Pieces one behind the other, from the left end of their base line.
#[derive(Debug)]
pub(crate) struct Run {
    pub left: f64,
    pub base: f64,
    pub pieces: Vec<Piece>,
}

impl Run {
    /// Its left, top, right and bottom edges.
    #[cfg(feature = "draw")]
    pub fn edges(&self) -> [f64; 4] {
        [self.left, self.base - 1.1 * CAPITAL, self.left + total(&self.pieces), self.base + 0.3 * CAPITAL]
    }
}

/// A label as runs of text: one, or two where the hydrogens stand above or below.
pub(crate) fn runs(label: &Label) -> Vec<Run> {
    let atom = &label.atom;
    let symbol = Piece::Letters(atom.symbol.clone());
    let isotope: Vec<Piece> = atom.isotope.iter().map(|isotope| Piece::Above(isotope.to_string())).collect();
    let charge: Vec<Piece> = charge(atom.charge).into_iter().map(Piece::Above).collect();
    let hydrogens = match atom.hydrogens {
        0 => Vec::new(),
        1 => vec![Piece::Letters("H".into())],
        count => vec![Piece::Letters("H".into()), Piece::Below(count.to_string())],
    };
    let base = label.at.y + 0.5 * CAPITAL;
    let left = label.at.x - 0.5 * symbol.width() - total(&isotope);
    let symbol = vec![symbol];
    match label.hydrogens {
        Side::Right => vec![Run { left, base, pieces: [isotope, symbol, hydrogens, charge].concat() }],
        Side::Left => {
            let left = left - total(&hydrogens);
            vec![Run { left, base, pieces: [hydrogens, isotope, symbol, charge].concat() }]
        }
        Side::Above | Side::Below => {
            let own = Run { left, base, pieces: [isotope, symbol, charge].concat() };
            let down = if label.hydrogens == Side::Above { -1.0 } else { 1.0 };
            let left = label.at.x - 0.5 * width("H", FONT);
            let theirs = Run { left, base: base + down * 0.9 * FONT, pieces: hydrogens };
            [own, theirs].into_iter().filter(|run| !run.pieces.is_empty()).collect()
        }
    }
}

fn total(pieces: &[Piece]) -> f64 {
    pieces.iter().map(Piece::width).sum()
}

/// "+", "2−", …
fn charge(charge: i8) -> Option<String> {
    let sign = if charge > 0 { '+' } else { '−' };
    match charge.unsigned_abs() {
        0 => None,
        1 => Some(sign.to_string()),
        amount => Some(format!("{amount}{sign}")),
    }
}

/// Width of some text in Helvetica, whose metrics Arial and most sans-serif fonts share or come close to.
pub(crate) fn width(text: &str, font: f64) -> f64 {
    text.chars().map(|letter| font * f64::from(thousandths(letter)) / 1000.0).sum()
}

fn thousandths(letter: char) -> u16 {
    match letter {
        'I' | 't' | 'f' => 278,
        'i' | 'l' | 'j' => 222,
        'r' => 333,
        '*' => 389,
        'J' | 'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' => 500,
        '+' | '−' => 584,
        'F' | 'T' | 'Z' => 611,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' => 667,
        'C' | 'D' | 'H' | 'N' | 'R' | 'U' | 'w' => 722,
        'G' | 'O' | 'Q' => 778,
        'M' | 'm' => 833,
        'W' => 944,
        _ => 556,
    }
}

/// The side on which hydrogens are farthest from the bonds, whose directions are given as unit vectors (y down).
#[cfg(feature = "draw")]
pub(crate) fn free_side(symbol: &str, bonds: &[(f64, f64)]) -> Side {
    match bonds {
        // As in H₂O and HCl, but NH₃ and CH₄.
        [] if matches!(symbol, "O" | "S" | "Se" | "F" | "Cl" | "Br" | "I") => Side::Left,
        [(x, _)] if *x > 0.25 => Side::Left,
        [] | [_] => Side::Right,
        bonds => {
            let sides = [
                (Side::Right, 1.0, 0.0),
                (Side::Left, -1.0, 0.0),
                (Side::Above, 0.0, -1.0),
                (Side::Below, 0.0, 1.0),
            ];
            let nearest = |x: f64, y: f64| bonds.iter().map(|b| b.0 * x + b.1 * y).fold(-1.0, f64::max);
            // Beside rather than over, unless that is much freer.
            let cost = |&(side, x, y): &(Side, f64, f64)| {
                nearest(x, y) + if matches!(side, Side::Above | Side::Below) { 0.2 } else { 0.0 }
            };
            let best = sides.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
            best.map_or(Side::Right, |(side, _, _)| side)
        }
    }
}
