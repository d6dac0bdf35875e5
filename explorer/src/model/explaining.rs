//! Explaining one molecule.

use shared_model::explain::{self, Subset};

use super::scoring::failed;
use super::{RUNNING, report};
use crate::protocol::{Explained, Question, Report};

/// Seed of the random orders: that of the native program, whose numbers these are.
const SEED: u64 = 0;

/// Answers a question about a molecule of the bundle that runs; one about anything else has no answer.
///
/// # Errors
/// The last report: a device that fails.
pub async fn explain(question: Question) -> Result<(), Report> {
    let Some(running) = RUNNING.with_borrow(Clone::clone) else { return Ok(()) };
    let (models, bags) = (&running.scorer.models, &running.bags);
    let molecule = question.molecule as usize;
    if molecule >= bags.len() || question.on.len() != bags.instances(molecule).len() {
        return Ok(());
    }
    let Some(on) = Subset::of(&question.on) else { return Ok(()) };
    let device = &running.scorer.burn_device;
    let tasks = explain::explain(models, bags, molecule, &on, SEED, device).await.map_err(failed)?;
    report(&Report::Explained(Explained { question, tasks }));
    Ok(())
}
