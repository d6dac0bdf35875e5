//! Figures that the report and the page share, as SVG in HTML: one style, whose colours come from the style sheet around
//! them.

mod assessment;
mod chart;
mod scatter;
mod search;
mod text;

pub use assessment::{Cut, enrichment, histogram, precision_recall, reliability, roc};
pub use chart::{Along, Axis, Chart, Figure, ForestRow, ReadOut, Style, forest};
pub use scatter::{MOST_DOTS, ScatterPoint, scatter};
pub use search::{history, importance, name_trial_states, trial_dot};
pub use text::{escape, signed};
