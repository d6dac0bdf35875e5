//! Explaining one molecule.

use shared_model::explain::{Subset, TaskExplanation};

use super::scoring::failed;
use super::{RUNNING, report};
use explorer::protocol::{Explained, Question, Report};

/// Seed of the random orders: that of the native program, whose numbers these are.
const SEED: u64 = 0;

/// Answers a question about a molecule of the bundle that runs; one about anything else has no answer.
///
/// # Errors
/// The last report: a device that fails.
pub async fn explain(question: Question) -> Result<(), Report> {
    let Some(running) = RUNNING.with_borrow(Clone::clone) else { return Ok(()) };
    let bags = &running.bags;
    let molecule = question.molecule as usize;
    if molecule >= bags.len() || question.on.len() != bags.instances(molecule).len() {
        return Ok(());
    }
    let Some(on) = Subset::of(&question.on) else { return Ok(()) };
    // What a person looks at first comes first.
    let tell = |tasks: &[TaskExplanation], complete: bool| {
        report(&Report::Explained(Explained { question: question.clone(), tasks: tasks.to_vec(), complete }));
    };
    let tasks = running.scorer.models.explain(bags, molecule, &on, SEED, |first| tell(first, false)).await;
    tell(&tasks.map_err(failed)?, true);
    Ok(())
}
