//! Ensembles: what several models of the same tasks say of a molecule, and how far they agree.
//!
//! The mean is taken of probabilities, not of logits: it is then the probability of the mixture of the members
//! (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017), and one member's saturated logit cannot outvote the
//! others. The mean of logits is the geometric mean of the odds instead.
//!
//! The spread is the sample standard deviation (n - 1): the members are a sample of the models that training could
//! have given. It says how far the members agree, not how often they are right.

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::bundle::{BundleError, BundleReader, ModelEntry};
use crate::network::{Model, NetworkError};
use crate::predict::Prediction;

/// What an ensemble says of one molecule. A single model is an ensemble of one.
#[derive(Debug, Clone, PartialEq)]
pub struct EnsemblePrediction {
    /// Mean probability of each task, T.
    pub probabilities: Vec<f32>,
    /// Mean attention of each task over the conformers of the molecule [T, N], row-major; every row sums to 1.
    pub attention: Vec<f32>,
    /// How far the members agree; `None` for a single model, which says nothing about that.
    pub spread: Option<Spread>,
    /// What each member says, in the order of the bundle.
    pub members: Vec<Prediction>,
}

/// Sample standard deviation over the members of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Of the probability of each task, T.
    pub probabilities: Vec<f32>,
    /// Of the attention of each task over the conformers [T, N], row-major.
    pub attention: Vec<f32>,
}

impl EnsemblePrediction {
    /// Mean and spread of what the members say of one molecule.
    ///
    /// # Panics
    /// If there is no member, or if the members differ in their tasks or conformers.
    pub fn new(members: Vec<Prediction>) -> Self {
        let (probabilities, probability_spread) = mean_and_spread(&members, |member| &member.probabilities);
        let (attention, attention_spread) = mean_and_spread(&members, |member| &member.attention);
        let spread = probability_spread
            .zip(attention_spread)
            .map(|(probabilities, attention)| Spread { probabilities, attention });
        Self { probabilities, attention, spread, members }
    }
}

/// Mean and sample standard deviation over the members, value by value.
fn mean_and_spread(
    members: &[Prediction],
    values: fn(&Prediction) -> &[f32],
) -> (Vec<f32>, Option<Vec<f32>>) {
    let width = values(members.first().expect("an ensemble has a member")).len();
    assert!(members.iter().all(|m| values(m).len() == width), "members have the same tasks and conformers");
    let estimates = (0..width)
        .map(|position| Estimate::over(members.iter().map(|member| f64::from(values(member)[position]))));
    let (means, spreads): (Vec<f32>, Vec<Option<f32>>) =
        estimates.map(|estimate| (estimate.mean, estimate.std)).unzip();
    (means, spreads.into_iter().collect::<Option<_>>().filter(|_| members.len() > 1))
}

/// A number with its spread over the members of an ensemble, where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number; the mean of the members.
    pub mean: f32,
    /// Its sample standard deviation; `None` for a single model.
    pub std: Option<f32>,
}

impl Estimate {
    /// Mean and sample standard deviation of what each member says.
    pub fn over(members: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = members.len() as f64;
        let mean = members.clone().sum::<f64>() / count;
        let std = (members.len() > 1).then(|| {
            let variance = members.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            variance.sqrt() as f32
        });
        Self { mean: mean as f32, std }
    }
}

/// Why a model of a bundle cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its weights cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its weights do not fit its configuration.
    #[error("{}{error}", if .model.is_empty() { String::new() } else { format!("{}: ", .model) })]
    Network {
        /// Name of the model; empty for a model on its own.
        model: String,
        /// What does not fit.
        error: NetworkError,
    },
}

/// Reads one model of a bundle onto a device. Its weights are on the host only meanwhile.
///
/// # Errors
/// [`LoadError`] if the weights cannot be read or do not fit.
pub fn load<B: Backend>(
    bundle: &BundleReader<'_>,
    model: &ModelEntry,
    device: &B::Device,
) -> Result<Model<B>, LoadError> {
    let weights = bundle.weights(model)?;
    Model::from_state(&model.config, &weights, device)
        .map_err(|error| LoadError::Network { model: model.name.clone(), error })
}

/// What an ensemble says of some molecules, from what each of its members says of them.
///
/// # Panics
/// If the members have predicted different molecules.
pub fn combine(members: Vec<Vec<Prediction>>) -> Vec<EnsemblePrediction> {
    let molecules = members.first().map_or(0, Vec::len);
    assert!(members.iter().all(|member| member.len() == molecules), "members predict the same molecules");
    let mut members: Vec<_> = members.into_iter().map(Vec::into_iter).collect();
    (0..molecules)
        .map(|_| EnsemblePrediction::new(members.iter_mut().filter_map(Iterator::next).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(probabilities: [f32; 2], attention: [f32; 4]) -> Prediction {
        Prediction {
            logits: vec![0.0; 2],
            probabilities: probabilities.into(),
            attention: attention.into(),
            absorbance: Vec::new(),
            fluorescence: Vec::new(),
        }
    }

    #[test]
    fn mean_and_sample_standard_deviation_of_the_members() {
        let predicted = EnsemblePrediction::new(vec![
            prediction([0.25, 0.5], [0.5, 0.5, 1.0, 0.0]),
            prediction([0.75, 0.5], [0.25, 0.75, 1.0, 0.0]),
        ]);
        assert_eq!(predicted.probabilities, [0.5, 0.5]);
        assert_eq!(predicted.attention, [0.375, 0.625, 1.0, 0.0]);
        let spread = predicted.spread.expect("two members");
        // Two values that differ by d have the sample standard deviation d / √2.
        let of_two = |difference: f64| (difference / 2.0_f64.sqrt()) as f32;
        assert_eq!(spread.probabilities, [of_two(0.5), 0.0]);
        assert_eq!(spread.attention, [of_two(0.25), of_two(0.25), 0.0, 0.0]);
        assert_eq!(predicted.members.len(), 2);
    }

    #[test]
    fn a_single_model_keeps_its_numbers_to_the_bit_and_has_no_spread() {
        let alone = prediction([0.1, 1.0 / 3.0], [0.7, 0.3, 1e-30, 1.0]);
        let predicted = EnsemblePrediction::new(vec![alone.clone()]);
        assert_eq!(predicted.probabilities, alone.probabilities);
        assert_eq!(predicted.attention, alone.attention);
        assert_eq!(predicted.spread, None);
    }

    #[test]
    fn probabilities_are_averaged_not_logits() {
        let of = |probability: f32| prediction([probability, 0.5], [0.5; 4]);
        let predicted = EnsemblePrediction::new(vec![of(1.0), of(0.4), of(0.1)]);
        assert_eq!(predicted.probabilities[0], 0.5, "one certain member does not decide alone");
    }
}
