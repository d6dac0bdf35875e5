//! Whether CUDA can be used: driver, devices, the run-time compiler and its headers.

use super::listing::DeviceInfo;

/// The CUDA devices, or why there are none.
#[cfg(target_os = "macos")]
pub(super) fn devices() -> Result<Vec<DeviceInfo>, String> {
    Err("there is no CUDA for macOS".into())
}

/// The CUDA devices, or why there are none.
#[cfg(not(target_os = "macos"))]
pub(super) fn devices() -> Result<Vec<DeviceInfo>, String> {
    let driver = driver::Driver::load()?;
    let count = driver.device_count()?;
    if count == 0 {
        return Err("the NVIDIA driver finds no device".into());
    }
    let problem = toolkit_problem();
    let version = [driver::kernel_module_version(), driver.cuda_version()];
    let version = version.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (0..count)
        .map(|index| {
            let capability = driver.compute_capability(index)?;
            let device = burn::backend::cuda::CudaDevice::new(index as usize);
            Ok(DeviceInfo {
                choice: super::DeviceChoice::Cuda(Some(index as usize)),
                name: driver.name(index)?,
                software: false,
                problem: problem.clone(),
                memory: driver.memory(index).ok(),
                driver: (!version.is_empty()).then(|| version.clone()),
                float16: Some(capability >= (5, 3)),
                bfloat16: Some(capability >= (8, 0)),
                device: super::Device::Gpu(burn::DispatchDevice::Cuda(device)),
            })
        })
        .collect()
}

/// What the backend needs to compile its kernels with, and is not there.
#[cfg(not(target_os = "macos"))]
fn toolkit_problem() -> Option<String> {
    if !driver::COMPILER.iter().any(|name| driver::load(name).is_some()) {
        let looked_for = driver::COMPILER.join(", ");
        return Some(format!("CUDA's run-time compiler, NVRTC, is missing (looked for {looked_for})"));
    }
    // The places where the backend looks.
    let found = match std::env::var_os("CUDA_PATH") {
        Some(_) => true,
        None if cfg!(windows) => true,
        None => ["/usr/local/cuda", "/opt/cuda", "/usr/bin/nvcc"]
            .iter()
            .any(|path| std::fs::exists(path).unwrap_or(false)),
    };
    (!found).then(|| {
        "CUDA's headers are missing (looked for /usr/local/cuda and /opt/cuda; the variable CUDA_PATH may name another folder)"
            .into()
    })
}

#[cfg(not(target_os = "macos"))]
mod driver {
    //! NVIDIA's driver API, as far as it describes devices.

    use std::ffi::{CStr, c_char, c_int, c_uint};

    #[cfg(windows)]
    const DRIVER: &str = "nvcuda.dll";
    #[cfg(unix)]
    const DRIVER: &str = "libcuda.so.1";
    #[cfg(windows)]
    pub(super) const COMPILER: [&str; 3] = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"];
    #[cfg(unix)]
    pub(super) const COMPILER: [&str; 4] =
        ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"];

    /// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `…_MINOR`.
    const COMPUTE_CAPABILITY: [c_int; 2] = [75, 76];

    #[allow(unsafe_code)]
    pub(super) fn load(name: &str) -> Option<libloading::Library> {
        // SAFETY: NVIDIA's libraries have no initialisers with preconditions; the backend loads the same ones.
        unsafe { libloading::Library::new(name) }.ok()
    }

    /// The driver, initialised.
    pub(super) struct Driver(libloading::Library);

    /// Calls a function of the driver by its name and signature; an error is its status.
    macro_rules! call {
        ($driver:expr, $name:literal ( $($type:ty = $argument:expr),* )) => {{
            // SAFETY: the function has this signature in every version of the CUDA driver API; what the pointers
            // point to outlives the call, and the library outlives the symbol.
            #[allow(unsafe_code)]
            let status = unsafe {
                let function = $driver.0.get::<unsafe extern "C" fn($($type),*) -> c_int>($name);
                function.map_err(|error| error.to_string())?($($argument),*)
            };
            match status {
                0 => Ok::<(), String>(()),
                status => Err(format!("the NVIDIA driver reports error {status}")),
            }
        }};
    }

    impl Driver {
        pub fn load() -> Result<Self, String> {
            let library =
                load(DRIVER).ok_or_else(|| format!("the NVIDIA driver ({DRIVER}) is not installed"))?;
            let driver = Self(library);
            call!(driver, b"cuInit\0"(c_uint = 0))?;
            Ok(driver)
        }

        pub fn device_count(&self) -> Result<c_int, String> {
            let mut count = 0;
            call!(self, b"cuDeviceGetCount\0"(*mut c_int = &mut count))?;
            Ok(count)
        }

        /// `CUDA 12.4`: the newest version that the driver supports.
        pub fn cuda_version(&self) -> Option<String> {
            let version = || {
                let mut version = 0;
                call!(self, b"cuDriverGetVersion\0"(*mut c_int = &mut version))?;
                Ok::<_, String>(version)
            };
            version().ok().map(|version| format!("CUDA {}.{}", version / 1000, version % 1000 / 10))
        }

        fn handle(&self, index: c_int) -> Result<c_int, String> {
            let mut handle = 0;
            call!(self, b"cuDeviceGet\0"(*mut c_int = &mut handle, c_int = index))?;
            Ok(handle)
        }

        pub fn name(&self, index: c_int) -> Result<String, String> {
            let handle = self.handle(index)?;
            let mut name = [0u8; 256];
            // One less than there is room for, so that the text ends in any case.
            let length = name.len() as c_int - 1;
            let start = name.as_mut_ptr().cast::<c_char>();
            call!(self, b"cuDeviceGetName\0"(*mut c_char = start, c_int = length, c_int = handle))?;
            let text = CStr::from_bytes_until_nul(&name).expect("the last byte is 0");
            Ok(text.to_string_lossy().into_owned())
        }

        /// Memory in bytes.
        pub fn memory(&self, index: c_int) -> Result<u64, String> {
            let handle = self.handle(index)?;
            let mut bytes = 0usize;
            call!(self, b"cuDeviceTotalMem_v2\0"(*mut usize = &mut bytes, c_int = handle))?;
            Ok(bytes as u64)
        }

        pub fn compute_capability(&self, index: c_int) -> Result<(c_int, c_int), String> {
            let handle = self.handle(index)?;
            let mut capability = [0; 2];
            for (value, attribute) in capability.iter_mut().zip(COMPUTE_CAPABILITY) {
                call!(self, b"cuDeviceGetAttribute\0"(
                    *mut c_int = value, c_int = attribute, c_int = handle))?;
            }
            Ok((capability[0], capability[1]))
        }
    }

    /// Version of the driver itself, where the kernel tells.
    pub(super) fn kernel_module_version() -> Option<String> {
        let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
        let is_version = |word: &&str| {
            word.contains('.') && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
        };
        text.lines().next()?.split_whitespace().find(is_version).map(Into::into)
    }
}
