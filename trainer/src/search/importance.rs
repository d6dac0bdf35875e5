//! Which parameters decide whether a trial is among the best.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::History;
use super::normal::ln_mass;
use crate::study::{Direction, Distribution, Parameter, Trial, TrialState};

/// The part of the trials that counts as the best.
const TARGET: f64 = 0.1;

/// Complete trials below which nothing is said: two of them would be the best tenth.
const FEWEST_TRIALS: usize = 20;

/// Cells of a numeric parameter's range.
const CELLS: usize = 50;

/// Resamples of an interval.
const RESAMPLES: usize = 200;

/// Trials of a range or condition of a parameter, below which it is left out.
const FEWEST_OF_REGIME: usize = 2;

/// A parameter's importance.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The parameter.
    pub name: String,
    /// Its share: all sum to 1.
    pub share: f64,
    /// 95 % interval of the share over resampled trials (percentiles).
    pub interval: (f64, f64),
    /// Complete trials that have the parameter.
    pub trials: usize,
}

/// Importance by PED-ANOVA, the most important parameter first: how far a parameter's density among the best tenth of the
/// complete trials is from its density among all. None with fewer than 20 complete trials.
///
/// It tells what made trials good *in this search*: a parameter that the sampler soon kept at its best value looks
/// less important than it is. Conditional parameters are judged where they are active.
///
/// Watanabe, Bansal and Hutter, *PED-ANOVA: Efficiently quantifying hyperparameter importance in arbitrary subspaces*,
/// IJCAI 2023; the same numbers as Optuna's `PedAnovaImportanceEvaluator`.
pub fn importance(history: &History) -> Option<Vec<Importance>> {
    let trials: Vec<Judged> = history
        .trials
        .iter()
        .filter(|trial| trial.state == TrialState::Complete)
        .filter_map(|trial| {
            let value = trial.value().filter(|value| value.is_finite())?;
            let loss = if history.direction == Direction::Minimize { value } else { -value };
            Some(Judged { trial, loss })
        })
        .collect();
    if trials.len() < FEWEST_TRIALS {
        return None;
    }
    let names: BTreeSet<&String> = trials.iter().flat_map(|judged| judged.trial.parameters.keys()).collect();
    let names: Vec<&String> = names.into_iter().collect();
    let shares = shares(&names, &trials);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<Judged> =
                (0..trials.len()).map(|_| trials[random.random_range(..trials.len())]).collect();
            self::shares(&names, &drawn)
        })
        .collect();
    let mut importances: Vec<Importance> = names
        .iter()
        .enumerate()
        .map(|(index, &name)| Importance {
            name: name.clone(),
            share: shares[index],
            interval: interval(resampled.iter().map(|shares| shares[index]).collect()),
            trials: trials.iter().filter(|judged| judged.trial.parameters.contains_key(name)).count(),
        })
        .collect();
    importances.sort_by(|a, b| b.share.total_cmp(&a.share));
    Some(importances)
}

#[derive(Clone, Copy)]
struct Judged<'a> {
    trial: &'a Trial,
    /// Small is good.
    loss: f64,
}

/// Normalised importances; equal ones if there is nothing to tell.
fn shares(names: &[&String], trials: &[Judged]) -> Vec<f64> {
    let divergences = divergences(names, trials);
    let sum: f64 = divergences.iter().sum();
    if sum > 0.0 {
        divergences.iter().map(|divergence| divergence / sum).collect()
    } else {
        vec![1.0 / names.len() as f64; names.len()]
    }
}

/// Of each parameter, the Pearson divergence between the best trials and all: algorithm 1 of Ito and Watanabe,
/// *Conditional PED-ANOVA*, 2026, whose regimes are the ranges that a parameter had.
fn divergences(names: &[&String], trials: &[Judged]) -> Vec<f64> {
    let mut losses: Vec<f64> = trials.iter().map(|judged| judged.loss).collect();
    losses.sort_by(f64::total_cmp);
    let cut = losses[(TARGET * losses.len() as f64).ceil() as usize - 1];
    let best = trials.iter().filter(|judged| judged.loss <= cut).count() as f64;
    let all = trials.len() as f64;
    let of_parameter = |name: &&String| {
        let mut regimes: Vec<(&Distribution, Vec<(f64, bool)>)> = Vec::new();
        for Judged { trial, loss } in trials {
            if let Some(Parameter { internal, distribution }) = trial.parameters.get(*name) {
                let value = (*internal, *loss <= cut);
                match regimes.iter_mut().find(|(other, _)| *other == distribution) {
                    Some((_, values)) => values.push(value),
                    None => regimes.push((distribution, vec![value])),
                }
            }
        }
        let regimes = regimes
            .into_iter()
            .filter(|(distribution, values)| values.len() >= FEWEST_OF_REGIME && !distribution.is_single());
        regimes
            .map(|(distribution, values)| {
                let good: Vec<f64> =
                    values.iter().filter(|(_, good)| *good).map(|(value, _)| *value).collect();
                let every: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
                let (good_part, part) = (good.len() as f64 / best, every.len() as f64 / all);
                let divergence = if good.is_empty() { 0.0 } else { pearson(distribution, &good, &every) };
                good_part * good_part / part * divergence
            })
            .sum::<f64>()
            * (best / all).powi(2)
    };
    names.iter().map(of_parameter).collect()
}

/// Σ q (p/q - 1)², with p the density of the good values and q that of all.
fn pearson(distribution: &Distribution, good: &[f64], all: &[f64]) -> f64 {
    let densities = density(distribution, good).into_iter().zip(density(distribution, all));
    densities.map(|(p, q)| (p + 1e-12, q + 1e-12)).map(|(p, q)| q * (p / q - 1.0).powi(2)).sum()
}

/// A parameter's density over its choices, or over cells of its range.
fn density(distribution: &Distribution, values: &[f64]) -> Vec<f64> {
    match distribution {
        Distribution::Categorical { choices } => {
            categorical_density(&counts(values.iter().map(|&value| value as usize), choices.len()))
        }
        _ => numeric_density(&cell_counts(distribution, values)),
    }
}

fn counts(places: impl Iterator<Item = usize>, cells: usize) -> Vec<f64> {
    let mut counts = vec![0.0; cells];
    for place in places {
        counts[place.min(cells - 1)] += 1.0;
    }
    counts
}

/// How many values lie next to each of the evenly spaced points of the range.
fn cell_counts(distribution: &Distribution, values: &[f64]) -> Vec<f64> {
    let (low, high, log, cells) = match *distribution {
        Distribution::Int { low, high, log: true, .. } => {
            let cells = (((high - low + 1) as f64).ln() / 2f64.ln()).ceil() as usize + 1;
            (low as f64, high as f64, true, cells)
        }
        Distribution::Int { low, high, step, .. } => {
            (low as f64, high as f64, false, ((high - low) / step) as usize + 1)
        }
        Distribution::Float { low, high, log, step } => {
            let cells = step.map_or(CELLS, |step| ((high - low) / step).round() as usize + 1);
            (low, high, log, cells)
        }
        Distribution::Categorical { .. } => unreachable!("choices are counted as they are"),
    };
    let cells = cells.clamp(2, CELLS);
    let coordinate = |value: f64| if log { value.ln() } else { value };
    let width = (coordinate(high) - coordinate(low)) / (cells - 1) as f64;
    // Half-way between two points is the lower one's.
    let cell = |&value: &f64| ((coordinate(value) - coordinate(low)) / width - 0.5).ceil().max(0.0) as usize;
    counts(values.iter().map(cell), cells)
}

/// A kernel at each choice that was taken, weighted by how often, and a flat one.
fn categorical_density(counts: &[f64]) -> Vec<f64> {
    let kernels = counts.iter().filter(|&&count| count > 0.0).count();
    let total: f64 = counts.iter().sum();
    let prior = 1.0 / (kernels + 1) as f64;
    let sum = prior * counts.len() as f64 + 1.0;
    let flat = 1.0 / counts.len() as f64;
    counts.iter().map(|count| (total * prior / sum + count / sum + flat) / (total + 1.0)).collect()
}

/// A normal kernel of one width (Scott's rule) at each cell that has values, and a wide one in the middle.
fn numeric_density(counts: &[f64]) -> Vec<f64> {
    let cells = counts.len();
    let total = counts.iter().sum::<f64>() + 1.0;
    let mass = |distance: f64, sigma: f64| ln_mass((distance - 0.5) / sigma, (distance + 0.5) / sigma).exp();
    let inside = |mu: f64, sigma: f64| ln_mass((-0.5 - mu) / sigma, (cells as f64 - 0.5 - mu) / sigma).exp();

    let (middle, wide) = ((cells - 1) as f64 / 2.0, cells as f64);
    let prior = 1.0 / (total * inside(middle, wide));
    let mut density: Vec<f64> = (0..cells).map(|cell| prior * mass(cell as f64 - middle, wide)).collect();

    let sigma = scott_bandwidth(counts);
    let masses: Vec<f64> = (0..cells).map(|distance| mass(distance as f64, sigma)).collect();
    for (place, count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0.0) {
        let weight = count / (total * inside(place as f64, sigma));
        density.iter_mut().enumerate().for_each(|(cell, sum)| *sum += weight * masses[cell.abs_diff(place)]);
    }
    density
}

/// Scott's rule over cells, at least so wide that 90 % of a kernel lie in its cell.
fn scott_bandwidth(counts: &[f64]) -> f64 {
    let observed: Vec<(f64, f64)> = counts
        .iter()
        .enumerate()
        .filter(|&(_, &count)| count > 0.0)
        .map(|(cell, &count)| (cell as f64, count))
        .collect();
    let total: f64 = counts.iter().sum();
    let mean = observed.iter().map(|(cell, count)| cell * count).sum::<f64>() / total;
    let squares: f64 = observed.iter().map(|(cell, count)| (cell - mean).powi(2) * count).sum();
    let deviation = (squares / (total - 1.0).max(1.0)).sqrt();
    let mut cumulated = 0.0;
    let cumulated: Vec<f64> = observed
        .iter()
        .map(|(_, count)| {
            cumulated += count;
            cumulated
        })
        .collect();
    let (first, third) = ((total / 4.0).floor(), (total * 3.0 / 4.0).floor());
    let lower = cumulated.partition_point(|&sum| sum < first);
    let upper = cumulated.partition_point(|&sum| sum <= third).min(observed.len() - 1);
    let quartiles = observed[upper].0 - observed[lower].0;
    (1.059 * (quartiles / 1.34).min(deviation) * total.powf(-0.2)).max(0.5 / 1.64)
}

fn interval(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[(part * (values.len() - 1) as f64).round() as usize];
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::{fixture, trial, trials};

    #[test]
    fn shares_are_those_of_optuna() {
        for case in fixture("importance")["cases"].as_array().unwrap() {
            let direction = if case["maximize"] == true { Direction::Maximize } else { Direction::Minimize };
            let trials = trials(case);
            let found = importance(&History { direction, trials: &trials }).expect("enough trials");
            let expected: std::collections::BTreeMap<String, f64> =
                serde_json::from_value(case["shares"].clone()).unwrap();
            assert_eq!(found.len(), expected.len());
            for Importance { name, share, interval, .. } in found {
                assert!(
                    (share - expected[&name]).abs() < 1e-9,
                    "{name}: {share}, Optuna {}",
                    expected[&name]
                );
                assert!(0.0 <= interval.0 && interval.0 <= interval.1 && interval.1 <= 1.0);
            }
        }
    }

    #[test]
    fn what_matters_stands_out_and_few_trials_say_nothing() {
        let float = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let trials: Vec<Trial> = (0..100)
            .map(|number| {
                let (a, b): (f64, f64) = (random.random_range(0.0..1.0), random.random_range(0.0..1.0));
                let value = (a - 0.7).abs() + 0.01 * b;
                trial(
                    number,
                    TrialState::Complete,
                    Some(value),
                    [("a", a, float.clone()), ("b", b, float.clone())],
                )
            })
            .collect();
        let of =
            |count: usize| importance(&History { direction: Direction::Minimize, trials: &trials[..count] });
        let found = of(100).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].trials), ("a", 100));
        assert!(found[0].share > 0.8 && found[0].interval.0 > found[1].interval.1, "{found:?}");
        assert_eq!(of(19), None);
    }
}
