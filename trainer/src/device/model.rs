//! A model on the device that was chosen at run time.

use burn::backend::Flex;
use burn::{Dispatch, DispatchDevice};
use shared_model::bags::Bags;
use shared_model::bundle::{BundleReader, ModelEntry};
use shared_model::config::ModelConfig;
use shared_model::ensemble::{self, LoadError};
use shared_model::network::{Model, NetworkError};
use shared_model::predict::{PredictError, Prediction, predict};
use shared_model::state_dict::StateDict;

use super::Device;

/// A model on a device, ready for prediction.
#[derive(Debug, Clone)]
pub enum DeviceModel {
    /// On the CPU.
    Cpu(Box<Model<Flex>>),
    /// On a GPU.
    Gpu(Box<Model<Dispatch>>, DispatchDevice),
}

/// Why a model cannot be loaded and predict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictionError {
    /// The weights do not make the network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The molecules cannot be predicted.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

impl DeviceModel {
    /// Puts a network with these weights on a device.
    ///
    /// # Errors
    /// [`NetworkError`] if the weights are not those of the configuration.
    pub fn load(config: &ModelConfig, weights: &StateDict, device: &Device) -> Result<Self, NetworkError> {
        Ok(match device {
            Device::Cpu => Self::Cpu(Box::new(Model::from_state(config, weights, &Default::default())?)),
            Device::Gpu(gpu) => Self::Gpu(Box::new(Model::from_state(config, weights, gpu)?), gpu.clone()),
        })
    }

    /// Puts a model of a bundle on a device.
    ///
    /// # Errors
    /// [`LoadError`] if its weights cannot be read or do not fit; it names the model.
    pub fn read(bundle: &BundleReader, model: &ModelEntry, device: &Device) -> Result<Self, LoadError> {
        Ok(match device {
            Device::Cpu => Self::Cpu(Box::new(ensemble::load(bundle, model, &Default::default())?)),
            Device::Gpu(gpu) => Self::Gpu(Box::new(ensemble::load(bundle, model, gpu)?), gpu.clone()),
        })
    }

    /// Predicts all molecules, in their order.
    ///
    /// # Errors
    /// [`PredictError`] if the features do not fit the model, or the device fails.
    pub fn predict(&self, bags: &Bags) -> Result<Vec<Prediction>, PredictError> {
        let all: Vec<usize> = (0..bags.len()).collect();
        match self {
            Self::Cpu(model) => pollster::block_on(predict(model, bags, &all, &Default::default())),
            Self::Gpu(model, gpu) => pollster::block_on(predict(model, bags, &all, gpu)),
        }
    }
}
