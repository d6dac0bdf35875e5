//! Predicting molecules batch by batch, reported as they come.

use shared_model::bags::Bags;
use shared_model::ensemble::{EnsemblePrediction, combine};
use shared_model::predict::PredictError;

use super::device_models::DeviceModels;
use super::turn::{next_turn, pause};
use super::{Running, now, refused, report};
use explorer::protocol::{Device, Models, PackedPredictions, Prediction, Report};

/// Molecules of a batch: enough to keep a GPU busy, few enough that the table fills steadily on a CPU; one of
/// the sizes to which `predict` pads.
const BATCH: usize = 64;

/// Molecules of the first batch: few, so that they are there at once, and the page has little to draw in one frame.
const FIRST_BATCH: usize = 4;

/// Milliseconds between two reports: few enough for a table that fills steadily, and the page has time for the person.
const PAUSE: f64 = 100.0;

/// The models of a bundle on their device.
pub struct Scorer {
    /// The device, for people.
    pub device: Device,
    /// The networks.
    pub models: DeviceModels,
}

/// Predicts and reports every molecule.
///
/// # Errors
/// The last report: inputs that do not fit the model, or a device that fails.
pub async fn score_all(running: &Running) -> Result<(), Report> {
    let Running { scorer, bags, .. } = running;
    let start = now();
    let mut known: Vec<(u32, Prediction)> = Vec::new();
    let mut due = start;
    let tell = |known: &mut Vec<_>| {
        if !known.is_empty() {
            report(&Report::Predicted(PackedPredictions::new(known)));
            known.clear();
        }
    };
    for (turn, batch) in batches(bags).enumerate() {
        if turn == 1 {
            // What comes first is most of what the page draws, and there may be no core to draw it on.
            pause(PAUSE).await;
        }
        let predictions = score(scorer, bags, &batch).await?;
        known.extend(batch.iter().map(|&molecule| molecule as u32).zip(predictions));
        if now() >= due {
            tell(&mut known);
            due = now() + PAUSE;
        }
        // Someone may wait for the explanation of a molecule.
        next_turn().await;
    }
    tell(&mut known);
    report(&Report::Finished { seconds: (now() - start) / 1000.0 });
    Ok(())
}

/// A full batch, or all molecules if they are fewer.
pub fn full_batch(bags: &Bags) -> Vec<usize> {
    (0..bags.len().min(BATCH)).collect()
}

/// All molecules in batches: first those at the top of the table, which someone is looking at, then bags of like
/// size together, which need the least padding.
fn batches(bags: &Bags) -> impl Iterator<Item = Vec<usize>> {
    let mut order: Vec<usize> = (0..bags.len()).collect();
    if let Some(rest) = order.get_mut(BATCH..) {
        rest.sort_by_key(|&molecule| bags.instances(molecule).len());
    }
    let mut order = order.into_iter();
    let sizes = [FIRST_BATCH, BATCH - FIRST_BATCH].into_iter().chain(std::iter::repeat(BATCH));
    sizes.map(move |size| order.by_ref().take(size).collect::<Vec<_>>()).take_while(|batch| !batch.is_empty())
}

/// Predicts some molecules.
///
/// # Errors
/// The last report: inputs that do not fit the model, or a device that fails.
pub async fn score(scorer: &Scorer, bags: &Bags, molecules: &[usize]) -> Result<Vec<Prediction>, Report> {
    let predictions = scorer.models.predict(bags, molecules).await.map_err(failed)?;
    Ok(combine(predictions).into_iter().map(shown).collect())
}

/// The last report about inputs that do not fit the model, or a device that fails.
pub fn failed(error: PredictError) -> Report {
    match error {
        PredictError::ReadBack(_) => Report::Crashed(error.to_string()),
        PredictError::FeatureWidth { .. } | PredictError::NoSuchMolecule { .. } => refused(error),
    }
}

/// What the page shows of a prediction: a member's attention stays here, it would be most of the message.
fn shown(prediction: EnsemblePrediction) -> Prediction {
    let EnsemblePrediction { probabilities, attention, spread, mut members } = prediction;
    let models = match spread {
        None => Models::Single { logits: members.swap_remove(0).logits },
        Some(spread) => Models::Ensemble {
            probability_std: spread.probabilities,
            attention_std: spread.attention,
            probabilities: members.into_iter().map(|member| member.probabilities).collect(),
        },
    };
    Prediction { probabilities, attention, models }
}
