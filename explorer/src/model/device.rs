//! Which device runs the model: tried out, not guessed.

use std::cell::Cell;

use burn::backend::wgpu::graphics::WebGpu;
use burn::backend::wgpu::{WgpuDevice, init_setup_async};
use js_sys::{Function, Promise, Reflect};
use shared_model::bags::Bags;
use shared_model::bundle::BundleReader;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::device_models::DeviceModels;
use super::scoring::{self, Scorer};
use super::{now, refused, report, scope};
use explorer::protocol::{Device, DeviceChoice, Report};

thread_local! {
    static IN_USE: Cell<Option<Device>> = const { Cell::new(None) };
}

/// What the browser offers for WebGPU.
#[derive(PartialEq, Eq)]
enum Adapter {
    None,
    Software,
    Hardware,
}

/// Loads the models of the bundle on the device asked for, or on the faster one; says why it is that.
///
/// The first model tries the devices out. The others follow one after another: the weights of one at a time are on
/// the host.
///
/// # Errors
/// The last report: weights that cannot be read or do not fit the configuration, or a device that fails.
pub async fn choose(
    choice: DeviceChoice,
    bundle: &BundleReader<'_>,
    bags: &Bags,
) -> Result<(Scorer, String), Report> {
    let adapter = if choice == DeviceChoice::Cpu { Adapter::None } else { adapter().await };
    let (mut scorer, reason) = match (choice, adapter) {
        (DeviceChoice::Auto, Adapter::Hardware) => faster(bundle, bags).await?,
        (choice, adapter) => {
            let (device, reason) = match (choice, adapter) {
                (DeviceChoice::Cpu, _) => (Device::Cpu, "your choice"),
                (_, Adapter::None) => (Device::Cpu, "this browser offers no WebGPU adapter"),
                (DeviceChoice::WebGpu, _) => (Device::WebGpu, "your choice"),
                (DeviceChoice::Auto, _) => (Device::Cpu, "this browser runs WebGPU in software"),
            };
            let scorer = first(device, bundle).await?;
            warm_up(&scorer, bags).await?;
            (scorer, reason.to_owned())
        }
    };
    IN_USE.set(Some(scorer.device));
    for (position, model) in bundle.manifest().models.iter().enumerate().skip(1) {
        report(&Report::ReadingWeights { model: position });
        scorer.models.load(bundle, model).map_err(refused)?;
    }
    Ok((scorer, reason))
}

/// Tries both devices: the faster one, with the reason in words.
async fn faster(bundle: &BundleReader<'_>, bags: &Bags) -> Result<(Scorer, String), Report> {
    let cpu = first(Device::Cpu, bundle).await?;
    let on_cpu = warm_up(&cpu, bags).await?;
    let gpu = first(Device::WebGpu, bundle).await?;
    let on_gpu = warm_up(&gpu, bags).await?;
    let (chosen, taken, other) = if on_gpu < on_cpu { (gpu, on_gpu, on_cpu) } else { (cpu, on_cpu, on_gpu) };
    let reason = format!("the faster one, {taken:.0} ms a batch where the other takes {other:.0} ms");
    Ok((chosen, reason))
}

/// The first model of the bundle on a device.
async fn first(device: Device, bundle: &BundleReader<'_>) -> Result<Scorer, Report> {
    IN_USE.set(Some(device));
    if device == Device::WebGpu {
        let setup = init_setup_async::<WebGpu>(&WgpuDevice::default(), Default::default()).await;
        setup.device.set_device_lost_callback(|_, message| lost(&message));
    }
    let mut models = DeviceModels::new(device);
    models.load(bundle, &bundle.manifest().models[0]).map_err(refused)?;
    Ok(Scorer { device, models })
}

/// The device that computes at this moment; none: no bundle is open yet.
pub fn in_use() -> Option<Device> {
    IN_USE.get()
}

/// A lost device answers nothing any more, and no error may ever come of it.
fn lost(message: &str) {
    if in_use() == Some(Device::WebGpu) {
        let message = message.trim().trim_end_matches('.');
        report(&Report::Crashed(format!("the graphics device was lost: {message}")));
    }
}

/// Predicts a batch twice: the first time compiles shaders, the second is measured, in milliseconds.
async fn warm_up(scorer: &Scorer, bags: &Bags) -> Result<f64, Report> {
    report(&Report::WarmingUp(scorer.device));
    let batch = scoring::full_batch(bags);
    if batch.is_empty() {
        return Ok(0.0);
    }
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
