//! The density of good, or of other, trials: a mixture of one kernel a trial and a prior.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::space::Space;
use crate::search::normal::{LN_SQRT_2PI, ln_mass, truncated_quantile};
use crate::search::sampler::scale::Scale;
use crate::study::Distribution;

/// Trials that are so recent that their age does not count.
const RECENT: usize = 25;

/// A mixture of products: each kernel is a product over the parameters.
///
/// Bergstra et al. 2011; the multivariate form of Falkner et al., *BOHB*, ICML 2018; bandwidths and weights as in
/// Optuna (Watanabe, *Tree-structured Parzen estimator*, arXiv 2304.11127).
pub(super) struct Parzen {
    /// Of the kernels, summing to 1; the last is the prior's.
    weights: Vec<f64>,
    parameters: Vec<Kernels>,
}

/// All kernels of one parameter.
enum Kernels {
    Numeric {
        scale: Scale,
        mus: Vec<f64>,
        sigmas: Vec<f64>,
    },
    /// Where a kernel was observed, its choice is more likely than the others; the prior has none.
    Categorical {
        choices: usize,
        observed: Vec<usize>,
    },
}

impl Parzen {
    /// `observations` has a column of internal values for each parameter of the space, in its order; rows by age, the
    /// oldest first.
    pub fn new(space: &Space, observations: &[Vec<f64>]) -> Self {
        let kernels = |(distribution, column): (&Distribution, &Vec<f64>)| Kernels::new(distribution, column);
        let trials = observations.first().map_or(0, Vec::len);
        Self { weights: weights(trials), parameters: space.values().zip(observations).map(kernels).collect() }
    }

    /// Draws points (a row each; columns are the parameters).
    pub fn sample(&self, random: &mut ChaCha8Rng, points: usize) -> Vec<Vec<f64>> {
        (0..points)
            .map(|_| {
                let mut remaining = random.random_range(0.0..1.0);
                let chosen = self.weights.iter().position(|weight| {
                    remaining -= weight;
                    remaining < 0.0
                });
                let kernel = chosen.unwrap_or(self.weights.len() - 1);
                self.parameters.iter().map(|kernels| kernels.draw(kernel, random)).collect()
            })
            .collect()
    }

    /// The logarithm of the density at each point.
    pub fn ln_density(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let ln_weights: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        let mut sums: Vec<Vec<f64>> = points.iter().map(|_| ln_weights.clone()).collect();
        for (index, kernels) in self.parameters.iter().enumerate() {
            kernels.add_ln_density(points.iter().map(|point| point[index]), &mut sums);
        }
        sums.iter().map(|row| ln_sum_exp(row)).collect()
    }
}

/// The weights of so many trials, the oldest first, and of the prior.
fn weights(trials: usize) -> Vec<f64> {
    let old = trials.saturating_sub(RECENT);
    let ramp = (0..old).map(|index| {
        let first = 1.0 / trials as f64;
        if old == 1 { first } else { first + (1.0 - first) * index as f64 / (old - 1) as f64 }
    });
    let recent_and_prior = std::iter::repeat_n(1.0, trials - old + 1);
    let weights: Vec<f64> = ramp.chain(recent_and_prior).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

impl Kernels {
    fn new(distribution: &Distribution, observations: &[f64]) -> Self {
        match (Scale::of(distribution), distribution) {
            (Some(scale), _) => {
                let (low, high) = scale.bounds();
                let mut mus: Vec<f64> = observations.iter().map(|&value| scale.coordinate(value)).collect();
                let mut sigmas = bandwidths(&mus, low, high);
                mus.push(0.5 * (low + high));
                sigmas.push(high - low);
                Self::Numeric { scale, mus, sigmas }
            }
            (None, Distribution::Categorical { choices }) => Self::Categorical {
                choices: choices.len(),
                observed: observations.iter().map(|&value| value as usize).collect(),
            },
            (None, _) => unreachable!("numeric parameters have a scale"),
        }
    }

    fn draw(&self, kernel: usize, random: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Numeric { scale, mus, sigmas } => {
                let (low, high) = scale.bounds();
                let (mu, sigma) = (mus[kernel], sigmas[kernel]);
                let unit = random.random_range(0.0..1.0);
                scale.value(mu + sigma * truncated_quantile(unit, (low - mu) / sigma, (high - mu) / sigma))
            }
            Self::Categorical { choices, observed } => {
                let (elsewhere, here) = Self::choice_probabilities(*choices, observed.len());
                let mut remaining = random.random_range(0.0..1.0);
                let chosen = (0..*choices).find(|choice| {
                    remaining -= match observed.get(kernel) {
                        Some(observed) => {
                            if observed == choice {
                                here
                            } else {
                                elsewhere
                            }
                        }
                        None => 1.0 / *choices as f64,
                    };
                    remaining < 0.0
                });
                chosen.unwrap_or(choices - 1) as f64
            }
        }
    }

    /// The probabilities, in a trial's kernel, of a choice that it did not take, and of the one that it took: the prior
    /// spreads one observation over all kernels.
    fn choice_probabilities(choices: usize, trials: usize) -> (f64, f64) {
        let prior = 1.0 / (trials + 1) as f64;
        let sum = prior * choices as f64 + 1.0;
        (prior / sum, (prior + 1.0) / sum)
    }

    /// Adds to each row of `sums` (a point) each kernel's logarithm of the density at the point's value.
    fn add_ln_density(&self, values: impl Iterator<Item = f64>, sums: &mut [Vec<f64>]) {
        match self {
            Self::Categorical { choices, observed } => {
                let (elsewhere, here) = Self::choice_probabilities(*choices, observed.len());
                let (elsewhere, here) = (elsewhere.ln(), here.ln());
                for (value, row) in values.zip(sums) {
                    let value = value as usize;
                    let (prior, row) = row.split_last_mut().expect("the prior is always there");
                    *prior -= (*choices as f64).ln();
                    for (sum, &observed) in row.iter_mut().zip(observed) {
                        *sum += if observed == value { here } else { elsewhere };
                    }
                }
            }
            Self::Numeric { scale, mus, sigmas } if scale.step.is_none() => {
                let (low, high) = scale.bounds();
                let constants: Vec<f64> = mus
                    .iter()
                    .zip(sigmas)
                    .map(|(mu, sigma)| {
                        -LN_SQRT_2PI - ln_mass((low - mu) / sigma, (high - mu) / sigma) - sigma.ln()
                    })
                    .collect();
                for (value, row) in values.zip(sums) {
                    let x = scale.coordinate(value);
                    for (((sum, mu), sigma), constant) in row.iter_mut().zip(mus).zip(sigmas).zip(&constants)
                    {
                        let z = (x - mu) / sigma;
                        *sum += constant - 0.5 * z * z;
                    }
                }
            }
            Self::Numeric { scale, mus, sigmas } => {
                let values: Vec<f64> = values.collect();
                let different = Different::of(mus.iter().zip(sigmas).map(|(&mu, &sigma)| (mu, sigma)));
                let (low, high) = scale.bounds();
                let masses: Vec<f64> = different
                    .pairs
                    .iter()
                    .map(|&(mu, sigma)| ln_mass((low - mu) / sigma, (high - mu) / sigma))
                    .collect();
                let points = Different::of(values.iter().map(|&value| scale.cell(value)));
                let rows: Vec<Vec<f64>> = points
                    .pairs
                    .iter()
                    .map(|&(left, right)| {
                        let kernels = different.pairs.iter().zip(&masses);
                        kernels
                            .map(|(&(mu, sigma), mass)| {
                                ln_mass((left - mu) / sigma, (right - mu) / sigma) - mass
                            })
                            .collect()
                    })
                    .collect();
                for (row, &point) in sums.iter_mut().zip(&points.index) {
                    for (sum, &kernel) in row.iter_mut().zip(&different.index) {
                        *sum += rows[point][kernel];
                    }
                }
            }
        }
    }
}

/// Pairs without repetition: trials of a parameter with steps share few values, and masses are dear.
struct Different {
    pairs: Vec<(f64, f64)>,
    /// Of each pair that was given, its place in `pairs`.
    index: Vec<usize>,
}

impl Different {
    fn of(all: impl Iterator<Item = (f64, f64)>) -> Self {
        let all: Vec<(f64, f64)> = all.collect();
        let compare = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|&a, &b| compare(&all[a], &all[b]));
        let mut different = Self { pairs: Vec::new(), index: vec![0; all.len()] };
        for place in order {
            if different.pairs.last() != Some(&all[place]) {
                different.pairs.push(all[place]);
            }
            different.index[place] = different.pairs.len() - 1;
        }
        different
    }
}

/// The width of the kernel at each coordinate: the distance to the farther neighbour (at both ends, to the only one),
/// but at least a part of the range that shrinks with the number of kernels, and at most the range.
fn bandwidths(mus: &[f64], low: f64, high: f64) -> Vec<f64> {
    let count = mus.len();
    let narrowest = (high - low) / (count + 2).min(100) as f64;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| mus[a].total_cmp(&mus[b]));
    let at = |place: usize| mus[order[place]];
    let mut sigmas = vec![0.0; count];
    for place in 0..count {
        let sigma = match (place.checked_sub(1), place + 1 < count) {
            (None, false) => (at(0) - low).max(high - at(0)),
            (None, true) => at(1) - at(0),
            (Some(before), false) => at(place) - at(before),
            (Some(before), true) => (at(place) - at(before)).max(at(place + 1) - at(place)),
        };
        // `clamp` would panic on a range of one value.
        sigmas[order[place]] = sigma.max(narrowest).min(high - low);
    }
    sigmas
}

fn ln_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::search::tests::{fixture, numbers, space};

    fn close(found: &[f64], expected: &[f64]) -> bool {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        found.len() == expected.len() && found.iter().zip(expected).all(near)
    }

    #[test]
    fn densities_are_those_of_optuna() {
        for case in fixture("tpe")["densities"].as_array().unwrap() {
            let space = space(&case["space"]);
            let observations: Vec<Vec<f64>> =
                space.keys().map(|name| numbers(&case["observations"][name])).collect();
            let density = Parzen::new(&space, &observations);
            assert!(close(&density.weights, &numbers(&case["weights"])), "weights: {:?}", density.weights);
            for (name, kernels) in space.keys().zip(&density.parameters) {
                if let Kernels::Numeric { mus, sigmas, .. } = kernels {
                    assert!(close(mus, &numbers(&case["mus"][name])), "{name}: {mus:?}");
                    assert!(close(sigmas, &numbers(&case["sigmas"][name])), "{name}: {sigmas:?}");
                }
            }
            let points: Vec<Vec<f64>> = case["points"].as_array().unwrap().iter().map(numbers).collect();
            let (found, expected) = (density.ln_density(&points), numbers(&case["ln_density"]));
            assert!(close(&found, &expected), "{found:?}, Optuna {expected:?}");
        }
    }

    /// The frequencies of drawn values are those that the density says.
    #[test]
    fn draws_follow_the_density() {
        let space = Space::from([
            ("choice".to_owned(), Distribution::Categorical { choices: vec![0.into(), 1.into(), 2.into()] }),
            ("whole".to_owned(), Distribution::Int { low: 1, high: 4, log: true, step: 1 }),
        ]);
        let density = Parzen::new(&space, &[vec![2.0, 2.0, 0.0], vec![1.0, 4.0, 4.0]]);
        let drawn = density.sample(&mut ChaCha8Rng::seed_from_u64(0), 20_000);
        for choice in 0..3 {
            for whole in 1..=4 {
                let point = vec![f64::from(choice), f64::from(whole)];
                let part = drawn.iter().filter(|other| **other == point).count() as f64 / 20_000.0;
                let expected = density.ln_density(&[point])[0].exp();
                assert!(
                    (part - expected).abs() < 0.01,
                    "{choice}, {whole}: {part} drawn, {expected} expected"
                );
            }
        }
    }
}
