//! A device that fails while it computes: the backends panic then, which here becomes an error.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use super::TrainError;

/// Runs on a GPU; a panic inside is a failure of the device.
///
/// The panic's own report, which would come before our sentence, is left out.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, TrainError>) -> Result<T, TrainError> {
    let report = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    panic::set_hook(report);
    result.unwrap_or_else(|payload| Err(TrainError::Device { reason: reason(&*payload) }))
}

/// The first line of what the backend said.
fn reason(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    text.lines().next().unwrap_or_default().trim_end_matches([':', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failed_device_and_names_its_reason() {
        let message = |result: Result<(), TrainError>| result.expect_err("fails").to_string();
        let text = message(guarded(|| panic!("device lost:\n at line 7")));
        assert!(text.contains("(device lost)"), "{text}");
        let text = message(guarded(|| std::panic::panic_any(7)));
        assert!(text.contains("no reason given"), "{text}");
        assert!(guarded(|| Ok(3)).is_ok_and(|three| three == 3));
    }
}
