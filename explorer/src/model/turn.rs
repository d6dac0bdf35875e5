//! Letting messages in: they are delivered between turns of the event loop, and computing on the CPU never ends one.

use js_sys::Promise;
use wasm_bindgen_futures::JsFuture;

use super::scope;

/// Waits for the next turn.
pub async fn next_turn() {
    pause(0.0).await;
}

/// Waits for some milliseconds.
pub async fn pause(milliseconds: f64) {
    let timer = Promise::new(&mut |resolve, _| {
        let set =
            scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds as i32);
        set.expect("workers have timers");
    });
    JsFuture::from(timer).await.expect("a timer is never rejected");
}
