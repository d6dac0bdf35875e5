//! Losses and metrics of a model on the validation molecules.

use burn::Dispatch;
use burn::backend::{Flex, flex::FlexDevice};
use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};
use shared_model::bundle::TaskMetrics as TaskSummary;
use shared_model::network::{BagStore, Model};

use super::batches::{Batches, labels};
use super::history::LossValues;
use super::{TrainError, TrainedModel, device_failure};
use crate::data::Dataset;
use crate::device::Device;
use crate::labels::LabelMatrix;
use crate::losses::Objective;
use crate::metrics::{self, TaskMetrics};

/// Molecules of an evaluation batch.
const BATCH_SIZE: usize = 256;

/// What a model says of the validation molecules, and how well.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Probabilities [M_validation, T], row-major.
    pub probabilities: Vec<f32>,
    /// Mean losses.
    pub losses: LossValues,
    /// Metrics of each task.
    pub metrics: TaskMetrics,
}

impl Evaluation {
    /// Metrics of each task with bootstrap intervals; `rows` are the rows of the data set that were evaluated.
    pub fn summarise(&self, dataset: &Dataset, rows: &[usize], seed: u64) -> Vec<TaskSummary> {
        let tasks = &dataset.schema().tasks;
        let labels = labels(dataset, rows);
        let weights = label_weights(dataset, rows);
        let labels = LabelMatrix::new(&labels, tasks.len());
        metrics::summarise(tasks, labels, &self.probabilities, &weights, seed)
    }
}

/// Label weights of some rows, row after row.
fn label_weights(dataset: &Dataset, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|&row| dataset.weights().row(row)).copied().collect()
}

impl TrainedModel {
    /// Probabilities [M, T] of some rows of a data set, row-major, in float32.
    ///
    /// # Errors
    /// [`TrainError::Device`] if a GPU fails.
    pub fn predict(
        &self,
        dataset: &Dataset,
        rows: &[usize],
        device: &Device,
    ) -> Result<Vec<f32>, TrainError> {
        match device {
            Device::Cpu => Ok(self.probabilities::<Flex>(dataset, rows, &FlexDevice)),
            Device::Gpu(device) => {
                device_failure::guarded(|| Ok(self.probabilities::<Dispatch>(dataset, rows, device)))
            }
        }
    }

    fn probabilities<B: Backend>(&self, dataset: &Dataset, rows: &[usize], device: &B::Device) -> Vec<f32> {
        let model = Model::<B>::from_state(&self.config, &self.weights, device).expect("it was trained");
        let store = BagStore::new(dataset.bags(), device);
        let batches = rows.chunks(BATCH_SIZE);
        let batches = batches.map(|batch| sigmoid(model.forward(store.batch(batch)).logits)).collect();
        Tensor::cat(batches, 0).into_data().to_vec().expect("float32")
    }
}

/// Evaluates a model without gradients.
pub(super) fn evaluate<B: Backend>(
    model: &Model<B>,
    batches: &Batches,
    store: &BagStore<B>,
    objective: &Objective<B>,
    device: &B::Device,
) -> Evaluation {
    let rows = batches.validation_rows();
    let mut probabilities: Vec<Tensor<B, 2>> = Vec::new();
    let mut losses: Option<Tensor<B, 1>> = None;
    for batch in rows.chunks(BATCH_SIZE) {
        let (bags, targets) = batches.evaluation_batch(batch, store, device);
        let output = model.forward(bags);
        let share = batch.len() as f64 / rows.len() as f64;
        let batch_losses = objective.losses(&output, &targets).to_vector() * share;
        losses = Some(match losses {
            Some(losses) => losses + batch_losses,
            None => batch_losses,
        });
        probabilities.push(sigmoid(output.logits));
    }
    let probabilities: Vec<f32> = Tensor::cat(probabilities, 0).into_data().to_vec().expect("float32");
    let dataset = batches.dataset();
    let weights = label_weights(dataset, rows);
    let metrics =
        metrics::evaluate(&dataset.schema().tasks, batches.validation_labels(), &probabilities, &weights);
    let losses = LossValues::from_vector(losses.expect("there is at least one validation molecule"));
    Evaluation { probabilities, losses, metrics }
}
