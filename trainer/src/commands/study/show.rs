//! `optimil study show`

use std::cmp::Ordering;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Chosen, directions, print_table, short};
use crate::study::{Direction, Trial, duration, trial_table};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// What comes first: the lowest number, the best value, the longest duration
    #[arg(long, value_enum, default_value_t = Order::Number)]
    sort: Order,
    /// At most so many trials
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Number,
    Value,
    Duration,
    State,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let mut opened = args.chosen.open()?;
    let direction = opened.study.directions.first().copied().flatten().unwrap_or(Direction::Minimize);
    opened.trials.sort_by(|a, b| args.sort.compare(a, b, direction));
    let best = opened.best().ok().map(|trial| (trial.number, trial.value().unwrap_or(f64::NAN)));
    let all = opened.trials.len();
    opened.trials.truncate(args.limit.unwrap_or(all));
    let shown = opened.trials.len();
    println!("{} ({}), {all} trials", opened.study.name, directions(&opened.study));
    if let Some((number, value)) = best {
        println!("best: trial {number} with {value}");
    }
    let table = trial_table(&opened.study, &opened.trials);
    let kept = |name: &str| {
        ["number", "duration", "state"].contains(&name)
            || name.starts_with("value")
            || name.starts_with("params_")
    };
    let columns: Vec<_> = table.into_iter().filter(|column| kept(&column.name)).collect();
    let header: Vec<_> = columns
        .iter()
        .map(|column| column.name.strip_prefix("params_").unwrap_or(&column.name).to_owned())
        .collect();
    let cell = |value: &Value| if value.is_null() { "-".to_owned() } else { short(value) };
    let rows: Vec<Vec<_>> =
        (0..shown).map(|row| columns.iter().map(|column| cell(&column.cells[row])).collect()).collect();
    println!();
    print_table(&header, &rows)?;
    if shown < all {
        println!("… and {} more", all - shown);
    }
    Ok(())
}

impl Order {
    fn compare(self, a: &Trial, b: &Trial, direction: Direction) -> Ordering {
        let first = match self {
            Self::Number => Ordering::Equal,
            Self::Value => {
                let (a, b) = (a.value().filter(|v| !v.is_nan()), b.value().filter(|v| !v.is_nan()));
                match (a, b) {
                    (Some(a), Some(b)) if direction == Direction::Minimize => a.total_cmp(&b),
                    (Some(a), Some(b)) => b.total_cmp(&a),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                }
            }
            Self::Duration => {
                let seconds = |trial| duration(trial).unwrap_or(-1.0);
                seconds(b).total_cmp(&seconds(a))
            }
            Self::State => a.state.name().cmp(b.state.name()),
        };
        first.then(a.number.cmp(&b.number))
    }
}
