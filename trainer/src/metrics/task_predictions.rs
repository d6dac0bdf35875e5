//! The columns of a task in the matrices of labels, predictions and weights.

use shared_model::metrics::TaskPredictions;
use shared_model::schema::Task;

use crate::labels::LabelMatrix;

/// Predictions of a task from the repeats' matrices `[M, T]`. The weights `[M, T]` count if the task has
/// [`Task::weighted_metrics`]; elsewhere every molecule weighs 1.
///
/// # Panics
/// If there is no repeat, or predictions or weights are not of the labels' shape.
pub fn predictions_of_task(
    task: &Task,
    index: usize,
    labels: LabelMatrix,
    repeats: &[&[f32]],
    weights: &[f32],
) -> TaskPredictions {
    let (molecules, tasks) = (labels.molecules(), labels.tasks());
    let column = |values: &[f32]| -> Vec<f64> {
        assert_eq!(values.len(), molecules * tasks, "one number per label");
        values.iter().skip(index).step_by(tasks).map(|&value| value.into()).collect()
    };
    assert_eq!(weights.len(), molecules * tasks, "one weight per label");
    TaskPredictions::new(
        (0..molecules).map(|row| labels.is_positive(row, index)).collect(),
        if task.weighted_metrics { column(weights) } else { vec![1.0; molecules] },
        repeats.iter().map(|values| column(values)).collect(),
    )
}

/// Predictions of every task, see [`predictions_of_task`].
///
/// # Panics
/// As [`predictions_of_task`].
pub fn predictions_of_tasks(
    tasks: &[Task],
    labels: LabelMatrix,
    repeats: &[&[f32]],
    weights: &[f32],
) -> Vec<TaskPredictions> {
    let of_task = |(index, task)| predictions_of_task(task, index, labels, repeats, weights);
    tasks.iter().enumerate().map(of_task).collect()
}
