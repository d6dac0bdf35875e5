//! GPUs through wgpu.

use burn::DispatchDevice;
use burn::backend::wgpu::WgpuDevice;

use super::listing::DeviceInfo;
use super::{Device, DeviceChoice};

#[cfg(target_os = "macos")]
const API: &str = "Metal";
#[cfg(not(target_os = "macos"))]
const API: &str = "Vulkan";

/// The adapters, real GPUs first, or why there are none.
pub(super) fn devices() -> Result<Vec<DeviceInfo>, String> {
    #[cfg(target_os = "macos")]
    let (backends, dispatch): (_, fn(WgpuDevice) -> DispatchDevice) =
        (wgpu::Backends::METAL, DispatchDevice::Metal);
    #[cfg(not(target_os = "macos"))]
    let (backends, dispatch): (_, fn(WgpuDevice) -> DispatchDevice) =
        (wgpu::Backends::VULKAN, DispatchDevice::Vulkan);

    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    let of_type = |device_type| adapters.iter().filter(move |a| a.get_info().device_type == device_type);
    let found = BEST_FIRST.into_iter().flat_map(|device_type| {
        let named = move |(index, adapter)| (adapter, wgpu_device(device_type, index));
        of_type(device_type).enumerate().map(named)
    });
    let devices: Vec<DeviceInfo> = found
        .enumerate()
        .map(|(index, (adapter, device))| {
            let info = adapter.get_info();
            let driver = format!("{} {}", info.driver, info.driver_info);
            DeviceInfo {
                choice: DeviceChoice::Wgpu(Some(index)),
                name: format!("{} ({API} through wgpu)", info.name),
                software: info.device_type == wgpu::DeviceType::Cpu,
                problem: device.is_none().then(|| "only the first adapter of its kind can be used".into()),
                memory: None,
                driver: Some(driver.trim().to_owned()).filter(|driver| !driver.is_empty()),
                float16: Some(adapter.features().contains(wgpu::Features::SHADER_F16)),
                // The backend stores it, and computes in it only where whole matrices are multiplied at once.
                bfloat16: Some(false),
                device: Device::Gpu(dispatch(device.unwrap_or_default())),
            }
        })
        .collect();
    if devices.is_empty() {
        return Err(format!(
            "{API} finds no device: install its driver (on Debian without a GPU, mesa-vulkan-drivers has one in software)"
        ));
    }
    Ok(devices)
}

const BEST_FIRST: [wgpu::DeviceType; 5] = [
    wgpu::DeviceType::DiscreteGpu,
    wgpu::DeviceType::IntegratedGpu,
    wgpu::DeviceType::VirtualGpu,
    wgpu::DeviceType::Other,
    wgpu::DeviceType::Cpu,
];

/// The backend's name of an adapter, which it counts among those of the same type.
fn wgpu_device(device_type: wgpu::DeviceType, index: usize) -> Option<WgpuDevice> {
    match (device_type, index) {
        (wgpu::DeviceType::DiscreteGpu, index) => Some(WgpuDevice::DiscreteGpu(index)),
        (wgpu::DeviceType::IntegratedGpu, index) => Some(WgpuDevice::IntegratedGpu(index)),
        (wgpu::DeviceType::VirtualGpu, index) => Some(WgpuDevice::VirtualGpu(index)),
        (wgpu::DeviceType::Other, 0) => Some(WgpuDevice::DefaultDevice),
        (wgpu::DeviceType::Cpu, 0) => Some(WgpuDevice::Cpu),
        _ => None,
    }
}
