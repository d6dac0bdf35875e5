//! Taking a molecule along: as a figure, a table, conformers, a page.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared_model::ensemble::Estimate;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::download::{download, download_blob};
use super::module::{load_module, message};
use super::molecule::Predicted;
use super::state::{Explorer, OpenBundle};
use super::structure::drawing;
use explorer::export::{Sheet, Source, TaskLine, attention_csv, conformers_sdf, figure, page};
use explorer::protocol::Prediction;
use explorer::standing::Standing;
use explorer::table::Quantity;

#[wasm_bindgen]
extern "C" {
    /// `picture.js`.
    type PictureModule;
    #[wasm_bindgen(method, catch)]
    fn png(this: &PictureModule, svg: &str, scale: f64) -> Result<js_sys::Promise, JsValue>;
}

/// Pixels of a PNG for one of the SVG: about 300 a printed inch.
const SCALE: f64 = 3.0;

/// The buttons below a molecule.
#[component]
pub fn Sharing(bundle: Arc<OpenBundle>, position: usize, prediction: Predicted) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let trouble = RwSignal::new(None::<String>);
    let has_coordinates = bundle.has_coordinates();
    let smiles = bundle.molecules()[position].smiles.clone();
    // Drawn by the time that it is wanted.
    let structure = smiles.map(|smiles| drawing(&smiles));
    let open = bundle.clone();
    let sheet = StoredValue::new(move || {
        let mut sheet = sheet(explorer, &bundle, position, prediction.get_untracked().as_deref()?);
        let drawn = structure.as_ref().and_then(|structure| structure.get_untracked());
        sheet.structure = drawn.and_then(Result::ok).map(|structure| (*structure).clone());
        Some(sheet)
    });
    let make = move || sheet.with_value(|make| make());
    let as_svg = move |_| {
        if let Some(sheet) = make() {
            download(&sheet.file_name("attention.svg"), &figure(&sheet));
        }
    };
    let as_png = move |_| {
        let Some(sheet) = make() else { return };
        spawn_local(async move {
            let picture = async {
                let module: PictureModule = load_module("picture.js").await?.unchecked_into();
                JsFuture::from(module.png(&figure(&sheet), SCALE)?).await
            };
            match picture.await {
                Ok(blob) => download_blob(&sheet.file_name("attention.png"), &blob.unchecked_into::<Blob>()),
                Err(error) => {
                    let _ =
                        trouble.try_set(Some(format!("The picture cannot be made: {}.", message(&error))));
                }
            }
        });
    };
    let as_csv = move |_| {
        if let Some(sheet) = make() {
            download(&sheet.file_name("attention.csv"), &attention_csv(&sheet));
        }
    };
    let as_page = move |_| {
        if let Some(sheet) = make() {
            download(&sheet.file_name("molecule.html"), &page(&sheet));
        }
    };
    let as_sdf = move |_| {
        let asked = explorer.coordinates_of(&open, &[position as u32]);
        spawn_local(async move {
            let words = match asked.await {
                Err(reason) => Some(format!("The coordinates cannot be read: {reason}.")),
                Ok(molecules) => {
                    let Some(sheet) = sheet.try_with_value(|make| make()).flatten() else { return };
                    let text =
                        molecules.iter().map(|records| conformers_sdf(&sheet, records)).collect::<String>();
                    if text.is_empty() {
                        Some("The bundle has no coordinates of this molecule.".into())
                    } else {
                        download(&sheet.file_name("conformers.sdf"), &text);
                        None
                    }
                }
            };
            let _ = trouble.try_set(words);
        });
    };
    let disabled = move || prediction.read().is_none();
    view! {
        <section class="sharing" id="sharing" aria-labelledby="sharing-heading">
            <h3 id="sharing-heading">"Take it along"</h3>
            <p class="faint">"Structure and attention map of this molecule, and the numbers behind them."</p>
            <div class="exports">
                <button type="button" disabled=disabled on:click=as_svg title="For print: lines and text stay sharp">"Figure (SVG)"</button>
                <button type="button" disabled=disabled on:click=as_png title="For slides">"Figure (PNG)"</button>
                <button type="button" disabled=disabled on:click=as_csv title="A row for each conformer">"Attention (CSV)"</button>
                {has_coordinates.then(|| view! {
                    <button type="button" disabled=disabled on:click=as_sdf title="With attention as properties">"Conformers (SDF)"</button>
                })}
                <button type="button" disabled=disabled on:click=as_page title="One file that opens in any browser">"Page (HTML)"</button>
            </div>
            <p class="faint" role="status">{move || trouble.get()}</p>
        </section>
    }
}

fn sheet(explorer: Explorer, bundle: &OpenBundle, position: usize, prediction: &Prediction) -> Sheet {
    let molecule = &bundle.molecules()[position];
    let manifest = &bundle.manifest;
    let attention: Vec<_> = prediction.attention().collect();
    let count = molecule.conformers.len();
    let tasks = manifest.schema.tasks.iter().enumerate().filter_map(|(task, about)| {
        Some(TaskLine {
            name: about.name.clone(),
            description: about.description.clone(),
            probability: prediction.probability(task)?,
            standing: standing(explorer, task, prediction.probability(task)?),
            threshold: untrack(|| explorer.threshold(bundle, task)),
            label: molecule.labels.as_ref().and_then(|labels| labels.get(task).copied()),
            attention: attention.get(task * count..(task + 1) * count)?.to_vec(),
        })
    });
    let data = manifest.data_source.as_ref();
    Sheet {
        id: molecule.id.clone(),
        smiles: molecule.smiles.clone(),
        structure: None,
        conformers: molecule.conformers.clone(),
        tasks: tasks.collect(),
        source: Source {
            bundle: bundle.name.clone(),
            producer: manifest.producer.clone(),
            created: manifest.created.clone(),
            models: manifest.models.len(),
            molecules: bundle.molecules().len(),
            data: data.map(|data| format!("{} ({})", data.citation, data.licence)),
        },
    }
}

/// Where a probability stands among those of all molecules of the bundle; nothing until all are predicted.
pub fn standing(explorer: Explorer, task: usize, probability: Estimate) -> Option<Standing> {
    explorer.numbers.with_value(|numbers| {
        let all = numbers.of_quantity(Quantity::Probability(task))?;
        Standing::among(all, probability.mean, probability.std)
    })
}
