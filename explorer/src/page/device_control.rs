//! Where the model runs, why, and the choice to run it elsewhere.

use leptos::prelude::*;

use super::model_run::ModelStatus;
use super::notice::bytes_of;
use super::state::Explorer;
use explorer::protocol::{Device, DeviceChoice};

/// The line that says what the model is doing, and the control beside it.
#[component]
pub fn DeviceControl() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let choose = move |word: String| {
        if let Some(choice) = DeviceChoice::from_word(&word) {
            explorer.choose_device(choice);
        }
    };
    let options = DeviceChoice::ALL.map(|choice| {
        let name = match choice {
            DeviceChoice::Auto => "Automatic",
            DeviceChoice::WebGpu => "WebGPU",
            DeviceChoice::Cpu => "CPU",
        };
        view! { <option value=choice.word() selected=move || explorer.choice.get() == choice>{name}</option> }
    });
    let progress = move || {
        let share = match explorer.status.get() {
            ModelStatus::Loading { received, total } => Some(total.map(|total| received / total)),
            ModelStatus::ReadingWeights(model) => {
                let models = count_models(explorer);
                Some((models > 1).then(|| model as f64 / models as f64))
            }
            ModelStatus::WarmingUp(_) => Some(None),
            ModelStatus::Running { seconds: None, .. } => {
                let count = explorer.predictions.with(Vec::len).max(1);
                Some(Some(explorer.predicted.get() as f64 / count as f64))
            }
            _ => None,
        };
        share.map(|share| {
            view! { <progress max="1" value=share.map(|share| share.to_string()) aria-label="Progress"></progress> }
        })
    };
    view! {
        <div class="device">
            <label>
                "Run on "
                <select id="device" on:change:target=move |event| choose(event.target().value())>{options}</select>
            </label>
            <span id="status" role="status" data-device=move || running(explorer) data-finished=move || finished(explorer)>
                {move || describe(explorer)}
            </span>
            {progress}
        </div>
    }
}

/// The device that runs the model, as the address names it.
fn running(explorer: Explorer) -> Option<&'static str> {
    match explorer.status.get() {
        ModelStatus::Running { device: Device::Cpu, .. } => Some("cpu"),
        ModelStatus::Running { device: Device::WebGpu, .. } => Some("webgpu"),
        _ => None,
    }
}

/// Whether all molecules are predicted.
fn finished(explorer: Explorer) -> Option<&'static str> {
    matches!(explorer.status.get(), ModelStatus::Running { seconds: Some(_), .. }).then_some("true")
}

/// Models of the open bundle.
fn count_models(explorer: Explorer) -> usize {
    explorer.bundle.with(|bundle| bundle.as_ref().map_or(0, |bundle| bundle.manifest.models.len()))
}

fn name(device: Device) -> &'static str {
    match device {
        Device::Cpu => "CPU",
        Device::WebGpu => "WebGPU",
    }
}

/// What the model is doing, in a sentence.
fn describe(explorer: Explorer) -> String {
    match explorer.status.get() {
        ModelStatus::Idle => String::new(),
        ModelStatus::Loading { received, total } => {
            format!("Loading the model: {}", bytes_of(received, total))
        }
        ModelStatus::ReadingWeights(model) => match count_models(explorer) {
            0 | 1 => "Reading the weights".into(),
            models => format!("Reading the weights of model {} of {models}", model + 1),
        },
        ModelStatus::WarmingUp(device) => format!("Warming up on {}", name(device)),
        ModelStatus::Running { device, reason, seconds: None } => format!("{}: {reason}", name(device)),
        ModelStatus::Running { device, reason, seconds: Some(seconds) } => {
            let count = explorer.predicted.get();
            let models = match count_models(explorer) {
                0 | 1 => String::new(),
                models => format!(" by {models} models"),
            };
            format!("{}: {reason}. {count} molecules{models} in {seconds:.1} s", name(device))
        }
        ModelStatus::NoInputs => {
            "The molecules travel without their features: the model cannot run on them".into()
        }
        ModelStatus::Failed(reason) => {
            format!("The model has stopped ({reason}). Open the bundle again, or reload the page")
        }
    }
}
