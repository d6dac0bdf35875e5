//! How good a search is: the best of 100 trials on known functions, against Optuna and against random search.
//!
//! ```sh
//! cargo bench --locked --workspace --bench search_quality
//! ```
//!
//! Fifteen searches each; medians with a 96 % interval (the fourth and the twelfth of fifteen), and exact one-sided
//! rank-sum tests. Optuna runs in a process of its own and asks for the same values. Values are distances from the
//! minimum: smaller is better. The last problem is the default search space over what a random search scored
//! (`recorded.rs` says how). Then the time of a draw in a study of 500 trials with 45 parameters.
//!
//! `-- --storage FILE --study NAME` searches the space of another recorded study instead; a random search of some hundred
//! trials makes a good record.
//!
//! Optuna is the Python of the environment variable `OPTIMIL_PYTHON`, else it is installed from PyPI under `target/`.

mod optuna;
mod problems;
mod rank_sum;
mod recorded;
#[path = "../report/spread.rs"]
mod spread;
#[path = "../report/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Parser;
use trainer::search::History;
use trainer::search::sampler::{Draw, Proposal, Sampler, SamplerKind, Start};
use trainer::study::{Direction, Parameter, Trial, TrialId, TrialState};

use crate::optuna::Optuna;
use crate::problems::{Point, Problem, Space, problems, wide_space};
use crate::rank_sum::smaller_p;
use crate::spread::Spread;
use crate::table::print_table;

/// Trials and draws of the measurement of time.
const TIMED: (u64, u64) = (500, 20);

#[derive(Parser)]
struct Options {
    /// Searches of each sampler
    #[arg(long, default_value_t = 15)]
    seeds: u64,
    /// Seed of the first search
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Only problems whose names contain this
    #[arg(long, default_value = "")]
    only: String,
    /// Trials of a search
    #[arg(long, default_value_t = 100)]
    trials: u64,
    /// Where a recorded study is: a journal file or a database's URL
    #[arg(long, requires = "study")]
    storage: Option<String>,
    /// Name of the recorded study
    #[arg(long, requires = "storage")]
    study: Option<String>,
    /// Without Optuna
    #[arg(long)]
    no_optuna: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Samplers that are compared, the first being the default.
const OURS: [(&str, SamplerKind, Start); 5] = [
    ("tpe", SamplerKind::Tpe, Start::Random),
    ("tpe, quasi-random start", SamplerKind::Tpe, Start::QuasiRandom),
    ("tpe-univariate", SamplerKind::TpeUnivariate, Start::Random),
    ("quasi-random", SamplerKind::QuasiRandom, Start::Random),
    ("random", SamplerKind::Random, Start::Random),
];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut optuna = if options.no_optuna { None } else { Some(Optuna::start()?) };
    let mut rows = Vec::new();
    let problems = match (&options.storage, &options.study) {
        (Some(storage), Some(study)) => vec![recorded::study(storage, study)?],
        _ => problems().into_iter().chain([recorded::chromophores()?]).collect(),
    };
    let seeds = options.first_seed..options.first_seed + options.seeds;
    for problem in problems.into_iter().filter(|problem| problem.name.contains(&options.only)) {
        let baseline: Option<Vec<f64>> = match &mut optuna {
            Some(optuna) => {
                let seeds = 0..options.seeds;
                Some(
                    seeds
                        .map(|seed| optuna.search(&problem, seed, options.trials))
                        .collect::<Result<_, _>>()?,
                )
            }
            None => None,
        };
        let ours = OURS.map(|(_, kind, start)| -> Vec<f64> {
            seeds.clone().map(|seed| search(&problem, kind, start, seed, options.trials)).collect()
        });
        let random = ours.last().expect("random search").clone();
        let row = |name: &str, values: &[f64]| {
            let against = |other: &[f64]| format!("{:.3}", smaller_p(values, other));
            let (worse, not_worse) = match &baseline {
                Some(baseline) => (format!("{:.3}", smaller_p(baseline, values)), against(baseline)),
                None => ("–".into(), "–".into()),
            };
            vec![problem.name.into(), name.into(), median(values), worse, not_worse, against(&random)]
        };
        rows.extend(baseline.iter().map(|values| row("Optuna 5", values)));
        rows.extend(OURS.iter().zip(&ours).map(|((name, ..), values)| row(name, values)));
        eprintln!("{} done", problem.name);
    }
    print_table(
        &[
            "",
            "sampler",
            "median of best",
            "p worse than Optuna",
            "p better than Optuna",
            "p better than random",
        ],
        &rows,
    );

    let space = wide_space();
    let (trials, draws) = TIMED;
    let mut rows = vec![vec!["Optimil".to_owned(), milliseconds(time(&space, trials, draws))]];
    if let Some(optuna) = &mut optuna {
        rows.insert(0, vec!["Optuna 5".into(), milliseconds(optuna.time(&space, trials, draws)?)]);
    }
    println!();
    print_table(&["draw of 45 parameters, 500 trials", "ms, median (range)"], &rows);
    Ok(())
}

/// The best value of a search, smallest being best.
fn search(problem: &Problem, kind: SamplerKind, start: Start, seed: u64, trials: u64) -> f64 {
    let sampler = kind.sampler(seed, start, problem.space.keys().map(String::as_str));
    let mut history: Vec<Trial> = Vec::new();
    for number in 0..trials {
        let point = draw(sampler.as_ref(), &history, &problem.space, number);
        let value = problem.value(&point);
        history.push(trial(number, &problem.space, point, value));
    }
    history.iter().filter_map(Trial::value).fold(f64::INFINITY, f64::min)
}

fn draw(sampler: &dyn Sampler, trials: &[Trial], space: &Space, number: u64) -> Point {
    let history = History { direction: Direction::Minimize, trials };
    let proposal = Proposal::new(sampler, history, Draw { trial: number, attempt: 0 }, None);
    space.iter().map(|(name, distribution)| (name.clone(), proposal.suggest(name, distribution))).collect()
}

fn trial(number: u64, space: &Space, point: Point, value: f64) -> Trial {
    let parameter = |(name, internal): (String, f64)| {
        let distribution = space[&name].clone();
        (name, Parameter { internal, distribution })
    };
    Trial {
        id: TrialId(number as i64),
        number,
        state: TrialState::Complete,
        values: Some(vec![value]),
        started: None,
        completed: None,
        parameters: point.into_iter().map(parameter).collect(),
        intermediate: BTreeMap::new(),
        user_attributes: serde_json::Map::new(),
        system_attributes: serde_json::Map::new(),
    }
}

/// Seconds of each draw after so many random trials.
fn time(space: &Space, trials: u64, draws: u64) -> Vec<f64> {
    let names = || space.keys().map(String::as_str);
    let random = SamplerKind::Random.sampler(0, Start::Random, names());
    let sampler = SamplerKind::Tpe.sampler(0, Start::Random, names());
    let value = |number: u64| (number * 7919 % 1000) as f64;
    let mut history: Vec<Trial> = (0..trials)
        .map(|number| trial(number, space, draw(random.as_ref(), &[], space, number), value(number)))
        .collect();
    (trials..trials + draws)
        .map(|number| {
            let begin = Instant::now();
            let point = draw(sampler.as_ref(), &history, space, number);
            let seconds = begin.elapsed().as_secs_f64();
            history.push(trial(number, space, point, value(number)));
            seconds
        })
        .collect()
}

fn milliseconds(seconds: Vec<f64>) -> String {
    Spread::of(seconds).show(1000.0, 1)
}

/// The median with the interval of the order statistics that hold it with about 96 % probability for 15 values.
fn median(values: &[f64]) -> String {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let outside = (count as f64 / 2.0 - 1.02 * (count as f64).sqrt()).floor().max(0.0) as usize;
    let (low, high) = (values[outside], values[count - 1 - outside]);
    format!("{:.4} ({low:.4}–{high:.4})", Spread::of(values).median)
}
