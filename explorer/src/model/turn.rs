//! Letting messages in: they are delivered between turns of the event loop, and computing on the CPU never ends one.

use js_sys::Promise;
use wasm_bindgen_futures::JsFuture;

use super::scope;

/// Waits for the next turn.
pub async fn next_turn() {
    let timer = Promise::new(&mut |resolve, _| {
        scope().set_timeout_with_callback(&resolve).expect("workers have timers");
    });
    JsFuture::from(timer).await.expect("a timer is never rejected");
}
