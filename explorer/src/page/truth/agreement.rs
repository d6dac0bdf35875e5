//! Whether attention and effect agree, in words.

use leptos::prelude::*;

/// Fewer conformers than this tell nothing by their order.
const FEWEST: usize = 4;

/// A rank correlation with a badge that says what it means.
pub fn agreement(correlation: Option<f32>, conformers: usize) -> impl IntoView {
    let Some(correlation) = correlation else {
        return view! { <span title="Attention, or the changes, are the same for all conformers.">"–"</span> }
            .into_any();
    };
    let (class, words) = match correlation {
        _ if conformers < FEWEST => ("badge", "few conformers"),
        agrees if agrees >= 0.7 => ("badge agrees", "agrees"),
        partly if partly >= 0.3 => ("badge", "in part"),
        _ => ("badge disagrees", "disagrees"),
    };
    view! { {signed(correlation, 2)} " " <span class=class>{words}</span> }.into_any()
}

/// A number with its sign, a true minus.
pub fn signed(number: f32, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", number.abs());
    // What rounds to zero has no sign.
    match digits.contains(|digit: char| digit.is_ascii_digit() && digit != '0') {
        false => digits,
        true if number < 0.0 => format!("−{digits}"),
        true => format!("+{digits}"),
    }
}
