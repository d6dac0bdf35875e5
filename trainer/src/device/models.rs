//! All models of a bundle on the device that was chosen at run time.

use burn::backend::Flex;
use burn::{Dispatch, DispatchDevice};
use shared_model::bags::Bags;
use shared_model::bundle::BundleReader;
use shared_model::ensemble::{self, LoadError};
use shared_model::explain::{Subset, TaskExplanation, explain};
use shared_model::network::Model;
use shared_model::predict::PredictError;

use super::Device;

/// The models of a bundle, one or the members of an ensemble, on a device.
#[derive(Debug, Clone)]
pub enum DeviceModels {
    /// On the CPU.
    Cpu(Vec<Model<Flex>>),
    /// On a GPU.
    Gpu(Vec<Model<Dispatch>>, DispatchDevice),
}

impl DeviceModels {
    /// Puts the models of a bundle on a device, one after another.
    ///
    /// # Errors
    /// [`LoadError`] if weights cannot be read or do not fit; it names the model.
    pub fn read(bundle: &BundleReader, device: &Device) -> Result<Self, LoadError> {
        let models = bundle.manifest().models.iter();
        Ok(match device {
            Device::Cpu => {
                let load = |model| ensemble::load(bundle, model, &Default::default());
                Self::Cpu(models.map(load).collect::<Result<_, _>>()?)
            }
            Device::Gpu(gpu) => {
                let load = |model| ensemble::load(bundle, model, gpu);
                Self::Gpu(models.map(load).collect::<Result<_, _>>()?, gpu.clone())
            }
        })
    }

    /// Explains what they say of a molecule with all of its conformers, task by task.
    ///
    /// # Errors
    /// [`PredictError`] if the features do not fit the models, or the device fails.
    pub fn explain(
        &self,
        bags: &Bags,
        molecule: usize,
        seed: u64,
    ) -> Result<Vec<TaskExplanation>, PredictError> {
        let all = Subset::all(bags.instances(molecule).len());
        match self {
            Self::Cpu(models) => {
                let device = Default::default();
                pollster::block_on(explain(models, bags, molecule, &all, seed, &device))
            }
            Self::Gpu(models, gpu) => pollster::block_on(explain(models, bags, molecule, &all, seed, gpu)),
        }
    }
}
