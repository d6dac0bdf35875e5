//! The devices of this machine, each as a person would want to know it.

use serde::{Serialize, Serializer};

use super::{Device, DeviceChoice};

/// A device of a backend.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceInfo {
    /// What chooses it on the command line.
    #[serde(rename = "device", serialize_with = "as_text")]
    pub choice: DeviceChoice,
    /// Its name, by its driver.
    pub name: String,
    /// Whether it is emulated on the CPU, where the backend for the CPU is faster.
    pub software: bool,
    /// Why it cannot be used; none if it can.
    pub problem: Option<String>,
    /// Memory in bytes, where known.
    pub memory: Option<u64>,
    /// Name and version of the driver, where known.
    pub driver: Option<String>,
    /// Whether it computes in 16-bit floating point, where known.
    pub float16: Option<bool>,
    /// Whether it computes in bfloat16, where known.
    pub bfloat16: Option<bool>,
    /// The device as the backend knows it.
    #[serde(skip)]
    pub(super) device: Device,
}

fn as_text<S: Serializer>(choice: &DeviceChoice, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(choice)
}

/// A backend with its devices.
#[derive(Debug, Clone, Serialize)]
pub struct Backend {
    /// `cpu`, `wgpu` or `cuda`.
    pub backend: &'static str,
    /// Its devices; the first one that can be used is its default.
    pub devices: Vec<DeviceInfo>,
    /// Why there is none.
    pub problem: Option<String>,
}

impl Backend {
    pub(super) fn new(backend: &'static str, devices: Result<Vec<DeviceInfo>, String>) -> Self {
        match devices {
            Ok(devices) => Self { backend, devices, problem: None },
            Err(problem) => Self { backend, devices: Vec::new(), problem: Some(problem) },
        }
    }

    /// The device with this index, or the first usable one; or why there is none.
    pub(super) fn choose(self, index: Option<usize>) -> Result<DeviceInfo, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let count = self.devices.len();
        let mut devices = self.devices.into_iter();
        let chosen = match index {
            Some(index) => devices.nth(index),
            None => {
                let devices: Vec<_> = devices.collect();
                let usable = devices.iter().position(|device| device.problem.is_none()).unwrap_or(0);
                devices.into_iter().nth(usable)
            }
        };
        let name = |index: usize| format!("{}:{index}", self.backend);
        let last = name(count.saturating_sub(1));
        let chosen = chosen.ok_or_else(|| match count {
            0 | 1 => format!("there is only {}", name(0)),
            _ => format!("there are only {} to {last}", name(0)),
        })?;
        match chosen.problem {
            Some(problem) => Err(problem),
            None => Ok(chosen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: usize, problem: Option<&str>) -> DeviceInfo {
        DeviceInfo {
            choice: DeviceChoice::Cuda(Some(index)),
            name: format!("GPU {index}"),
            software: false,
            problem: problem.map(Into::into),
            memory: None,
            driver: None,
            float16: None,
            bfloat16: None,
            device: Device::Cpu,
        }
    }

    #[test]
    fn an_index_is_taken_as_it_is_and_none_is_the_first_that_works() {
        let backend = || Backend::new("cuda", Ok(vec![gpu(0, Some("too old")), gpu(1, None), gpu(2, None)]));
        let chosen = |index| backend().choose(index).map(|device| device.name);
        assert_eq!(chosen(None), Ok("GPU 1".into()));
        assert_eq!(chosen(Some(2)), Ok("GPU 2".into()));
        assert_eq!(chosen(Some(0)), Err("too old".into()));
        assert_eq!(chosen(Some(3)), Err("there are only cuda:0 to cuda:2".into()));
        assert_eq!(
            Backend::new("cuda", Err("no driver".into())).choose(None).map(|_| ()),
            Err("no driver".into())
        );
    }
}
