//! Which device a run computes on: the CPU, a GPU through wgpu, or CUDA, chosen at run time.
//!
//! Drivers are loaded dynamically, so one binary serves every machine. A backend without its driver panics
//! when it is first used; what is offered here was probed first.

mod cuda;
mod model;

use std::str::FromStr;

use burn::DispatchDevice;
use burn::backend::wgpu::WgpuDevice;

pub use self::model::{DeviceModel, PredictionError};

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

/// A device as the user asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA, or else a real GPU through wgpu, or else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through Vulkan, or Metal on macOS; a software driver counts.
    Wgpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "wgpu" => Ok(Self::Wgpu),
            "cuda" => Ok(Self::Cuda),
            _ => Err(format!("unknown device \"{name}\"; known are: auto, cpu, wgpu, cuda")),
        }
    }
}

/// A device that was found, and what to call it.
#[derive(Debug, Clone)]
pub struct SelectedDevice {
    /// The device.
    pub device: Device,
    /// Backend and name of the device, for people.
    pub description: String,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No adapter.
    #[error(
        "--device wgpu: {API} finds no device: install its driver (on Debian without a GPU, mesa-vulkan-drivers has one in software), or use --device cpu"
    )]
    NoAdapter,
    /// No CUDA.
    #[error(
        "--device cuda: {0}: install the NVIDIA driver and CUDA's NVRTC library, or use --device wgpu or cpu"
    )]
    NoCuda(String),
}

#[cfg(target_os = "macos")]
const API: &str = "Metal";
#[cfg(not(target_os = "macos"))]
const API: &str = "Vulkan";

/// Finds the device that was asked for.
///
/// # Errors
/// [`DeviceError`] if it is not there; `auto` and `cpu` are always there.
pub fn select(choice: DeviceChoice) -> Result<SelectedDevice, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Wgpu => gpu().map(|(gpu, _)| gpu).ok_or(DeviceError::NoAdapter),
        DeviceChoice::Cuda => cuda::select().map_err(DeviceError::NoCuda),
        DeviceChoice::Auto => Ok(cuda::select().ok().or_else(real_gpu).unwrap_or_else(cpu)),
    }
}

fn cpu() -> SelectedDevice {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    SelectedDevice { device: Device::Cpu, description: format!("CPU (flex, {threads} threads)") }
}

/// A GPU that is not a driver's emulation on the CPU, which would lose against the CPU backend.
fn real_gpu() -> Option<SelectedDevice> {
    gpu().and_then(|(gpu, device_type)| (device_type != wgpu::DeviceType::Cpu).then_some(gpu))
}

/// The best adapter there is, and of what type it is.
fn gpu() -> Option<(SelectedDevice, wgpu::DeviceType)> {
    #[cfg(target_os = "macos")]
    let (backends, device): (_, fn(WgpuDevice) -> DispatchDevice) =
        (wgpu::Backends::METAL, DispatchDevice::Metal);
    #[cfg(not(target_os = "macos"))]
    let (backends, device): (_, fn(WgpuDevice) -> DispatchDevice) =
        (wgpu::Backends::VULKAN, DispatchDevice::Vulkan);

    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    let preference = [
        (wgpu::DeviceType::DiscreteGpu, WgpuDevice::DiscreteGpu(0)),
        (wgpu::DeviceType::IntegratedGpu, WgpuDevice::IntegratedGpu(0)),
        (wgpu::DeviceType::VirtualGpu, WgpuDevice::VirtualGpu(0)),
        (wgpu::DeviceType::Other, WgpuDevice::DefaultDevice),
        (wgpu::DeviceType::Cpu, WgpuDevice::Cpu),
    ];
    preference.into_iter().find_map(|(device_type, wgpu_device)| {
        let info =
            adapters.iter().map(wgpu::Adapter::get_info).find(|info| info.device_type == device_type)?;
        let description = format!("{} ({API} through wgpu)", info.name);
        let device = Device::Gpu(device(wgpu_device));
        Some((SelectedDevice { device, description }, device_type))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_unknown_names_are_refused() {
        let cpu = select("cpu".parse().expect("known")).expect("always there");
        assert_eq!(cpu.device, Device::Cpu);
        assert!("gpu".parse::<DeviceChoice>().expect_err("unknown").contains("wgpu"));
    }
}
