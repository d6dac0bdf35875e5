//! A problem made of the trials of a real search.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use trainer::study::{self, Access, Distribution, Trial, TrialState};

use crate::problems::{Point, Problem, Space};

/// Fewest complete trials to learn from.
const FEWEST_TRIALS: usize = 50;

/// Strength of the ridge, in trials.
const RIDGE: f64 = 5.0;

/// What a search with these parameters would have scored, learnt from the complete trials of a recorded study: a ridge
/// regression of main effects (numbers with their squares, choices apart), plus the residual of the nearest recorded trial,
/// so that it is as rough as the real thing. It is no more than that: parameters do not interact in it. Small is good.
pub fn problem(storage: &str, study: &str) -> anyhow::Result<Problem> {
    let storage = study::open(storage, Access::Existing)?;
    let records = storage.studies()?;
    let record = records.iter().find(|record| record.name == study);
    let record = record.with_context(|| format!("{} has no study \"{study}\"", storage.describe()))?;
    let sign = match record.directions.first() {
        Some(Some(study::Direction::Maximize)) => -1.0,
        _ => 1.0,
    };
    let trials = storage.trials(record.id)?;
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let (trials, losses): (Vec<&Trial>, Vec<f64>) =
        complete.filter_map(|trial| Some((trial, sign * trial.value()?))).unzip();
    ensure!(trials.len() >= FEWEST_TRIALS, "{study} has {} complete trials of {FEWEST_TRIALS}", trials.len());

    let space = common_space(&trials);
    let points: Vec<Point> = trials
        .iter()
        .map(|trial| space.keys().map(|name| (name.clone(), trial.parameters[name].internal)).collect())
        .collect();
    let surrogate = Surrogate::fit(&space, points, losses);
    eprintln!(
        "{study}: {} trials of {} parameters; main effects explain {:.0} % of the variance of trials left out",
        trials.len(),
        space.len(),
        100.0 * surrogate.explained
    );
    let function = {
        let space = space.clone();
        move |point: &Point| surrogate.value(&space, point)
    };
    Ok(Problem { name: "recorded", space, function: Box::new(function) })
}

/// The parameters of all trials that have several values.
fn common_space(trials: &[&Trial]) -> Space {
    let names: BTreeSet<&String> = trials.iter().flat_map(|trial| trial.parameters.keys()).collect();
    let common = names.into_iter().filter_map(|name| {
        let distribution = &trials[0].parameters.get(name)?.distribution;
        let everywhere =
            |trial: &&Trial| trial.parameters.get(name).is_some_and(|it| it.distribution == *distribution);
        (!distribution.is_single() && trials.iter().all(everywhere))
            .then(|| (name.clone(), distribution.clone()))
    });
    common.collect()
}

struct Surrogate {
    points: Vec<Point>,
    residuals: Vec<f64>,
    coefficients: Vec<f64>,
    mean: f64,
    /// Part of the variance of each trial that the regression without it explains.
    explained: f64,
}

impl Surrogate {
    fn fit(space: &Space, points: Vec<Point>, losses: Vec<f64>) -> Self {
        let count = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / count;
        let rows: Vec<Vec<f64>> = points.iter().map(|point| features(space, point)).collect();
        let width = rows[0].len();
        let mut normal = vec![vec![0.0; width]; width];
        for row in &rows {
            for (i, a) in row.iter().enumerate() {
                for (j, b) in row.iter().enumerate() {
                    normal[i][j] += a * b;
                }
            }
        }
        (0..width).for_each(|i| normal[i][i] += RIDGE);
        let factor = cholesky(normal);
        let weighted = |values: &[f64]| -> Vec<f64> {
            (0..width).map(|i| rows.iter().zip(values).map(|(row, value)| row[i] * value).sum()).collect()
        };
        let centred: Vec<f64> = losses.iter().map(|loss| loss - mean).collect();
        let coefficients = solve(&factor, weighted(&centred));
        let residuals: Vec<f64> =
            rows.iter().zip(&centred).map(|(row, loss)| loss - dot(row, &coefficients)).collect();
        // Leaving a trial out divides its residual by one minus its leverage.
        let left_out: f64 = rows
            .iter()
            .zip(&residuals)
            .map(|(row, residual)| {
                (residual / (1.0 - dot(row, &solve(&factor, row.clone())) - 1.0 / count)).powi(2)
            })
            .sum();
        let explained = 1.0 - left_out / centred.iter().map(|loss| loss * loss).sum::<f64>();
        Self { points, residuals, coefficients, mean, explained }
    }

    fn value(&self, space: &Space, point: &Point) -> f64 {
        let distances = self.points.iter().map(|other| distance(space, point, other));
        let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are trials").0;
        self.mean + dot(&features(space, point), &self.coefficients) + self.residuals[nearest]
    }
}

/// Numbers from -1 to 1 and their squares (centred for an even spread), choices as indicators.
fn features(space: &Space, point: &Point) -> Vec<f64> {
    let mut features = Vec::new();
    for (name, distribution) in space {
        let value = point[name];
        match distribution {
            Distribution::Categorical { choices } => {
                let part = 1.0 / choices.len() as f64;
                features.extend((0..choices.len()).map(|choice| f64::from(choice == value as usize) - part));
            }
            _ => {
                let x = 2.0 * unit(distribution, value) - 1.0;
                features.extend([x, x * x - 1.0 / 3.0]);
            }
        }
    }
    features
}

/// A number's place in its range, from 0 to 1.
fn unit(distribution: &Distribution, value: f64) -> f64 {
    let (low, high, log) = match *distribution {
        Distribution::Float { low, high, log, .. } => (low, high, log),
        Distribution::Int { low, high, log, .. } => (low as f64, high as f64, log),
        Distribution::Categorical { .. } => unreachable!("choices have no place"),
    };
    if log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
}

fn distance(space: &Space, a: &Point, b: &Point) -> f64 {
    let of = |(name, distribution): (&String, &Distribution)| match distribution {
        Distribution::Categorical { .. } => f64::from(a[name] != b[name]),
        _ => (unit(distribution, a[name]) - unit(distribution, b[name])).abs(),
    };
    space.iter().map(of).sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower triangle L with L Lᵀ equal to a positive definite matrix.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..matrix.len() {
        for j in 0..=i {
            let sum = matrix[i][j] - dot(&matrix[i][..j], &matrix[j][..j]);
            matrix[i][j] = if i == j { sum.sqrt() } else { sum / matrix[j][j] };
        }
    }
    matrix
}

/// Solves L Lᵀ x = b.
fn solve(factor: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for i in 0..b.len() {
        b[i] = (b[i] - dot(&factor[i][..i], &b[..i])) / factor[i][i];
    }
    for i in (0..b.len()).rev() {
        let below: f64 = (i + 1..b.len()).map(|j| factor[j][i] * b[j]).sum();
        b[i] = (b[i] - below) / factor[i][i];
    }
    b
}
