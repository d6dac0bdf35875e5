//! What two models say of the same molecules.

use super::chart::{Along, Axis, Chart, Figure, Style};

/// Most molecules that are drawn one by one; of more, the number in each cell of a grid is drawn.
pub const MOST_DOTS: usize = 10_000;
/// Cells along each axis of that grid.
const CELLS: usize = 60;

/// A molecule that two models have predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoint {
    /// What tells it from others.
    pub id: String,
    /// Probability by the first model.
    pub x: f64,
    /// Probability by the second model.
    pub y: f64,
    /// Whether it is a positive, where that is known.
    pub positive: Option<bool>,
}

/// Probabilities of a task by one model against those by another. Its points stand in the order of `points`.
pub fn scatter(task: &str, axes: [&'static str; 2], points: &[ScatterPoint]) -> Figure {
    let [x, y] = axes;
    let mut chart = Chart::new(Axis::unit(x), Axis::unit(y));
    chart.square();
    chart.line(Style::BASELINE, "thin", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    let title = |point: &ScatterPoint| {
        let known = match point.positive {
            Some(true) => ", a positive",
            Some(false) => ", a negative",
            None => "",
        };
        format!("{}: {:.3} and {:.3}{known}", point.id, point.x, point.y)
    };
    if points.len() > MOST_DOTS {
        cells(&mut chart, points);
    } else {
        // Positives are few: they lie above.
        let mut order: Vec<&ScatterPoint> = points.iter().collect();
        order.sort_by_key(|point| point.positive == Some(true));
        for point in order {
            let colour = match point.positive {
                Some(true) => "two",
                Some(false) => "one",
                None => "soft",
            };
            chart.faint_dot(colour, point.x, point.y);
        }
        for (colour, positive, name) in [
            ("two", Some(true), "positives"),
            ("one", Some(false), "negatives"),
            ("soft", None, "without a label"),
        ] {
            let count = points.iter().filter(|point| point.positive == positive).count();
            if count > 0 {
                chart.name(Style { colour, dash: "" }, true, format!("{name} ({count})"));
            }
        }
    }
    chart.name(Style::BASELINE, false, "the same");
    for point in points {
        chart.read_out(point.x, point.y, title(point));
    }
    let description = format!("Probabilities of {task} by both models, {} molecules.", points.len());
    chart.figure_along("Probabilities of both models", &description, Along::Both)
}

/// Cells with molecules, the more the darker (by the logarithm).
fn cells(chart: &mut Chart, points: &[ScatterPoint]) {
    let mut counts = vec![0usize; CELLS * CELLS];
    let cell = |share: f64| ((share * CELLS as f64) as usize).min(CELLS - 1);
    for point in points {
        counts[cell(point.y) * CELLS + cell(point.x)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let edge = |at: usize| at as f64 / CELLS as f64;
    for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (row, column) = (at / CELLS, at % CELLS);
        let opacity = (0.15 + 0.85 * (count as f64).ln() / most.ln().max(1.0)).min(1.0);
        chart.cell("one", [edge(column), edge(column + 1)], [edge(row), edge(row + 1)], opacity);
    }
    chart.name(Style { colour: "one", dash: "" }, true, format!("1 to {most} molecules in a cell"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: usize) -> Vec<ScatterPoint> {
        let share = |number: usize| number as f64 / count as f64;
        let point = |at: usize| ScatterPoint {
            id: format!("M{at}"),
            x: share(at),
            y: share(at * 7 % count),
            positive: [None, Some(true), Some(false)][at % 3],
        };
        (0..count).map(point).collect()
    }

    #[test]
    fn every_molecule_is_a_dot_and_can_be_read_off_in_its_place() {
        let points = points(30);
        let figure = scatter("task", ["A", "B"], &points);
        assert_eq!(figure.html.matches("<circle").count(), 30);
        assert_eq!(figure.points.len(), 30);
        for (read, point) in figure.points.iter().zip(&points) {
            assert!(read.text.starts_with(&format!("{}: ", point.id)));
        }
        assert!(figure.html.contains("positives (10)") && figure.html.contains("without a label (10)"));
    }

    #[test]
    fn of_very_many_molecules_cells_are_drawn() {
        let figure = scatter("task", ["A", "B"], &points(MOST_DOTS + 1));
        assert!(!figure.html.contains("<circle"));
        let cells = figure.html.matches("<rect class=\"cell").count();
        assert!(cells > 100 && cells <= CELLS * CELLS, "{cells}");
        assert_eq!(figure.points.len(), MOST_DOTS + 1);
    }
}
