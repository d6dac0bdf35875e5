//! Charts as inline SVG: one style, colours from the page, readable without colour and without eyes.

use std::fmt::Write;

use super::text::{escape, signed};

const WIDTH: f64 = 520.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 44.0;

/// Colours of series, safe for the colour-blind (after Okabe and Ito), by the names of the style sheet.
const SERIES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Colour and dashes of a series; `dash` is `""`, `"dash"` or `"dots"`.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Name of the colour in the style sheet: `one` to `six`, or `soft`.
    pub colour: &'static str,
    /// Name of the dashes.
    pub dash: &'static str,
}

impl Style {
    /// The style of the series of this number: after six colours come dashes.
    pub fn of_series(index: usize) -> Self {
        let dash = ["", "dash", "dots"][index / SERIES.len() % 3];
        Self { colour: SERIES[index % SERIES.len()], dash }
    }

    /// What a series is compared with.
    pub const BASELINE: Self = Self { colour: "soft", dash: "dash" };
}

/// An axis from `low` to `high`.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What is drawn along it.
    pub label: &'static str,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Axis {
    /// From 0 to 1.
    pub fn unit(label: &'static str) -> Self {
        Self { label, low: 0.0, high: 1.0 }
    }

    /// Wide enough for the values, with a margin where they do not begin at 0.
    pub fn around(label: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self::unit(label);
        }
        let margin = if high > low { 0.06 * (high - low) } else { high.abs().max(1.0) * 0.1 };
        let floor = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
        Self { label, low: floor, high: high + margin }
    }

    /// Four to eight round numbers on the axis.
    fn ticks(&self) -> Vec<f64> {
        let raw = (self.high - self.low) / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= raw * 0.999).unwrap_or(raw);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|count| count as f64 * step).collect()
    }

    /// The ticks with their numbers, with as many decimals as tell them exactly.
    fn labelled_ticks(&self) -> Vec<(f64, String)> {
        let ticks = self.ticks();
        let told = |decimals: &usize| {
            let shown =
                |tick: f64| (tick * 10f64.powi(*decimals as i32)).round() / 10f64.powi(*decimals as i32);
            ticks.iter().all(|&tick| (shown(tick) - tick).abs() < 1e-3 * (self.high - self.low))
        };
        let decimals = (0..6).find(told).unwrap_or(6);
        ticks.iter().map(|&tick| (tick, signed(tick, decimals))).collect()
    }
}

/// A figure, and what can be read off it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// A `<figure>` with caption, legend and SVG.
    pub html: String,
    /// Points in the order in which they are read off.
    pub points: Vec<ReadOut>,
    /// Along which side that is.
    pub along: Along,
}

/// How the points of a figure follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// From left to right.
    X,
    /// From the top down.
    Y,
    /// Not at all: the nearest is wanted.
    Both,
}

/// What a figure says at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOut {
    /// Place from the left, as a share of the width of the drawing.
    pub x: f64,
    /// Place from the top, as a share of its height.
    pub y: f64,
    /// In words.
    pub text: String,
}

/// A chart that is being drawn.
#[derive(Debug)]
pub struct Chart {
    x: Axis,
    y: Axis,
    height: f64,
    marks: String,
    legend: Vec<(Style, bool, String)>,
    points: Vec<ReadOut>,
}

impl Chart {
    /// An empty chart.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, height: 300.0, marks: String::new(), legend: Vec::new(), points: Vec::new() }
    }

    /// Something to read off at a point.
    pub fn read_out(&mut self, x: f64, y: f64, text: String) {
        let (x, y) = self.at(x, y);
        self.points.push(ReadOut { x: x / WIDTH, y: y / self.height, text });
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share =
            |axis: &Axis, value: f64| ((value - axis.low) / (axis.high - axis.low)).clamp(-0.01, 1.01);
        (
            LEFT + share(&self.x, x) * (WIDTH - LEFT - RIGHT),
            self.height - BOTTOM - share(&self.y, y) * (self.height - TOP - BOTTOM),
        )
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for (x, y) in points {
            if !y.is_finite() {
                pen = 'M';
                continue;
            }
            let (x, y) = self.at(x, y);
            let _ = write!(path, "{pen}{x:.1} {y:.1}");
            pen = 'L';
        }
        path
    }

    /// A line; a NaN interrupts it.
    pub fn line(&mut self, style: Style, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let path = self.path(points);
        let Style { colour, dash } = style;
        let _ = write!(self.marks, "<path class=\"mark {class} {dash} s-{colour}\" d=\"{path}\"/>");
    }

    /// A band between two curves.
    pub fn band(&mut self, colour: &str, points: &[(f64, f64, f64)]) {
        let there = points.iter().map(|&(x, low, _)| (x, low));
        let back = points.iter().rev().map(|&(x, _, high)| (x, high));
        let path = self.path(there.chain(back));
        let _ = write!(self.marks, "<path class=\"band f-{colour}\" d=\"{path}Z\"/>");
    }

    /// A bar between two x up to a height.
    pub fn bar(&mut self, colour: &str, [from, to]: [f64; 2], height: f64, title: &str) {
        let ((left, top), (right, bottom)) = (self.at(from, height), self.at(to, self.y.low));
        let _ = write!(
            self.marks,
            "<rect class=\"column f-{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            (right - left - 0.8).max(0.2),
            (bottom - top).max(0.0),
            escape(title)
        );
    }

    /// A point with an interval in y.
    pub fn point(&mut self, colour: &str, x: f64, y: f64, [low, high]: [f64; 2], title: &str) {
        let ((cx, cy), (_, bottom), (_, top)) = (self.at(x, y), self.at(x, low), self.at(x, high));
        let _ = write!(
            self.marks,
            "<g><title>{}</title><path class=\"mark thin s-{colour}\" d=\"M{cx:.1} {bottom:.1}L{cx:.1} {top:.1}M{:.1} {bottom:.1}h6M{:.1} {top:.1}h6\"/><circle class=\"f-{colour}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\"/></g>",
            escape(title),
            cx - 3.0,
            cx - 3.0
        );
    }

    /// A point.
    pub fn dot(&mut self, colour: &str, x: f64, y: f64, title: &str) {
        let (x, y) = self.at(x, y);
        let _ = write!(
            self.marks,
            "<circle class=\"f-{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{}</title></circle>",
            escape(title)
        );
    }

    /// A point among very many: its words come from what is read off.
    pub fn faint_dot(&mut self, colour: &str, x: f64, y: f64) {
        let (x, y) = self.at(x, y);
        let _ =
            write!(self.marks, "<circle class=\"faint f-{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
    }

    /// A rectangle of some opacity.
    pub fn cell(&mut self, colour: &str, [left, right]: [f64; 2], [low, high]: [f64; 2], opacity: f64) {
        let ((left, top), (right, bottom)) = (self.at(left, high), self.at(right, low));
        let _ = write!(
            self.marks,
            "<rect class=\"cell f-{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{opacity:.2}\"/>",
            right - left,
            bottom - top
        );
    }

    /// Makes the plot as high as it is wide.
    pub fn square(&mut self) {
        self.height = WIDTH - LEFT - RIGHT + TOP + BOTTOM;
    }

    /// Text above the plot, centred at x.
    pub fn text_above(&mut self, x: f64, text: &str) {
        let (x, _) = self.at(x, self.y.high);
        let _ = write!(
            self.marks,
            "<text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            TOP - 6.0,
            escape(text)
        );
    }

    /// A vertical rule with text above.
    pub fn rule(&mut self, x: f64, text: &str) {
        let ((at, top), (_, bottom)) = (self.at(x, self.y.high), self.at(x, self.y.low));
        let _ = write!(self.marks, "<path class=\"rule\" d=\"M{at:.1} {top:.1}L{at:.1} {bottom:.1}\"/>");
        self.text_above(
            x.clamp(
                self.x.low + 0.12 * (self.x.high - self.x.low),
                self.x.low + 0.88 * (self.x.high - self.x.low),
            ),
            text,
        );
    }

    /// Names a series in the legend: as a line, or as an area.
    pub fn name(&mut self, style: Style, area: bool, text: impl Into<String>) {
        self.legend.push((style, area, text.into()));
    }

    /// The chart as a figure; `description` says in words what it shows.
    pub fn figure(mut self, title: &str, description: &str) -> Figure {
        self.points.sort_by(|a, b| a.x.total_cmp(&b.x));
        self.figure_along(title, description, Along::X)
    }

    /// The chart as a figure whose points follow each other as they were given.
    pub fn figure_along(self, title: &str, description: &str, along: Along) -> Figure {
        let mut svg = figure_head(title, description, WIDTH, self.height, &self.legend);
        for (tick, label) in self.x.labelled_ticks() {
            let ((x, bottom), (_, top)) = (self.at(tick, self.y.low), self.at(tick, self.y.high));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {top:.1}L{x:.1} {bottom:.1}\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 16.0,
                label
            );
        }
        for (tick, label) in self.y.labelled_ticks() {
            let ((left, y), (right, _)) = (self.at(self.x.low, tick), self.at(self.x.high, tick));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {y:.1}L{right:.1} {y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                y + 4.0,
                label
            );
        }
        let (left, bottom) = self.at(self.x.low, self.y.low);
        let (right, top) = self.at(self.x.high, self.y.high);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{left:.1} {top:.1}L{left:.1} {bottom:.1}L{right:.1} {bottom:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>{}</svg></figure>",
            f64::midpoint(left, right),
            self.height - 8.0,
            escape(self.x.label),
            f64::midpoint(top, bottom),
            escape(self.y.label),
            self.marks
        );
        Figure { html: svg, points: self.points, along }
    }
}

/// A row of a forest plot.
#[derive(Debug, Clone)]
pub struct ForestRow {
    /// What is compared.
    pub name: String,
    /// Its difference.
    pub value: f64,
    /// Lower and upper end of its interval.
    pub interval: [f64; 2],
}

/// Differences with their intervals beside a line at no difference.
pub fn forest(title: &str, description: &str, label: &'static str, rows: &[ForestRow]) -> Figure {
    const NAMES: f64 = 130.0;
    const ROW: f64 = 26.0;
    let values = rows.iter().flat_map(|row| [row.interval[0], row.interval[1], row.value]);
    let (low, high) = values.fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let margin = (0.08 * (high - low)).max(0.005);
    let axis = Axis { label, low: low - margin, high: high + margin };
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let bottom = height - BOTTOM;
    let x = |value: f64| NAMES + (value - axis.low) / (axis.high - axis.low) * (WIDTH - NAMES - RIGHT);
    let mut svg = figure_head(title, description, WIDTH, height, &[]);
    let ticks = axis.labelled_ticks();
    // Long numbers would run into each other: every other one is enough.
    let every = if ticks.len() > 6 { 2 } else { 1 };
    for (index, (tick, label)) in ticks.iter().enumerate() {
        let at = x(*tick);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}L{at:.1} {bottom:.1}\"/>");
        if index % every == 0 {
            let y = bottom + 16.0;
            let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
    }
    let zero = x(0.0);
    let mut points = Vec::new();
    let _ = write!(svg, "<path class=\"axis\" d=\"M{zero:.1} {TOP}L{zero:.1} {bottom:.1}\"/>");
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let [low, high] = row.interval;
        let text =
            format!("{}: {} [{}, {}]", row.name, signed(row.value, 3), signed(low, 3), signed(high, 3));
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><g><title>{}</title>\
             <path class=\"mark s-one\" d=\"M{:.1} {y:.1}L{:.1} {y:.1}\"/><circle class=\"f-one\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\"/></g>",
            NAMES - 10.0,
            y + 4.0,
            escape(&row.name),
            escape(&text),
            x(low),
            x(high),
            x(row.value)
        );
        points.push(ReadOut { x: x(row.value) / WIDTH, y: y / height, text });
    }
    let (middle, y) = (f64::midpoint(NAMES, WIDTH - RIGHT), height - 8.0);
    let _ =
        write!(svg, "<text x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escape(label));
    svg += "</svg></figure>\n";
    Figure { html: svg, points, along: Along::Y }
}

fn figure_head(
    title: &str,
    description: &str,
    width: f64,
    height: f64,
    legend: &[(Style, bool, String)],
) -> String {
    let mut head = format!("<figure class=\"chart\"><figcaption>{}</figcaption>", escape(title));
    if !legend.is_empty() {
        head += "<ul class=\"legend\">";
        for (Style { colour, dash }, area, name) in legend {
            let swatch = if *area {
                format!("<rect class=\"column f-{colour}\" x=\"0\" y=\"0\" width=\"30\" height=\"10\"/>")
            } else {
                format!("<path class=\"mark {dash} s-{colour}\" d=\"M1 5L29 5\"/>")
            };
            let _ = write!(
                head,
                "<li><svg viewBox=\"0 0 30 10\" aria-hidden=\"true\">{swatch}</svg>{}</li>",
                escape(name)
            );
        }
        head += "</ul>";
    }
    let _ = write!(
        head,
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title><desc>{}</desc>",
        escape(title),
        escape(description)
    );
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside_the_axis() {
        let ticks = |low, high| Axis { label: "", low, high }.ticks();
        assert_eq!(ticks(0.0, 1.0).len(), 6);
        for (low, high) in [(0.0, 1.0), (1.0, 33.0), (-0.05, 0.013), (0.41, 0.47), (0.0, 1e-3), (1.0, 1.2)] {
            let ticks = ticks(low, high);
            assert!((3..=9).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| (low - 1e-9..=high + 1e-9).contains(tick)));
        }
    }

    #[test]
    fn ticks_are_told_with_as_many_decimals_as_they_need() {
        let told = |low, high| -> Vec<String> {
            Axis { label: "", low, high }.labelled_ticks().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(told(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(told(-0.055, 0.055), ["−0.050", "−0.025", "0.000", "0.025", "0.050"]);
        assert_eq!(told(0.0, 51.0)[1..3], ["20", "40"].map(String::from));
    }

    #[test]
    fn a_gap_in_the_numbers_is_a_gap_in_the_line() {
        let mut chart = Chart::new(Axis::unit("x"), Axis::unit("y"));
        let points = [(0.0, 0.5), (0.5, f64::NAN), (1.0, 0.5)];
        chart.line(Style::of_series(0), "", points.into_iter());
        let figure = chart.figure("Title", "Two <points>").html;
        assert!(!figure.contains("NaN") && figure.contains("M60.0 139.0M508.0 139.0"), "{figure}");
        assert!(figure.contains("Two &lt;points&gt;"));
    }
}
