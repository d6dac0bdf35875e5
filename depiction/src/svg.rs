//! Drawings as SVG.

use std::fmt::Write;

use crate::label::{FONT, Piece, Run, SMALL, runs};
use crate::{Mark, Point, Structure};

/// Where the colours come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// The style sheet of the page: lines in the colour of the text, labels with the classes `atom` and that of their
    /// element.
    Page,
    /// The drawing itself, for white paper.
    Paper,
}

/// Width of lines.
const STROKE: f64 = 1.8;

/// Least width of lines on the page, in pixels.
const HAIRLINE: f64 = 1.0;

impl Structure {
    /// The drawing as an SVG document of its own, so large that a bond has `bond` pixels; `None` of its length leaves the
    /// size to the place where it stands.
    pub fn svg(&self, ink: Ink, bond: Option<f64>) -> String {
        self.document(bond, &self.svg_group(ink))
    }

    /// The drawing in the colours of the page, for where many are small and stand at once: a bond has so many pixels, all
    /// lines are one path, and none becomes so thin that it fades.
    pub fn thumbnail(&self, bond: f64) -> String {
        let width = STROKE.max(HAIRLINE * crate::BOND / bond);
        let mut out = format!(
            "<path stroke=\"currentColor\" stroke-width=\"{width:.1}\" stroke-linecap=\"round\" d=\""
        );
        for mark in &self.marks {
            if let Mark::Line([a, b]) = mark {
                put(&mut out, format_args!("M{} {}", place(*a), place(*b)));
            }
        }
        out.push_str("\"/><g fill=\"currentColor\">");
        self.put_wedges(&mut out);
        out.push_str("</g>");
        self.put_labels(&mut out, Ink::Page);
        self.document(Some(bond), &out)
    }

    fn document(&self, bond: Option<f64>, content: &str) -> String {
        let Self { width, height, .. } = self;
        let size = bond.map(|bond| {
            let scale = bond / crate::BOND;
            format!(" width=\"{:.0}\" height=\"{:.0}\"", width * scale, height * scale)
        });
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\"{}>{content}</svg>",
            size.unwrap_or_default(),
        )
    }

    /// The drawing as a group, to stand in another SVG document.
    pub fn svg_group(&self, ink: Ink) -> String {
        let line = match ink {
            Ink::Page => "currentColor",
            Ink::Paper => "#000",
        };
        let mut out = format!(
            "<g stroke=\"{line}\" stroke-width=\"{STROKE}\" stroke-linecap=\"round\" stroke-linejoin=\"round\" fill=\"{line}\">"
        );
        for mark in &self.marks {
            if let Mark::Line([a, b]) = mark {
                put(&mut out, format_args!("<path d=\"M{} {}\"/>", place(*a), place(*b)));
            }
        }
        self.put_wedges(&mut out);
        out.push_str("</g>");
        self.put_labels(&mut out, ink);
        out
    }

    fn put_wedges(&self, out: &mut String) {
        for mark in &self.marks {
            if let Mark::Wedge([a, b, c]) = mark {
                let [a, b, c] = [a, b, c].map(|point| place(*point));
                put(out, format_args!("<path stroke=\"none\" d=\"M{a} {b} {c}z\"/>"));
            }
        }
    }

    fn put_labels(&self, out: &mut String, ink: Ink) {
        put(out, format_args!("<g font-family=\"Arial, Helvetica, sans-serif\" font-size=\"{FONT}\">"));
        for mark in &self.marks {
            if let Mark::Label(label) = mark {
                let fill = fill(&label.atom.symbol, ink);
                runs(label).into_iter().for_each(|run| write_run(out, &fill, run));
            }
        }
        out.push_str("</g>");
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

fn place(point: Point) -> String {
    format!("{:.1},{:.1}", point.x, point.y)
}

fn write_run(out: &mut String, fill: &str, run: Run) {
    let Run { left, base, pieces } = run;
    put(out, format_args!("<text{fill} x=\"{left:.1}\" y=\"{base:.1}\">"));
    let mut height = 0.0;
    for piece in pieces {
        let (text, wanted) = match piece {
            Piece::Letters(text) if height == 0.0 => {
                out.push_str(&text);
                continue;
            }
            Piece::Letters(text) => (text, 0.0),
            Piece::Below(text) => (text, 0.22 * FONT),
            Piece::Above(text) => (text, -0.36 * FONT),
        };
        let size = if wanted == 0.0 { FONT } else { SMALL };
        let by = wanted - height;
        put(out, format_args!("<tspan dy=\"{by:.1}\" font-size=\"{size:.1}\">{text}</tspan>"));
        height = wanted;
    }
    out.push_str("</text>");
}

/// The attribute that colours a label.
fn fill(symbol: &str, ink: Ink) -> String {
    match ink {
        Ink::Page => {
            let class: String = symbol.chars().filter(char::is_ascii_alphabetic).collect();
            format!(" class=\"atom {class}\"")
        }
        Ink::Paper => format!(" fill=\"{}\"", on_paper(symbol)),
    }
}

/// The usual colours of elements, dark enough to be read on white.
fn on_paper(symbol: &str) -> &'static str {
    match symbol {
        "N" => "#1f4fd8",
        "O" => "#c8102e",
        "S" => "#806000",
        "F" | "Cl" => "#137333",
        "Br" => "#8a3b12",
        "I" => "#6d2f9e",
        "P" => "#a34700",
        _ => "#000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::width;
    use crate::{Atom, Label, Side};

    fn label(symbol: &str, hydrogens: u8, charge: i8, isotope: Option<u16>, side: Side) -> Structure {
        let atom = Atom { symbol: symbol.into(), isotope, hydrogens, charge };
        let label = Label { at: Point { x: 20.0, y: 20.0 }, atom, hydrogens: side };
        Structure { width: 40.0, height: 40.0, marks: vec![Mark::Label(label)] }
    }

    /// The characters of a document, without its tags.
    fn text_of(svg: &str) -> String {
        svg.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text).collect()
    }

    #[test]
    fn labels_are_read_from_left_to_right() {
        let text = |structure: Structure| text_of(&structure.svg(Ink::Paper, None));
        assert_eq!(text(label("N", 3, 1, None, Side::Right)), "NH3+");
        assert_eq!(text(label("N", 3, 1, None, Side::Left)), "H3N+");
        assert_eq!(text(label("C", 3, 0, Some(13), Side::Right)), "13CH3");
        assert_eq!(text(label("O", 0, -2, None, Side::Right)), "O2−");
        assert_eq!(text(label("N", 1, 0, None, Side::Above)), "NH");
    }

    #[test]
    fn the_symbol_stands_at_its_atom_on_whatever_side_the_hydrogens_are() {
        let left = |structure: &Structure| {
            let svg = structure.svg(Ink::Paper, None);
            let (_, rest) = svg.split_once("<text").expect("a label");
            let (_, rest) = rest.split_once("x=\"").expect("a place");
            rest.split('"').next().and_then(|x| x.parse::<f64>().ok()).expect("a number")
        };
        let half = 0.5 * width("N", FONT);
        assert!((left(&label("N", 2, 0, None, Side::Right)) - (20.0 - half)).abs() < 0.06);
        let hydrogens = width("H", FONT) + width("2", SMALL);
        assert!((left(&label("N", 2, 0, None, Side::Left)) - (20.0 - half - hydrogens)).abs() < 0.06);
    }

    #[test]
    fn the_page_gives_the_colours_and_paper_has_them() {
        let nitrogen = label("N", 0, 0, None, Side::Right);
        assert!(nitrogen.svg(Ink::Page, None).contains("class=\"atom N\""));
        assert!(!nitrogen.svg(Ink::Page, None).contains("#1f4fd8"));
        assert!(nitrogen.svg(Ink::Paper, None).contains("fill=\"#1f4fd8\""));
        assert!(!nitrogen.svg(Ink::Paper, None).contains("currentColor"));
    }

    #[test]
    fn a_thumbnail_has_one_path_for_all_lines_and_they_do_not_fade() {
        let point = |x, y| Point { x, y };
        let line = Mark::Line([point(1.0, 1.0), point(9.0, 1.0)]);
        let wedge = Mark::Wedge([point(1.0, 1.0), point(9.0, 1.0), point(9.0, 3.0)]);
        let drawing = Structure { width: 10.0, height: 4.0, marks: vec![line.clone(), wedge, line] };
        let svg = drawing.thumbnail(crate::BOND / 4.0);
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("d=\"M1.0,1.0 9.0,1.0M1.0,1.0 9.0,1.0\""), "{svg}");
        assert!(svg.contains("stroke-width=\"4.0\""), "a pixel at a quarter of the size: {svg}");
    }
}
