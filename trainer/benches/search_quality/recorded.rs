//! Problems made of the trials of a real search.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;
use trainer::data;
use trainer::search::space::Space as SearchSpace;
use trainer::study::{self, Access, Distribution, Trial, TrialState};

use crate::problems::{Point, Problem, Space};

/// Fewest complete trials to learn from.
const FEWEST_TRIALS: usize = 50;

/// Strength of the ridge, in trials.
const RIDGE: f64 = 5.0;

/// The random search of the default space that is kept in `benches/data/`:
///
/// ```sh
/// optimil hpo --labels … --schema … (the tables of data/chromophores) --device cpu --folds 2 --max-epochs 8 \
///   --patience 3 --trials 400 --sampler random --pruner none --no-final --jobs 2 --out search
/// # Stopped after 154 complete trials; of search/hpo_trials.csv their `value` and the columns `params_…`
/// ```
pub fn chromophores() -> anyhow::Result<Problem> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join("benches/data/chromophores_search.csv.gz");
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    let schema = data::read_schema(&folder.join("../data/chromophores/schema.toml"))?;
    let searched = SearchSpace::named(SearchSpace::DEFAULT, &schema).context("the default space")?;
    let mut table = csv::Reader::from_reader(GzDecoder::new(file));
    let names: Vec<String> = table.headers()?.iter().map(Into::into).collect();
    let space: Space = searched
        .searched()
        .filter(|(name, distribution)| {
            !distribution.is_single()
                && names.iter().any(|column| column.strip_prefix("params_") == Some(name))
        })
        .map(|(name, distribution)| (name.to_owned(), distribution.clone()))
        .collect();
    let (mut points, mut losses) = (Vec::new(), Vec::new());
    for row in table.records() {
        let row = row?;
        let cell = |name: &str| names.iter().position(|column| column == name).and_then(|at| row.get(at));
        losses.push(-cell("value").context("no column value")?.parse::<f64>()?);
        let internal = |(name, distribution): (&String, &Distribution)| {
            let text = cell(&format!("params_{name}"))?;
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            Some((name.clone(), distribution.internal(&value)?))
        };
        let point: Option<Point> = space.iter().map(internal).collect();
        points.push(point.with_context(|| format!("{row:?} is not of the default space"))?);
    }
    problem("chromophores", space, points, losses)
}

/// The trials of a study.
pub fn study(storage: &str, study: &str) -> anyhow::Result<Problem> {
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
    ensure!(!trials.is_empty(), "{study} has no complete trials");
    let space = common_space(&trials);
    let point =
        |trial: &&Trial| space.keys().map(|name| (name.clone(), trial.parameters[name].internal)).collect();
    let points = trials.iter().map(point).collect();
    problem("recorded", space, points, losses)
}

/// What a search with these parameters would have scored, learnt from complete trials: a ridge regression of main effects
/// (numbers with their squares, choices apart), plus the residual of the nearest recorded trial, so that it is as rough as
/// the real thing. It is no more than that: parameters do not interact in it. Small is good.
fn problem(
    name: &'static str,
    space: Space,
    points: Vec<Point>,
    losses: Vec<f64>,
) -> anyhow::Result<Problem> {
    let trials = points.len();
    ensure!(trials >= FEWEST_TRIALS, "{name} has {trials} complete trials of {FEWEST_TRIALS}");
    let surrogate = Surrogate::fit(&space, points, losses);
    eprintln!(
        "{name}: {trials} trials of {} parameters; main effects explain {:.0} % of the variance of trials left out",
        space.len(),
        100.0 * surrogate.explained
    );
    let function = {
        let space = space.clone();
        move |point: &Point| surrogate.value(&space, point)
    };
    Ok(Problem { name, space, function: Box::new(function) })
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
