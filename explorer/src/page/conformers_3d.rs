//! The conformers in 3D: the one that is looked at, or all of them laid on each other, coloured by attention.

use std::sync::Arc;

use leptos::html::Div;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use super::attention::Looked;
use super::focus::focus_on;
use super::module::{load_module, message};
use super::state::{Explorer, OpenBundle};
use explorer::colour::viridis;
use explorer::coordinates::Records;
use explorer::superposition::superpose;
use explorer::view::Screen;

#[wasm_bindgen]
extern "C" {
    /// `conformer-viewer.js`.
    type ViewerModule;
    #[wasm_bindgen(method, catch)]
    fn mount(
        this: &ViewerModule,
        place: &HtmlElement,
        choose: &JsValue,
        look: &JsValue,
    ) -> Result<Viewer, JsValue>;

    #[derive(Clone)]
    type Viewer;
    #[wasm_bindgen(method)]
    fn show(this: &Viewer, scene: &JsValue);
    #[wasm_bindgen(method)]
    fn remove(this: &Viewer);
}

/// What the viewer shows.
#[derive(Serialize)]
struct Scene {
    /// The molecule: another one is another set of models.
    key: String,
    conformers: Vec<Model>,
    chosen: Option<usize>,
    looked: Option<usize>,
    overlay: bool,
    hydrogens: bool,
}

#[derive(Serialize)]
struct Model {
    sdf: String,
    colour: String,
}

/// The conformers of a molecule in 3D. On the screen of the molecule they come by themselves, elsewhere on demand.
#[component]
pub fn Conformers3d(bundle: Arc<OpenBundle>, position: usize, looked: Looked) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    if !bundle.has_coordinates() {
        return view! {
            <p class="faint">
                "No coordinates travel with this bundle: write it with "<code>"--conformers"</code>
                " to see the conformers in 3D."
            </p>
        }
        .into_any();
    }
    let asked = RwSignal::new(false);
    let wanted = Memo::new(move |_| asked.get() || explorer.screen.get() == Screen::Molecule);
    let ask = move |_| {
        asked.set(true);
        focus_on("#space-heading");
    };
    let contents = move || {
        if wanted.get() {
            view! { <Coordinated bundle=bundle.clone() position looked/> }.into_any()
        } else {
            view! {
                <button type="button" id="show-3d" on:click=ask>"Show the conformers in 3D"</button>
            }
            .into_any()
        }
    };
    view! {
        <section class="space" aria-labelledby="space-heading">
            <h3 id="space-heading" tabindex="-1">"Conformers in 3D"</h3>
            {contents}
        </section>
    }
    .into_any()
}

/// Waits for the coordinates.
#[component]
fn Coordinated(bundle: Arc<OpenBundle>, position: usize, looked: Looked) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let found = RwSignal::new(None::<Result<Records, String>>);
    let asked = explorer.coordinates_of(&bundle, &[position as u32]);
    spawn_local(async move {
        let records = asked.await.map(|molecules| molecules.into_iter().next().unwrap_or_default());
        // The person may have gone on meanwhile.
        let _ = found.try_set(Some(records));
    });
    move || match found.get() {
        None => view! { <p class="faint" role="status">"Reading the coordinates …"</p> }.into_any(),
        Some(Err(reason)) => {
            view! { <p class="faint">{format!("The coordinates cannot be read: {reason}.")}</p> }.into_any()
        }
        Some(Ok(records)) => {
            let known = records.iter().enumerate();
            let (numbers, records): (Vec<usize>, Vec<&str>) =
                known.filter_map(|(number, record)| Some((number, record.as_deref()?))).unzip();
            if records.is_empty() {
                let words = "The bundle has no coordinates of this molecule.";
                return view! { <p class="faint">{words}</p> }.into_any();
            }
            let models = superpose(&records);
            view! { <Space bundle=bundle.clone() position looked numbers models/> }.into_any()
        }
    }
}

/// The viewer itself; `numbers` are the positions in the molecule of the conformers that have a model.
#[component]
fn Space(
    bundle: Arc<OpenBundle>,
    position: usize,
    looked: Looked,
    numbers: Vec<usize>,
    models: Vec<String>,
) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let place = NodeRef::<Div>::new();
    let viewer = RwSignal::new_local(None::<Viewer>);
    let trouble = RwSignal::new(None::<String>);
    let (overlay, hydrogens) = (RwSignal::new(models.len() > 1), RwSignal::new(false));
    let several = models.len() > 1;
    let numbers = StoredValue::new(numbers);
    // The viewer calls these as long as it is there.
    let choose = Closure::<dyn Fn(usize)>::new(move |model: usize| {
        if let Some(number) = numbers.with_value(|numbers| numbers.get(model).copied()) {
            explorer.choose_conformer(number);
        }
    });
    let look = Closure::<dyn Fn(Option<usize>)>::new(move |model: Option<usize>| {
        looked.set(model.and_then(|model| numbers.with_value(|numbers| numbers.get(model).copied())));
    });
    let callbacks = StoredValue::new_local((choose, look));
    place.on_load(move |element| {
        spawn_local(async move {
            let mounted = async {
                let module: ViewerModule = load_module("conformer-viewer.js").await?.unchecked_into();
                // The person may have gone on meanwhile.
                callbacks
                    .try_with_value(|(choose, look)| module.mount(&element, choose.as_ref(), look.as_ref()))
                    .transpose()
            };
            match mounted.await {
                Ok(Some(mounted)) => viewer.set(Some(mounted)),
                Ok(None) => {}
                Err(error) => {
                    let _ = trouble.try_set(Some(message(&error)));
                }
            }
        });
    });
    on_cleanup(move || {
        if let Some(viewer) = viewer.try_get_untracked().flatten() {
            viewer.remove();
        }
    });

    let key = format!("{} {position}", bundle.number);
    let conformers = bundle.molecules()[position].conformers.len();
    Effect::new(move |_| {
        let Some(viewer) = viewer.get() else { return };
        let task = explorer.task.get();
        let weights: Vec<f32> = explorer
            .predictions
            .with(|known| {
                let prediction = known.get(position).and_then(Option::as_ref);
                prediction.map(|prediction| prediction.attention[task * conformers..][..conformers].to_vec())
            })
            .unwrap_or_default();
        let largest = weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let chosen = explorer.conformer.get();
        let model_of = |number: Option<usize>| {
            numbers.with_value(|numbers| numbers.iter().position(|&known| Some(known) == number))
        };
        let models = models.iter().zip(numbers.get_value()).map(|(sdf, number)| Model {
            sdf: sdf.clone(),
            colour: match weights.get(number) {
                Some(weight) => viridis(weight / largest).background,
                None => "rgb(128 128 128)".into(),
            },
        });
        let scene = Scene {
            key: key.clone(),
            conformers: models.collect(),
            chosen: model_of(chosen).or(Some(0)),
            looked: model_of(looked.get()),
            overlay: overlay.get(),
            hydrogens: hydrogens.get(),
        };
        viewer.show(&serde_wasm_bindgen::to_value(&scene).expect("a scene is plain data"));
    });

    let names = bundle.molecules()[position].conformers.clone();
    let tasks: Vec<String> = bundle.manifest.schema.tasks.iter().map(|task| task.name.clone()).collect();
    let caption = move || {
        let shown = explorer.conformer.get().unwrap_or(0);
        let task = tasks.get(explorer.task.get()).cloned().unwrap_or_default();
        format!("Conformer {}; carbon is coloured by the attention of {task}.", names[shown])
    };
    view! {
        <div hidden=move || trouble.get().is_some()>
            <div
                class="viewer"
                id="viewer"
                node_ref=place
                tabindex="0"
                role="application"
                aria-label="Conformers in 3D: arrow keys turn, plus and minus zoom, 0 shows all, n and p go to the next and the previous conformer"
            ></div>
            <div class="space-options">
                <span role="status">{caption}</span>
                {several.then(|| view! {
                    <label>
                        <input type="checkbox" id="overlay" prop:checked=overlay on:change:target=move |event| overlay.set(event.target().checked())/>
                        "All conformers, laid on the first"
                    </label>
                })}
                <label>
                    <input type="checkbox" id="hydrogens" prop:checked=hydrogens on:change:target=move |event| hydrogens.set(event.target().checked())/>
                    "Hydrogens"
                </label>
            </div>
        </div>
        {move || trouble.get().map(|reason| view! {
            <p class="faint" id="no-3d">{format!("The conformers cannot be shown in 3D: {reason}. Everything else works without.")}</p>
        })}
    }
}
