//! The page: opens bundles, shows their molecules and what the model says of them.

mod attention;
mod bundle_file;
mod compare;
mod conformers_3d;
mod coordinates;
mod device_control;
mod download;
mod estimate;
mod figure;
mod first_visit;
mod focus;
mod help;
mod history;
mod layout;
mod model_page;
mod model_run;
mod module;
mod molecule;
mod molecule_table;
mod navigation;
mod notice;
mod parts;
mod sharing;
mod state;
mod structure;
mod truth;
mod worker;
mod workspace;

use web_sys::console;

/// Draws the page into the document's body.
pub fn run() {
    std::panic::set_hook(Box::new(|panic| console::error_1(&panic.to_string().into())));
    leptos::mount::mount_to_body(layout::Page);
}
