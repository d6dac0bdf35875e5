//! The bar that shows how far a long piece of work is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of unknown length; hidden where standard error is no terminal.
pub(super) fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style =
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  elapsed {elapsed}, at most {eta} left");
    bar.set_style(style.expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
