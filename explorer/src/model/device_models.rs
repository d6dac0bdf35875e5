//! The models of a bundle on the device that was chosen.
//!
//! The backends are named here, not hidden behind Burn's `Dispatch`: the fused layers of the CPU are only found where the
//! backend is known to be the CPU's.

use burn::backend::{Flex, WebGpu, wgpu::WgpuDevice};
use shared_model::bags::Bags;
use shared_model::bundle::{BundleReader, ModelEntry};
use shared_model::ensemble::{self, LoadError};
use shared_model::explain::{Explaining, Subset, TaskExplanation};
use shared_model::network::Model;
use shared_model::predict::{PredictError, Prediction, predict};

use explorer::protocol::Device;

/// One model, or the members of an ensemble.
pub enum DeviceModels {
    Cpu(Vec<Model<Flex>>),
    WebGpu(Vec<Model<WebGpu>>, WgpuDevice),
}

impl DeviceModels {
    /// No model yet.
    pub fn new(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu(Vec::new()),
            Device::WebGpu => Self::WebGpu(Vec::new(), WgpuDevice::default()),
        }
    }

    /// Puts one more model on the device.
    ///
    /// # Errors
    /// [`LoadError`] if the weights cannot be read or do not fit.
    pub fn load(&mut self, bundle: &BundleReader<'_>, model: &ModelEntry) -> Result<(), LoadError> {
        match self {
            Self::Cpu(models) => models.push(ensemble::load(bundle, model, &Default::default())?),
            Self::WebGpu(models, device) => models.push(ensemble::load(bundle, model, device)?),
        }
        Ok(())
    }

    /// What each model says of some molecules.
    ///
    /// # Errors
    /// [`PredictError`] if the features do not fit the models, or the device fails.
    pub async fn predict(
        &self,
        bags: &Bags,
        molecules: &[usize],
    ) -> Result<Vec<Vec<Prediction>>, PredictError> {
        let mut predictions = Vec::new();
        match self {
            Self::Cpu(models) => {
                for model in models {
                    predictions.push(predict(model, bags, molecules, &Default::default()).await?);
                }
            }
            Self::WebGpu(models, device) => {
                for model in models {
                    predictions.push(predict(model, bags, molecules, device).await?);
                }
            }
        }
        Ok(predictions)
    }

    /// Explains a molecule with the conformers that are kept; `first` is told what is known before the curves are.
    ///
    /// # Errors
    /// [`PredictError`] if the features do not fit the models, or the device fails.
    pub async fn explain(
        &self,
        bags: &Bags,
        molecule: usize,
        kept: &Subset,
        seed: u64,
        first: impl FnOnce(&[TaskExplanation]),
    ) -> Result<Vec<TaskExplanation>, PredictError> {
        match self {
            Self::Cpu(models) => {
                let device = Default::default();
                let explaining = Explaining::start(models, bags, molecule, kept, &device).await?;
                first(&explaining.so_far());
                explaining.finish(seed).await
            }
            Self::WebGpu(models, device) => {
                let explaining = Explaining::start(models, bags, molecule, kept, device).await?;
                first(&explaining.so_far());
                explaining.finish(seed).await
            }
        }
    }
}
