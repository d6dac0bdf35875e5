//! What to look at first, for who has never been here; once it is read, it does not come back.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use super::focus::focus_on_content;
use super::state::Explorer;

/// Under what the browser remembers that it was read.
const KEY: &str = "optimil-first-visit";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = localStorage, js_name = getItem, catch)]
    fn recall(key: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(js_namespace = localStorage, js_name = setItem, catch)]
    fn remember(key: &str, value: &str) -> Result<(), JsValue>;
}

/// Three steps, until they are dismissed.
#[component]
pub fn FirstVisit() -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    // A browser that remembers nothing would show them again and again.
    let read = recall(KEY).map_or(true, |known| known.is_some());
    let shown = RwSignal::new(!read);
    let dismiss = move |_| {
        shown.set(false);
        focus_on_content(explorer);
        // Where it is refused, they are gone until the page is loaded again.
        let _ = remember(KEY, "read");
    };
    view! {
        <Show when=move || shown.get()>
            <section class="first-visit" aria-labelledby="first-visit-heading">
                <div>
                    <h2 id="first-visit-heading">"How to read this"</h2>
                    <ol>
                        <li>
                            "Each row is a compound, each bar how likely the model holds it to be positive in a task; ● and ○ are known "
                            "positives and negatives. Click a heading to sort, set ranges to narrow the list."
                        </li>
                        <li>
                            "Choose a compound: the map shows at which of its conformers each task looks. Whether the answer really "
                            "rests on them is tested below it."
                        </li>
                        <li>
                            "Behind each \"?\" stands what a number is and where it misleads. \"Copy link\" gives a colleague exactly what "
                            "you see."
                        </li>
                    </ol>
                </div>
                <button type="button" on:click=dismiss>"Got it"</button>
            </section>
        </Show>
    }
}
