//! Which device a run computes on: the CPU, a GPU through wgpu, or CUDA, chosen at run time.
//!
//! Drivers are loaded dynamically, so one binary serves every machine. A backend without its driver panics
//! when it is first used; what is offered here was probed first.

mod cuda;
mod gpu;
mod listing;
mod model;
mod models;
mod precision;

use std::fmt;
use std::fs;
use std::str::FromStr;

use burn::tensor::backend::Backend as _;
use burn::{Dispatch, DispatchDevice};

pub use self::listing::{Backend, DeviceInfo};
pub use self::model::{DeviceModel, PredictionError};
pub use self::models::DeviceModels;
pub use self::precision::Precision;

/// A device to compute on.
///
/// The CPU has its own backend type, `Flex`, where fused operations can reach the tensors' memory; a GPU is chosen at
/// run time behind `Dispatch`, which hides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu(DispatchDevice),
}

impl Device {
    /// Waits until what was asked of a GPU is done, to measure time; a GPU that fails is noticed by what comes next.
    pub fn wait(&self) {
        if let Self::Gpu(device) = self {
            let _ = Dispatch::sync(device);
        }
    }

    /// Kind of the device, as it is asked for.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            #[cfg(not(target_os = "macos"))]
            Self::Gpu(DispatchDevice::Cuda(_)) => "cuda",
            Self::Gpu(_) => "wgpu",
        }
    }
}

/// A device as the user asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA, or else a real GPU through wgpu, or else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through Vulkan, or Metal on macOS, by its index; a software driver counts.
    Wgpu(Option<usize>),
    /// An NVIDIA GPU through CUDA, by its index.
    Cuda(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (backend, index) = match name.split_once(':') {
            None => (name, None),
            Some((backend, index)) => {
                let number = index.parse().map_err(|_| format!("\"{index}\" is no number of a device"))?;
                (backend, Some(number))
            }
        };
        match (backend, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None | Some(0)) => Ok(Self::Cpu),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            ("cuda", index) => Ok(Self::Cuda(index)),
            _ => Err(format!(
                "unknown device \"{name}\"; known are: auto, cpu, wgpu, cuda, and wgpu:1, cuda:1 … where there are several"
            )),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (backend, index) = match self {
            Self::Auto => ("auto", None),
            Self::Cpu => ("cpu", None),
            Self::Wgpu(index) => ("wgpu", *index),
            Self::Cuda(index) => ("cuda", *index),
        };
        f.write_str(backend)?;
        index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

/// A device that was found, and what to call it.
#[derive(Debug, Clone)]
pub struct SelectedDevice {
    /// The device.
    pub device: Device,
    /// What chooses it on the command line, never `auto`.
    pub choice: DeviceChoice,
    /// Backend and name of the device, for people.
    pub description: String,
    /// Memory in bytes, where it is known.
    pub memory: Option<u64>,
    float16: bool,
    bfloat16: bool,
}

impl SelectedDevice {
    /// Whether the device computes in a precision, to the benefit of training.
    ///
    /// # Errors
    /// [`DeviceError::NoHalf`] if not.
    pub fn check(&self, precision: Precision) -> Result<(), DeviceError> {
        let missing = match precision {
            Precision::Float16Mixed if !self.float16 => "float16",
            Precision::Bfloat16Mixed if !self.bfloat16 => "bfloat16",
            _ => return Ok(()),
        };
        Err(DeviceError::NoHalf {
            precision,
            missing,
            choice: self.choice,
            description: self.description.clone(),
        })
    }
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No adapter.
    #[error("--device {choice}: {reason}; `optimil devices` lists what there is, --device cpu always works")]
    NoAdapter {
        /// What was asked for.
        choice: DeviceChoice,
        /// Why not.
        reason: String,
    },
    /// No CUDA.
    #[error(
        "--device {choice}: {reason}: CUDA needs the NVIDIA driver, NVRTC and its headers; `optimil devices` lists what there is, --device cpu always works"
    )]
    NoCuda {
        /// What was asked for.
        choice: DeviceChoice,
        /// Why not.
        reason: String,
    },
    /// No arithmetic of that precision.
    #[error(
        "--precision {precision}: the device {choice}, {description}, has no arithmetic in {missing}; `optimil devices` lists which have, --precision 32-true always works"
    )]
    NoHalf {
        /// What was asked for.
        precision: Precision,
        /// The type that is missing.
        missing: &'static str,
        /// The device.
        choice: DeviceChoice,
        /// What it is.
        description: String,
    },
}

/// Finds the device that was asked for.
///
/// # Errors
/// [`DeviceError`] if it is not there; `auto` and `cpu` are always there.
pub fn select(choice: DeviceChoice) -> Result<SelectedDevice, DeviceError> {
    let info = match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Wgpu(index) => {
            wgpu_backend().choose(index).map_err(|reason| DeviceError::NoAdapter { choice, reason })
        }
        DeviceChoice::Cuda(index) => {
            cuda_backend().choose(index).map_err(|reason| DeviceError::NoCuda { choice, reason })
        }
        DeviceChoice::Auto => Ok(automatic([cuda_backend, wgpu_backend])),
    }?;
    let [float16, bfloat16] = [info.float16, info.bfloat16].map(|there| there == Some(true));
    let DeviceInfo { device, choice, name: description, memory, .. } = info;
    Ok(SelectedDevice { device, choice, description, memory, float16, bfloat16 })
}

/// Every backend with its devices, and the device that `auto` takes.
pub fn list() -> ([Backend; 3], DeviceChoice) {
    let [cuda, wgpu] = [cuda_backend(), wgpu_backend()];
    let again: [&dyn Fn() -> Backend; 2] = [&|| cuda.clone(), &|| wgpu.clone()];
    let chosen = automatic(again).choice;
    ([Backend::new("cpu", Ok(vec![cpu()])), wgpu, cuda], chosen)
}

fn wgpu_backend() -> Backend {
    Backend::new("wgpu", gpu::devices())
}

fn cuda_backend() -> Backend {
    Backend::new("cuda", cuda::devices())
}

/// The first usable device of these backends that is not a driver's emulation on the CPU, which would lose against the
/// CPU backend; else the CPU. A backend is only asked when those before it have nothing.
fn automatic<F: Fn() -> Backend>(backends: [F; 2]) -> DeviceInfo {
    let found = backends.iter().find_map(|backend| {
        backend().devices.into_iter().find(|device| device.problem.is_none() && !device.software)
    });
    found.unwrap_or_else(cpu)
}

fn cpu() -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Where there is no such file, nothing is known.
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kibibytes = line("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let model = line("/proc/cpuinfo", "model name").map_or_else(String::new, |model| format!("{model}, "));
    DeviceInfo {
        choice: DeviceChoice::Cpu,
        name: format!("CPU ({model}{threads} threads)"),
        software: false,
        problem: None,
        memory: kibibytes.map(|kibibytes| 1024 * kibibytes),
        driver: None,
        float16: Some(false),
        bfloat16: Some(false),
        device: Device::Cpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_unknown_names_are_refused() {
        let choice = "cpu".parse().expect("known");
        let cpu = select(choice).expect("always there");
        assert_eq!((&cpu.device, cpu.choice), (&Device::Cpu, DeviceChoice::Cpu));
        assert_eq!(cpu.check(Precision::Float32), Ok(()));
        for (half, missing) in [(Precision::Float16Mixed, "float16"), (Precision::Bfloat16Mixed, "bfloat16")]
        {
            let error = cpu.check(half).expect_err("in float32 only").to_string();
            let parts = [&format!("--precision {half}"), missing, "32-true"];
            assert!(parts.iter().all(|part| error.contains(*part)), "{error}");
        }
        for unknown in ["gpu", "wgpu:first", "cpu:1", "auto:0"] {
            assert!(unknown.parse::<DeviceChoice>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_choice_reads_back_as_it_is_written() {
        for name in ["auto", "cpu", "wgpu", "wgpu:1", "cuda", "cuda:0"] {
            assert_eq!(name.parse::<DeviceChoice>().expect("known").to_string(), name);
        }
    }
}
