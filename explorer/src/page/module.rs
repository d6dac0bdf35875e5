//! JavaScript modules that are loaded when they are wanted.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Loads a module of the page's own folder (`start.js`).
    #[wasm_bindgen(catch, js_name = loadModule)]
    pub async fn load_module(name: &str) -> Result<JsValue, JsValue>;
}

/// What a caught error says.
pub fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => error.as_string().unwrap_or_else(|| "it fails".into()),
    }
}
