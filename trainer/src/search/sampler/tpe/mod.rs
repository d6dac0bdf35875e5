//! The tree-structured Parzen estimator: where good trials are dense and others are not.

mod parzen;
mod space;
mod split;

use self::parzen::Parzen;
use self::space::Space;
use self::split::{Split, split};
use super::proposal::shared_parameters;
use super::{Draw, RelativeParameters, Sampler};
use crate::search::History;
use crate::study::{Distribution, Trial, TrialState};

/// Finished trials before the estimator takes over.
const STARTUP_TRIALS: usize = 10;

/// Points drawn from the good trials' density, of which the best is tried.
const CANDIDATES: usize = 24;

/// Which parameters the estimator sees together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// Those that all trials have; others one by one.
    Common,
    /// Groups that appear together in trials, each by itself: for spaces with conditions.
    Groups,
    /// None: each parameter by itself.
    None,
}

/// Draws from the density of the good trials the points that are least dense among the others.
///
/// The same estimator as Optuna 5's `TPESampler` with its defaults (24 candidates after 10 trials, kernels of age-weighted
/// trials, running trials taken for bad ones); [`Joint`] are its variants `multivariate`, `group` and neither.
pub struct TpeSampler {
    seed: u64,
    joint: Joint,
    start: Box<dyn Sampler>,
}

impl TpeSampler {
    /// One that draws from `start` until 10 trials are finished.
    pub fn new(seed: u64, joint: Joint, start: Box<dyn Sampler>) -> Self {
        Self { seed, joint, start }
    }

    /// The best of the candidates: a value for each parameter of the space, in its order.
    fn sample(&self, history: &History, draw: Draw, space: &Space, stream: &str) -> Vec<f64> {
        let Split { below, above } = split(history);
        let density = |trials: &[&Trial]| Parzen::new(space, &self.observations(trials, space));
        let (below, above) = (density(&below), density(&above));
        let mut candidates = below.sample(&mut draw.stream(self.seed, stream), CANDIDATES);
        let (good, bad) = (below.ln_density(&candidates), above.ln_density(&candidates));
        let gains = good.iter().zip(&bad).map(|(good, bad)| good - bad);
        let (best, _) =
            gains.enumerate().fold(
                (0, f64::NEG_INFINITY),
                |best, (index, gain)| {
                    if gain > best.1 { (index, gain) } else { best }
                },
            );
        candidates.swap_remove(best)
    }

    /// Columns of the trials that have all parameters of the space. What a running trial has drawn jointly counts,
    /// though it is not stored as its parameters yet.
    fn observations(&self, trials: &[&Trial], space: &Space) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::with_capacity(trials.len()); space.len()];
        let mut row = Vec::with_capacity(space.len());
        for trial in trials {
            let running = self.joint != Joint::None && trial.state == TrialState::Running;
            let shared = running.then(|| shared_parameters(trial)).flatten();
            row.clear();
            row.extend(space.iter().map_while(|(name, distribution)| {
                let stored = trial.parameters.get(name).map(|parameter| parameter.internal);
                stored.or_else(|| distribution.internal(shared.as_ref()?.get(name)?))
            }));
            if row.len() == space.len() {
                columns.iter_mut().zip(&row).for_each(|(column, &value)| column.push(value));
            }
        }
        columns
    }
}

/// The trials that the estimator learns from.
fn finished<'a>(history: &History<'a>) -> impl Iterator<Item = &'a Trial> + Clone {
    history.trials.iter().filter(|trial| matches!(trial.state, TrialState::Complete | TrialState::Pruned))
}

impl Sampler for TpeSampler {
    fn relative(&self, history: &History, draw: Draw) -> RelativeParameters {
        let finished = finished(history);
        if finished.clone().count() < STARTUP_TRIALS {
            return self.start.relative(history, draw);
        }
        let mut spaces = match self.joint {
            Joint::Common => vec![space::intersection(finished)],
            Joint::Groups => space::groups(finished),
            Joint::None => return RelativeParameters::new(),
        };
        let mut drawn = RelativeParameters::new();
        for (group, space) in spaces.iter_mut().enumerate() {
            space.retain(|_, distribution| !distribution.is_single());
            if !space.is_empty() {
                let values = self.sample(history, draw, space, &format!("group {group}"));
                let named = std::mem::take(space).into_iter().zip(values);
                drawn.extend(named.map(|((name, distribution), value)| (name, (value, distribution))));
            }
        }
        drawn
    }

    fn independent(&self, history: &History, draw: Draw, name: &str, distribution: &Distribution) -> f64 {
        if finished(history).count() < STARTUP_TRIALS {
            return self.start.independent(history, draw, name, distribution);
        }
        let space = Space::from([(name.to_owned(), distribution.clone())]);
        self.sample(history, draw, &space, &format!("parameter {name}"))[0]
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use serde_json::json;

    use super::*;
    use crate::search::sampler::{Proposal, RandomSampler, relative_attributes};
    use crate::search::tests::trial;
    use crate::study::{Direction, Parameter};

    fn sampler(joint: Joint) -> TpeSampler {
        TpeSampler::new(7, joint, Box::new(RandomSampler::new(7)))
    }

    fn float(low: f64, high: f64) -> Distribution {
        Distribution::Float { low, high, log: false, step: None }
    }

    /// A search of Branin's function, less its minimum.
    fn search(sampler: &dyn Sampler, mut trials: Vec<Trial>, until: u64) -> Vec<Trial> {
        for number in trials.len() as u64..until {
            let history = History { direction: Direction::Minimize, trials: &trials };
            let proposal = Proposal::new(sampler, history, Draw { trial: number, attempt: 0 }, None);
            let spaces = [float(-5.0, 10.0), float(0.0, 15.0)];
            let (x, y) = (proposal.suggest("x", &spaces[0]), proposal.suggest("y", &spaces[1]));
            let valley = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
            let value = valley * valley + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0 - 0.397_887;
            let [of_x, of_y] = spaces;
            trials.push(trial(number, TrialState::Complete, Some(value), [("x", x, of_x), ("y", y, of_y)]));
        }
        trials
    }

    /// The mean value of the second half of 40 trials, over three searches: the best of so few is luck.
    fn later_values(sampler: impl Fn(u64) -> Box<dyn Sampler>) -> f64 {
        let trials = (0..3).map(|seed| search(sampler(seed).as_ref(), Vec::new(), 40));
        trials.flat_map(|trials| trials.into_iter().skip(20)).filter_map(|trial| trial.value()).sum::<f64>()
            / 60.0
    }

    #[test]
    fn every_variant_tries_better_points_than_random_search() {
        let start = |seed| Box::new(RandomSampler::new(seed));
        let random = later_values(|seed| start(seed));
        for joint in [Joint::Common, Joint::Groups, Joint::None] {
            let found = later_values(|seed| Box::new(TpeSampler::new(seed, joint, start(seed))));
            assert!(found < 0.5 * random, "{joint:?}: {found}, random {random}");
        }
    }

    #[test]
    fn a_resumed_search_goes_on_as_it_would_have() {
        let sampler = sampler(Joint::Common);
        let whole = search(&sampler, Vec::new(), 25);
        assert_eq!(search(&sampler, whole[..14].to_vec(), 25), whole);
        assert_eq!(search(&sampler, whole[..4].to_vec(), 25), whole);
    }

    #[test]
    fn what_runs_elsewhere_is_kept_away_from() {
        let mut trials = search(&sampler(Joint::Common), Vec::new(), 30);
        let draw = Draw { trial: 40, attempt: 0 };
        let relative = |trials: &[Trial]| {
            sampler(Joint::Common).relative(&History { direction: Direction::Minimize, trials }, draw)
        };
        let undisturbed = relative(&trials);
        // Many workers try this point: only some has stored its parameters, others have only shared them.
        for number in 30..36 {
            let mut running = trial(number, TrialState::Running, None, []);
            if number % 2 == 0 {
                running.system_attributes = relative_attributes(&undisturbed).into_iter().collect();
            } else {
                for (name, (internal, distribution)) in undisturbed.clone() {
                    running.parameters.insert(name, Parameter { internal, distribution });
                }
            }
            trials.push(running);
        }
        let disturbed = relative(&trials);
        let distance =
            |(name, (value, _)): (&String, &(f64, Distribution))| (disturbed[name].0 - value).abs();
        assert!(undisturbed.iter().map(distance).sum::<f64>() > 0.05, "{undisturbed:?}, {disturbed:?}");
    }

    #[test]
    fn conditional_parameters_are_drawn_with_their_group() {
        let choice = Distribution::Categorical { choices: vec![json!("x"), json!("y")] };
        let trials: Vec<Trial> = (0..20)
            .map(|number| {
                let which = number % 2;
                let name = if which == 0 { "x" } else { "y" };
                let parameters = [("choice", which as f64, choice.clone()), (name, 0.5, float(0.0, 1.0))];
                trial(number, TrialState::Complete, Some(number as f64), parameters)
            })
            .collect();
        let history = History { direction: Direction::Minimize, trials: &trials };
        let draw = Draw { trial: 20, attempt: 0 };
        let names = |joint| sampler(joint).relative(&history, draw).into_keys().collect::<Vec<_>>();
        assert_eq!(names(Joint::Groups), ["choice", "x", "y"]);
        assert_eq!(names(Joint::Common), ["choice"]);
        assert_eq!(names(Joint::None), [""; 0]);
    }
}
