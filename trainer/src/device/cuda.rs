//! Whether CUDA can be used: driver, a device, and the run-time compiler.

use super::{Device, SelectedDevice};

/// The first CUDA device, or why there is none.
#[cfg(target_os = "macos")]
pub(super) fn select() -> Result<SelectedDevice, String> {
    Err("there is no CUDA for macOS".into())
}

/// The first CUDA device, or why there is none.
#[cfg(not(target_os = "macos"))]
pub(super) fn select() -> Result<SelectedDevice, String> {
    let devices = device_count()?;
    if devices == 0 {
        return Err("the NVIDIA driver finds no device".into());
    }
    if !COMPILER.iter().any(|name| load(name).is_some()) {
        return Err(format!("CUDA's run-time compiler is missing (looked for {})", COMPILER.join(", ")));
    }
    let device = Device::Gpu(burn::DispatchDevice::Cuda(burn::backend::cuda::CudaDevice::new(0)));
    Ok(SelectedDevice { device, description: "CUDA device 0".into() })
}

#[cfg(windows)]
const DRIVER: &str = "nvcuda.dll";
#[cfg(all(unix, not(target_os = "macos")))]
const DRIVER: &str = "libcuda.so.1";
#[cfg(windows)]
const COMPILER: [&str; 3] = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"];
#[cfg(all(unix, not(target_os = "macos")))]
const COMPILER: [&str; 4] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"];

#[cfg(not(target_os = "macos"))]
#[allow(unsafe_code)]
fn load(name: &str) -> Option<libloading::Library> {
    // SAFETY: NVIDIA's libraries have no initialisers with preconditions; the backend loads the same ones.
    unsafe { libloading::Library::new(name) }.ok()
}

/// Number of devices, by the driver's own count.
#[cfg(not(target_os = "macos"))]
#[allow(unsafe_code)]
fn device_count() -> Result<i32, String> {
    type Init = unsafe extern "C" fn(u32) -> i32;
    type DeviceCount = unsafe extern "C" fn(*mut i32) -> i32;

    let driver = load(DRIVER).ok_or_else(|| format!("the NVIDIA driver ({DRIVER}) is not installed"))?;
    let mut count = 0;
    // SAFETY: both functions have these signatures in every version of the CUDA driver API; `count` outlives
    // the call, and the library outlives the symbols.
    let status = unsafe {
        let init = driver.get::<Init>(b"cuInit\0").map_err(|error| error.to_string())?;
        let device_count =
            driver.get::<DeviceCount>(b"cuDeviceGetCount\0").map_err(|error| error.to_string())?;
        match init(0) {
            0 => device_count(&mut count),
            status => status,
        }
    };
    if status == 0 { Ok(count) } else { Err(format!("the NVIDIA driver reports error {status}")) }
}
