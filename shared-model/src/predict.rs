//! Prediction: bags on the host in, probabilities and attention on the host out, on any device.

use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};

use crate::bags::Bags;
use crate::network::{BagBatch, Model, NetworkOutput};

/// What the model says of one molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Classification logits, T.
    pub logits: Vec<f32>,
    /// Classification probabilities, T.
    pub probabilities: Vec<f32>,
    /// Attention of each task over the conformers of the molecule [T, N], row-major; every row sums to 1.
    pub attention: Vec<f32>,
    /// Standardised absorbance targets.
    pub absorbance: Vec<f32>,
    /// Standardised fluorescence targets.
    pub fluorescence: Vec<f32>,
}

/// Why molecules cannot be predicted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// The features are not those of the model.
    #[error("the {input} features are {found} wide; the model was trained on {expected}")]
    FeatureWidth {
        /// `2D` or `3D`.
        input: &'static str,
        /// Width the model was trained on.
        expected: usize,
        /// Width found.
        found: usize,
    },
    /// An index beyond the last molecule.
    #[error("molecule {index} (counted from 0) was asked for, but there are {count}")]
    NoSuchMolecule {
        /// The index asked for.
        index: usize,
        /// Number of molecules.
        count: usize,
    },
    /// The device did not give the results back.
    #[error("the device did not return the predictions ({0})")]
    ReadBack(String),
}

/// Numbers of molecules that a batch may have. Few, since a GPU compiles its programs anew for each shape.
const BATCH_SIZES: [usize; 5] = [256, 64, 16, 4, 1];
/// Most instance positions of a batch, which bounds its memory.
const MAX_POSITIONS: usize = 8192;

/// Predicts some molecules, in the order asked for.
///
/// Bags of like size share a batch; a batch is padded to a few widths and sizes and read back once.
///
/// # Errors
/// [`PredictError`] if the features do not fit the model, an index is out of range or the device fails.
pub async fn predict<B: Backend>(
    model: &Model<B>,
    bags: &Bags,
    molecules: &[usize],
    device: &B::Device,
) -> Result<Vec<Prediction>, PredictError> {
    check(model, bags, molecules)?;
    // Positions in `molecules`, small bags first: bags of like size come together.
    let mut order: Vec<usize> = (0..molecules.len()).collect();
    order.sort_by_key(|&position| bags.instances(molecules[position]).len());

    let mut predictions: Vec<Option<Prediction>> = vec![None; molecules.len()];
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let size = batch_size(rest.iter().map(|&position| bags.instances(molecules[position]).len()));
        let (batch, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let members: Vec<usize> = batch.iter().map(|&position| molecules[position]).collect();
        let results = predict_batch(model, bags, &members, size, device).await?;
        for (&position, prediction) in batch.iter().zip(results) {
            predictions[position] = Some(prediction);
        }
    }
    Ok(predictions.into_iter().map(|prediction| prediction.expect("every position is in a batch")).collect())
}

pub(crate) fn check<B: Backend>(
    model: &Model<B>,
    bags: &Bags,
    molecules: &[usize],
) -> Result<(), PredictError> {
    let config = model.config();
    let widths =
        [("2D", config.mol_dim, bags.x2d().columns()), ("3D", config.inst_dim, bags.x3d().columns())];
    for (input, expected, found) in widths {
        if expected != found {
            return Err(PredictError::FeatureWidth { input, expected, found });
        }
    }
    match molecules.iter().find(|&&index| index >= bags.len()) {
        Some(&index) => Err(PredictError::NoSuchMolecule { index, count: bags.len() }),
        None => Ok(()),
    }
}

/// Padded width of a bag: the next power of two.
pub(crate) fn padded_width(instances: usize) -> usize {
    instances.next_power_of_two()
}

/// Size of the next batch, given the bag sizes that are left in ascending order.
///
/// The largest size that stays within [`MAX_POSITIONS`] and is at least half filled.
pub(crate) fn batch_size(instances: impl ExactSizeIterator<Item = usize> + Clone) -> usize {
    let left = instances.len();
    let fits = |size: usize| {
        let widest = instances.clone().take(size).last().expect("a batch is taken from what is left");
        2 * left >= size && size * padded_width(widest) <= MAX_POSITIONS
    };
    BATCH_SIZES.into_iter().find(|&size| fits(size)).unwrap_or(1)
}

async fn predict_batch<B: Backend>(
    model: &Model<B>,
    bags: &Bags,
    members: &[usize],
    size: usize,
    device: &B::Device,
) -> Result<Vec<Prediction>, PredictError> {
    let largest = members.iter().map(|&m| bags.instances(m).len()).max().unwrap_or(1);
    let width = padded_width(largest);
    let output = model.forward(BagBatch::pad(bags, members, size, width, device));
    let config = model.config();
    let (tasks, absorbance) = (config.n_tasks, config.n_absorbance);
    let values = read_back(output).await?;
    let row_length = values.len() / BagBatch::<B>::padded_size(size, members.len());
    Ok(members
        .iter()
        .zip(values.chunks_exact(row_length))
        .map(|(&molecule, row)| {
            let (logits, row) = row.split_at(tasks);
            let (probabilities, row) = row.split_at(tasks);
            let (attention, row) = row.split_at(tasks * width);
            let (absorbance, fluorescence) = row.split_at(absorbance);
            let instances = bags.instances(molecule).len();
            Prediction {
                logits: logits.to_vec(),
                probabilities: probabilities.to_vec(),
                attention: attention.chunks_exact(width).flat_map(|row| &row[..instances]).copied().collect(),
                absorbance: absorbance.to_vec(),
                fluorescence: fluorescence.to_vec(),
            }
        })
        .collect())
}

/// All outputs of a batch in one transfer, row after row: logits, probabilities, attention, regressions.
async fn read_back<B: Backend>(output: NetworkOutput<B>) -> Result<Vec<f32>, PredictError> {
    let [bags, tasks, width] = output.attention.dims();
    let mut columns =
        vec![output.logits.clone(), sigmoid(output.logits), output.attention.reshape([bags, tasks * width])];
    columns.extend(output.absorbance);
    columns.extend(output.fluorescence);
    to_host(Tensor::cat(columns, 1)).await
}

/// Reads a tensor back, without blocking.
pub(crate) async fn to_host<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
) -> Result<Vec<f32>, PredictError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| PredictError::ReadBack(error.to_string()))?;
    Ok(data.convert::<f32>().to_vec().expect("converted to float32 the line before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_of_few_sizes_and_bounded() {
        let sizes = |bags: Vec<usize>| {
            let (mut rest, mut sizes) = (bags.as_slice(), vec![]);
            while !rest.is_empty() {
                let size = batch_size(rest.iter().copied());
                sizes.push(size);
                rest = &rest[size.min(rest.len())..];
            }
            sizes
        };
        assert_eq!(sizes(vec![3; 300]), [256, 64]);
        assert_eq!(sizes(vec![1]), [1]);
        assert_eq!(sizes(vec![5; 10]), [16]);
        assert_eq!(sizes(vec![1000; 9]), [4, 4, 1]);
        assert_eq!(sizes(vec![100_000]), [1]);
    }
}
