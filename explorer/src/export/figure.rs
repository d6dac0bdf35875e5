//! The attention map as a figure for print: SVG in which text is text.

use std::fmt::Write;

use depiction::{BOND, Ink};

use super::{Sheet, escape};
use crate::colour::viridis;

const MARGIN: f64 = 16.0;
const FONT: f64 = 12.0;
const CELL_HEIGHT: f64 = 26.0;
const CELL_WIDTH: f64 = 56.0;
/// With more conformers than this, cells are narrow and their numbers are left to the table.
const NUMBERED: usize = 16;
const NARROW: f64 = 16.0;
const STRUCTURE: [f64; 2] = [300.0, 180.0];

/// The structure, and the attention of each task on each conformer, coloured from 0 to the largest weight.
pub fn figure(sheet: &Sheet) -> String {
    let columns = sheet.conformers.len();
    let numbered = columns <= NUMBERED;
    let cell = if numbered { CELL_WIDTH } else { NARROW };
    // Twelve pixels of a sans-serif font are six wide in the mean, seven where letters are broad.
    let text_width = |text: &str, size: f64| 0.58 * size * text.chars().count() as f64;
    let label = |task: &super::TaskLine| format!("{} ({:.3})", task.name, task.probability.mean);
    let labels = sheet.tasks.iter().map(|task| text_width(&label(task), FONT)).fold(80.0, f64::max);
    let names = sheet.conformers.iter().map(|name| text_width(name, FONT)).fold(0.0, f64::max);
    let upright = names > cell - 4.0;
    let head = if upright { names + 10.0 } else { 20.0 };
    let left = MARGIN + labels + 10.0;
    let picture = sheet.structure.as_ref().map_or(0.0, |_| STRUCTURE[1] + 8.0);
    let top = MARGIN + 26.0 + picture + 18.0 + head;
    let bottom = top + CELL_HEIGHT * sheet.tasks.len() as f64;
    let smallest = MARGIN + STRUCTURE[0].max(text_width(&sheet.id, 16.0)).max(360.0) + MARGIN;
    let width = (left + cell * columns as f64 + MARGIN).max(smallest);
    let height = bottom + 58.0 + MARGIN;
    let largest =
        sheet.tasks.iter().flat_map(|task| &task.attention).map(|w| w.mean).fold(f32::MIN_POSITIVE, f32::max);

    let mut out = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a string takes everything");
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Arial, Helvetica, sans-serif\" font-size=\"{FONT}\">\
         <title>Attention on the conformers of {}</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\
         <text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        escape(&sheet.id),
        MARGIN + 14.0,
        escape(&sheet.id)
    ));
    if let Some(structure) = &sheet.structure {
        let scale = (STRUCTURE[0] / structure.width).min(STRUCTURE[1] / structure.height).min(24.0 / BOND);
        put(format_args!(
            "<g id=\"structure\" transform=\"translate({MARGIN} {:.1}) scale({scale:.4})\">{}</g>",
            MARGIN + 26.0,
            structure.svg_group(Ink::Paper)
        ));
    }
    put(format_args!(
        "<text x=\"{left:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#555\">Conformer</text><text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"11\" fill=\"#555\">Task (probability)</text>",
        top - head - 4.0,
        top - 6.0
    ));
    for (column, name) in sheet.conformers.iter().enumerate() {
        let x = left + cell * (column as f64 + 0.5);
        if upright {
            let x = x + 4.0;
            put(format_args!(
                "<text transform=\"translate({x:.1} {:.1}) rotate(-90)\">{}</text>",
                top - 6.0,
                escape(name)
            ));
        } else {
            put(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top - 6.0,
                escape(name)
            ));
        }
    }
    for (row, task) in sheet.tasks.iter().enumerate() {
        let y = top + CELL_HEIGHT * row as f64;
        let base = y + 0.5 * CELL_HEIGHT + 4.0;
        put(format_args!("<text x=\"{MARGIN}\" y=\"{base:.1}\">{}</text>", escape(&label(task))));
        for (column, weight) in task.attention.iter().enumerate() {
            let colour = viridis(weight.mean / largest);
            let x = left + cell * column as f64;
            put(format_args!(
                "<rect class=\"weight\" data-value=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                weight.mean,
                cell - 1.0,
                CELL_HEIGHT - 1.0,
                colour.background
            ));
            if numbered {
                put(format_args!(
                    "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"middle\" fill=\"{}\">{:.3}</text>",
                    x + 0.5 * (cell - 1.0),
                    colour.text,
                    weight.mean
                ));
            }
        }
    }
    let scale = bottom + 14.0;
    for step in 0..64 {
        let share = (step as f32 + 0.5) / 64.0;
        put(format_args!(
            "<rect x=\"{:.2}\" y=\"{scale:.1}\" width=\"2.6\" height=\"9\" fill=\"{}\"/>",
            left + 2.5 * f64::from(step as u8),
            viridis(share).background
        ));
    }
    put(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">0</text><text x=\"{:.1}\" y=\"{:.1}\">{largest:.3}</text>\
         <text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"11\" fill=\"#555\">Share of each task’s attention; a row adds up to 1. {}</text></svg>",
        left - 6.0,
        scale + 9.0,
        left + 168.0,
        scale + 9.0,
        scale + 36.0,
        escape(&sheet.source.bundle)
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::sheet;
    use super::*;

    #[test]
    fn every_weight_is_a_cell_and_a_number() {
        let svg = figure(&sheet(None));
        let values: Vec<&str> =
            svg.split("data-value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(values, ["0.25", "0.75", "0.5", "0.5"]);
        for number in [">0.250<", ">0.750<", ">0.500<"] {
            assert!(svg.contains(number), "{number}");
        }
        // The largest weight has the last colour.
        assert!(svg.contains(&viridis(1.0).background));
    }

    #[test]
    fn names_cannot_break_the_document() {
        let svg = figure(&sheet(None));
        assert!(svg.contains("A,1 &lt;b&gt;") && svg.contains("blue &amp; green") && !svg.contains("<b>"));
    }

    #[test]
    fn many_conformers_are_narrow_columns_without_numbers() {
        let mut sheet = sheet(None);
        sheet.conformers = (0..40).map(|number| number.to_string()).collect();
        for task in &mut sheet.tasks {
            task.attention = vec![task.attention[0]; 40];
        }
        let svg = figure(&sheet);
        assert_eq!(svg.matches("class=\"weight\"").count(), 80);
        assert!(!svg.contains(">0.250<"));
    }
}
