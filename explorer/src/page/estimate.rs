//! A number that the model tells, with its spread over the members of an ensemble: in words, as a bar, as a whisker.

use leptos::prelude::*;

use shared_model::ensemble::Estimate;

use super::model_run::ModelStatus;

/// What stands for a number that the model has not told: it is on its way, or will not come.
pub fn unknown(status: &ModelStatus) -> &'static str {
    if status.is_silent() { "–" } else { "…" }
}

/// "0.631", or "0.631 ± 0.080" where there is a spread.
pub fn in_words(estimate: Estimate, decimals: usize) -> String {
    let Estimate { mean, std } = estimate;
    match std {
        None => format!("{mean:.decimals$}"),
        Some(std) => format!("{mean:.decimals$}\u{a0}±\u{a0}{std:.decimals$}"),
    }
}

/// What the two numbers of an estimate are.
pub const EXPLANATION: &str = "mean ± standard deviation over the members of the ensemble";

/// A probability as a bar from 0 to 1, with a whisker where there is a spread.
pub fn probability_bar(
    estimate: impl Fn() -> Option<Estimate> + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let share = move || format!("{:.1}%", 100.0 * estimate().map_or(0.0, |estimate| estimate.mean));
    view! {
        <span class="bar" aria-hidden="true">
            <span class="length" style:width=share></span>
            {move || estimate().map(|estimate| whisker(estimate, 1.0))}
        </span>
    }
}

/// One standard deviation to either side, on a scale from 0 to `largest`; nothing where there is no spread.
pub fn whisker(estimate: Estimate, largest: f32) -> Option<impl IntoView> {
    whisker_place(estimate, largest)
        .map(|[left, width]| view! { <span class="whisker" style:left=left style:width=width></span> })
}

/// Where a whisker begins and how long it is, as CSS lengths.
pub fn whisker_place(Estimate { mean, std }: Estimate, largest: f32) -> Option<[String; 2]> {
    let percent = |value: f32| 100.0 * (value / largest).clamp(0.0, 1.0);
    let (low, high) = (percent(mean - std?), percent(mean + std?));
    Some([format!("{low:.1}%"), format!("{:.1}%", high - low)])
}
