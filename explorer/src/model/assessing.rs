//! Assessing predictions: a thousand resamples a task, in slices between which other messages come in.

use std::cell::Cell;

use shared_model::metrics::{Assessing, RESAMPLES, TaskPredictions};

use super::turn::next_turn;
use super::{RUNNING, now, report};
use explorer::protocol::{Assess, Assessed, Report};

/// Milliseconds of a slice.
const SLICE: f64 = 30.0;

thread_local! {
    /// The request that came last: those before it are given up.
    static LATEST: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Assesses the tasks of a request one after another, each reported as soon as it is done.
pub async fn assess(request: Assess) {
    let seed = RUNNING.with_borrow(|running| running.as_ref().map_or(0, |running| running.seed));
    LATEST.set(Some(request.number));
    for task in request.tasks {
        let scores = task.scores.into_iter().map(f64::from).collect();
        let weights = vec![1.0; task.positive.len()];
        let predictions = TaskPredictions::new(task.positive, weights, vec![scores]);
        let mut assessing = Assessing::new(&predictions, task.task as usize, seed);
        let mut start = now();
        while assessing.resample() < RESAMPLES {
            if now() - start > SLICE {
                next_turn().await;
                if LATEST.get() != Some(request.number) {
                    return;
                }
                start = now();
            }
        }
        let assessment = assessing.finish();
        let assessed = Assessed { number: request.number, task: task.task, assessment };
        report(&Report::Assessed(Box::new(assessed)));
        next_turn().await;
        if LATEST.get() != Some(request.number) {
            return;
        }
    }
}
