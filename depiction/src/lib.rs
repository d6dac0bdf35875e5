//! Skeletal formulas of molecules: what a drawing is, how one is made from SMILES, and how it becomes SVG.
//!
//! Where atoms lie, and which bonds are wedges, is `chematic`'s; how they are drawn is ours, so that one drawing serves
//! the light and the dark page and the exported figure. Drawing needs the feature `draw`; a program without it gets its
//! drawings from one that has it: in the browser, from the worker of this crate.

#[cfg(feature = "draw")]
mod drawing;
mod label;
#[cfg(feature = "draw")]
mod layout;
mod svg;
#[cfg(all(feature = "draw", target_arch = "wasm32"))]
pub mod worker;

use serde::{Deserialize, Serialize};

#[cfg(feature = "draw")]
pub use self::drawing::{MAX_ATOMS, draw};
pub use self::svg::Ink;

/// Length of a bond in a drawing, in its own units.
pub const BOND: f64 = 40.0;

/// A drawing: marks in the order in which they are to be drawn, within `0 … width` × `0 … height`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// Width, in units of which a bond has [`BOND`].
    pub width: f64,
    /// Height, in the same units.
    pub height: f64,
    /// Lines and labels.
    pub marks: Vec<Mark>,
}

/// A mark of a drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mark {
    /// A line.
    Line([Point; 2]),
    /// A filled triangle: the bond comes out of the plane.
    Wedge([Point; 3]),
    /// An atom's label.
    Label(Label),
}

/// What stands for an atom, where it is not the bare end of its bonds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Atom {
    /// Symbol of the element, or `*` for any.
    pub symbol: String,
    /// Mass number, where it is given.
    pub isotope: Option<u16>,
    /// Hydrogens at it.
    pub hydrogens: u8,
    /// Charge.
    pub charge: i8,
}

/// An atom's label, its symbol in the middle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Middle of the symbol.
    pub at: Point,
    /// What it says.
    pub atom: Atom,
    /// Where its hydrogens stand.
    pub hydrogens: Side,
}

/// A side of an atom's symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Behind it, as in NH₂.
    Right,
    /// Before it, as in H₂N.
    Left,
    /// Over it.
    Above,
    /// Under it.
    Below,
}

/// A point: x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// What the drawing worker tells the page, which sends it lists of SMILES.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It is there, and listens.
    Started,
    /// A drawing for each of the SMILES of one list, in their order; or why there is none, in words.
    Drawn(Vec<Result<Structure, String>>),
    /// It could not be loaded.
    Failed(String),
}
