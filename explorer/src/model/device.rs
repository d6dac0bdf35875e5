//! Which device runs the model: tried out, not guessed.

use burn::backend::flex::FlexDevice;
use burn::backend::wgpu::graphics::WebGpu;
use burn::backend::wgpu::{WgpuDevice, init_setup_async};
use burn::{Dispatch, DispatchDevice};
use js_sys::{Function, Promise, Reflect};
use shared_model::bags::Bags;
use shared_model::config::ModelConfig;
use shared_model::network::Model;
use shared_model::state_dict::StateDict;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::scoring::{self, Scorer};
use super::{now, refused, report, scope};
use crate::protocol::{Device, DeviceChoice, Report};

/// What the browser offers for WebGPU.
#[derive(PartialEq, Eq)]
enum Adapter {
    None,
    Software,
    Hardware,
}

/// Loads the model on the device asked for, or on the faster one; reports the choice and its reason.
///
/// # Errors
/// The last report: weights that do not fit the configuration, or a device that fails.
pub async fn choose(
    choice: DeviceChoice,
    config: &ModelConfig,
    weights: &StateDict,
    bags: &Bags,
) -> Result<Scorer, Report> {
    let adapter = if choice == DeviceChoice::Cpu { Adapter::None } else { adapter().await };
    let (device, reason) = match (choice, adapter) {
        (DeviceChoice::Cpu, _) => (Device::Cpu, "your choice"),
        (_, Adapter::None) => (Device::Cpu, "this browser offers no WebGPU adapter"),
        (DeviceChoice::WebGpu, _) => (Device::WebGpu, "your choice"),
        (DeviceChoice::Auto, Adapter::Software) => (Device::Cpu, "this browser runs WebGPU in software"),
        (DeviceChoice::Auto, Adapter::Hardware) => return faster(config, weights, bags).await,
    };
    let scorer = load(device, config, weights).await?;
    warm_up(&scorer, bags).await?;
    report(&Report::Running { device, reason: reason.to_owned() });
    Ok(scorer)
}

/// Tries both devices and reports the faster one.
async fn faster(config: &ModelConfig, weights: &StateDict, bags: &Bags) -> Result<Scorer, Report> {
    let cpu = load(Device::Cpu, config, weights).await?;
    let on_cpu = warm_up(&cpu, bags).await?;
    let gpu = load(Device::WebGpu, config, weights).await?;
    let on_gpu = warm_up(&gpu, bags).await?;
    let (chosen, taken, other) = if on_gpu < on_cpu { (gpu, on_gpu, on_cpu) } else { (cpu, on_cpu, on_gpu) };
    let reason = format!("the faster one, {taken:.0} ms a batch where the other takes {other:.0} ms");
    report(&Report::Running { device: chosen.device, reason });
    Ok(chosen)
}

/// The model on a device.
async fn load(device: Device, config: &ModelConfig, weights: &StateDict) -> Result<Scorer, Report> {
    let burn_device = match device {
        Device::Cpu => DispatchDevice::Flex(FlexDevice),
        Device::WebGpu => {
            let device = WgpuDevice::default();
            init_setup_async::<WebGpu>(&device, Default::default()).await;
            DispatchDevice::Wgpu(device)
        }
    };
    let model = Model::<Dispatch>::from_state(config, weights, &burn_device).map_err(refused)?;
    Ok(Scorer { device, burn_device, model })
}

/// Predicts the first batch twice: the first time compiles shaders, the second is measured, in milliseconds.
async fn warm_up(scorer: &Scorer, bags: &Bags) -> Result<f64, Report> {
    report(&Report::WarmingUp(scorer.device));
    let Some(batch) = scoring::batches(bags).next() else { return Ok(0.0) };
    scoring::score(scorer, bags, &batch).await?;
    let start = now();
    scoring::score(scorer, bags, &batch).await?;
    Ok(now() - start)
}

/// Asks the browser for a WebGPU adapter, without making a device.
async fn adapter() -> Adapter {
    ask_for_adapter().await.unwrap_or(Adapter::None)
}

async fn ask_for_adapter() -> Option<Adapter> {
    let gpu = property(&scope().navigator(), "gpu")?;
    let request: Function = property(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let promise: Promise = request.call0(&gpu).ok()?.dyn_into().ok()?;
    let adapter = JsFuture::from(promise).await.ok().filter(|adapter| adapter.is_object())?;
    let software = property(&adapter, "info")
        .and_then(|info| property(&info, "isFallbackAdapter"))
        .or_else(|| property(&adapter, "isFallbackAdapter"))
        .is_some_and(|flag| flag.is_truthy());
    Some(if software { Adapter::Software } else { Adapter::Hardware })
}

/// A property that is there.
fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
