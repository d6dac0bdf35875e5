//! Which point of a figure is read off: the one next to the pointer, or next in the order.

use shared_model::figures::{Along, Figure};

/// The point that is nearest to a place, given as shares of the width and the height of the drawing.
pub fn nearest(figure: &Figure, x: f64, y: f64) -> Option<usize> {
    let distance = |at: usize| match figure.along {
        Along::X => (figure.points[at].x - x).abs(),
        Along::Y => (figure.points[at].y - y).abs(),
        Along::Both => (figure.points[at].x - x).hypot(figure.points[at].y - y),
    };
    (0..figure.points.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
}

/// The point that a key leads to.
pub fn next(key: &str, now: Option<usize>, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let page = (count / 10).max(1);
    let at = match (key, now) {
        ("Home", _) | ("ArrowRight" | "ArrowDown" | "PageDown", None) => 0,
        ("End", _) | ("ArrowLeft" | "ArrowUp" | "PageUp", None) => last,
        ("ArrowRight" | "ArrowDown", Some(now)) => now + 1,
        ("ArrowLeft" | "ArrowUp", Some(now)) => now.saturating_sub(1),
        ("PageDown", Some(now)) => now + page,
        ("PageUp", Some(now)) => now.saturating_sub(page),
        _ => return None,
    };
    Some(at.min(last))
}

#[cfg(test)]
mod tests {
    use shared_model::figures::{ForestRow, forest};

    use super::*;

    #[test]
    fn rows_are_found_by_their_height_and_keys_stay_inside() {
        let row = |value| ForestRow { name: "a".into(), value, interval: [value, value] };
        let figure = forest("", "", "", &[row(0.9), row(0.1), row(0.5)]);
        for at in 0..3 {
            assert_eq!(nearest(&figure, 0.5, figure.points[at].y + 0.01), Some(at));
        }
        assert_eq!(
            ["Home", "ArrowDown", "End", "PageUp"].map(|key| next(key, Some(2), 3)),
            [0, 2, 2, 1].map(Some)
        );
        assert_eq!((next("ArrowRight", None, 3), next("ArrowLeft", None, 3)), (Some(0), Some(2)));
        assert_eq!((next("a", Some(0), 3), next("Home", None, 0)), (None, None));
    }
}
