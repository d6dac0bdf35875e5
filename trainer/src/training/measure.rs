//! How long training will take, from a few of its steps.

use std::time::{Duration, Instant};

use super::{Partition, Progress, TrainError, TrainSettings, train};
use crate::data::Dataset;
use crate::parameters::RunParameters;

/// Time that training takes, after a device has warmed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Mean time of a training batch.
    pub seconds_per_batch: f64,
    /// Batches that were measured.
    pub batches: usize,
    /// Batches of an epoch.
    pub batches_per_epoch: usize,
    /// Time of validating all validation molecules once.
    pub seconds_of_validation: f64,
}

impl Measurement {
    /// Time of an epoch.
    pub fn seconds_per_epoch(&self) -> f64 {
        self.seconds_per_batch * self.batches_per_epoch as f64 + self.seconds_of_validation
    }
}

/// Batches of a measured epoch.
const BATCHES: usize = 4;

/// Trains as [`train`] would, for two epochs of some of the molecules, and forgets what came of it. Only the second one
/// is measured: in the first, kernels are compiled and memory is taken.
///
/// # Errors
/// [`TrainError`], if training would fail as soon.
pub fn measure(
    dataset: &Dataset,
    partition: Partition,
    parameters: &RunParameters,
    settings: &TrainSettings,
) -> Result<Measurement, TrainError> {
    let batch_size = parameters.optimisation.batch_size;
    let rows = evenly_spaced(partition.train, BATCHES * batch_size);
    let validation_rows = evenly_spaced(partition.validation, BATCHES * batch_size);
    let some = Partition { train: &rows, validation: &validation_rows };
    let settings = TrainSettings { max_epochs: 2, patience: 2, ..settings.clone() };
    let mut last = Instant::now();
    let (mut training, mut batches, mut validation) = (Duration::ZERO, 0u32, Duration::ZERO);
    train(dataset, some, parameters, &settings, |progress| {
        // What was asked of a GPU is not done yet.
        settings.device.wait();
        let elapsed = std::mem::replace(&mut last, Instant::now()).elapsed();
        match progress {
            Progress::Batch { epoch: 2, .. } => {
                training += elapsed;
                batches += 1;
            }
            // The epoch's record comes after its validation.
            Progress::Epoch(..) => validation = elapsed,
            Progress::Batch { .. } => {}
        }
    })?;
    let share = partition.validation.len() as f64 / validation_rows.len() as f64;
    Ok(Measurement {
        seconds_per_batch: training.as_secs_f64() / f64::from(batches.max(1)),
        batches: batches as usize,
        batches_per_epoch: partition.train.len().div_ceil(batch_size),
        seconds_of_validation: validation.as_secs_f64() * share,
    })
}

/// At most so many of some rows, from all over them.
fn evenly_spaced(rows: &[usize], at_most: usize) -> Vec<usize> {
    rows.iter().step_by(rows.len().div_ceil(at_most).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_rows_come_from_all_over_and_are_no_more_than_asked_for() {
        let rows: Vec<usize> = (0..10).collect();
        assert_eq!(evenly_spaced(&rows, 4), [0, 3, 6, 9]);
        assert_eq!(evenly_spaced(&rows, 10), rows);
        assert_eq!(evenly_spaced(&rows, 100), rows);
    }
}
