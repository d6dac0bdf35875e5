//! What is minimised.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use trainer::study::Distribution;

/// Parameters by name.
pub type Space = BTreeMap<String, Distribution>;

/// Internal values by name.
pub type Point = BTreeMap<String, f64>;

/// Something to be minimised.
pub struct Problem {
    pub name: &'static str,
    pub space: Space,
    pub function: Box<dyn Fn(&Point) -> f64>,
}

impl Problem {
    pub fn value(&self, point: &Point) -> f64 {
        (self.function)(point)
    }
}

/// Known functions, as the distance from their minimum.
pub fn problems() -> Vec<Problem> {
    let hartmann = (0..6).map(|index| (format!("x{index}"), float(0.0, 1.0)));
    vec![
        Problem {
            name: "Branin (2)",
            space: Space::from([("x".into(), float(-5.0, 10.0)), ("y".into(), float(0.0, 15.0))]),
            function: Box::new(branin),
        },
        Problem { name: "Hartmann (6)", space: hartmann.collect(), function: Box::new(hartmann6) },
        Problem { name: "mixed (20)", space: mixed_space(), function: Box::new(mixed) },
    ]
}

/// A space of 45 parameters of all kinds, to measure time.
pub fn wide_space() -> Space {
    (0..45)
        .map(|index| {
            let distribution = match index % 5 {
                0 => float(0.0, 1.0),
                1 => Distribution::Float { low: 1e-5, high: 1e-2, log: true, step: None },
                2 => Distribution::Int { low: 1, high: 6, log: false, step: 1 },
                3 => Distribution::Int { low: 16, high: 512, log: true, step: 1 },
                _ => choices(4),
            };
            (format!("p{index:02}"), distribution)
        })
        .collect()
}

fn float(low: f64, high: f64) -> Distribution {
    Distribution::Float { low, high, log: false, step: None }
}

fn choices(count: usize) -> Distribution {
    Distribution::Categorical { choices: (0..count).map(|choice| format!("c{choice}").into()).collect() }
}

/// Branin's function in the form of Surjanovic and Bingham, *Virtual library of simulation experiments*; minimum
/// 0.397887.
fn branin(point: &Point) -> f64 {
    let (x, y) = (point["x"], point["y"]);
    let valley = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    valley * valley + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0 - 0.397_887_357_729_738
}

/// Hartmann's function of six dimensions, from the same library; minimum -3.32237.
fn hartmann6(point: &Point) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const STEEPNESS: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTRES: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let hill = |hill: usize| {
        let distance = point.values().zip(STEEPNESS[hill]).zip(CENTRES[hill]);
        HEIGHTS[hill] * (-distance.map(|((x, a), c)| a * (x - c).powi(2)).sum::<f64>()).exp()
    };
    3.322_368_011_415_5 - (0..4).map(hill).sum::<f64>()
}

/// Eight numbers, three on a logarithmic scale, four whole ones and five choices, of falling weight; some depend on
/// each other.
fn mixed_space() -> Space {
    let numbers = (0..8).map(|index| (format!("a_number{index}"), float(-1.0, 1.0)));
    let logarithms = (0..3).map(|index| {
        let distribution = Distribution::Float { low: 1e-5, high: 1e-1, log: true, step: None };
        (format!("b_log{index}"), distribution)
    });
    let whole = (0..4).map(|index| {
        (format!("c_whole{index}"), Distribution::Int { low: 1, high: 8, log: index % 2 == 1, step: 1 })
    });
    let choice = (0..5).map(|index| (format!("d_choice{index}"), choices(3 + index % 3)));
    numbers.chain(logarithms).chain(whole).chain(choice).collect()
}

fn mixed(point: &Point) -> f64 {
    let group = |prefix: &str| -> Vec<f64> {
        point.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, &value)| value).collect()
    };
    let weight = |index: usize| 0.8f64.powi(index as i32);
    let (numbers, logs, whole, chosen) = (group("a_"), group("b_"), group("c_"), group("d_"));
    let optimum = |index: usize| [0.3, -0.5, 0.7, 0.0, -0.2, 0.9, -0.8, 0.1][index];
    let squares = numbers.iter().enumerate().map(|(index, x)| weight(index) * (x - optimum(index)).powi(2));
    // The best second number depends on the first choice.
    let interaction = 0.5 * (numbers[1] - [-0.5, 0.5, 0.0][chosen[0] as usize]).abs();
    let logarithms = logs
        .iter()
        .enumerate()
        .map(|(index, x)| 0.3 * weight(index) * (x.log10() + 3.0 - index as f64 / 2.0).powi(2));
    let wholes =
        whole.iter().enumerate().map(|(index, x)| 0.1 * weight(index) * (x - 3.0 - index as f64).abs());
    let choices = chosen
        .iter()
        .enumerate()
        .map(|(index, &choice)| 0.3 * weight(index) * f64::from(choice as usize != index % 3));
    squares.chain(logarithms).chain(wholes).chain(choices).sum::<f64>() + interaction
}
