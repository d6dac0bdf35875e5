//! Deletion and insertion curves against random order, as a chart.

use leptos::prelude::*;
use shared_model::ensemble::Estimate;
use shared_model::explain::{Curves, TaskExplanation};

use super::texts;
use crate::page::estimate::in_words;
use crate::page::help::Help;

/// Size of the drawing, and of the plot in it, in its own units.
const SIZE: (f32, f32) = (420.0, 220.0);
const LEFT: f32 = 44.0;
const RIGHT: f32 = 12.0;
const TOP: f32 = 10.0;
const BOTTOM: f32 = 40.0;

/// Smallest range of probabilities that fills the height: a flat curve is to look flat.
const SMALLEST_RANGE: f32 = 0.1;

/// The curves of a task, or why there are none.
#[component]
pub fn CurveChart(name: String, explained: TaskExplanation) -> impl IntoView {
    let Some(curves) = explained.curves else {
        let words = match explained.attention.len() {
            1 => "One conformer is on: there is nothing to delete or insert.",
            _ => {
                "All conformers have the same attention: there is no order in which to delete or insert them."
            }
        };
        return view! { <p class="faint">{words}</p> }.into_any();
    };
    let random = if curves.random_is_exact { "Random order" } else { "Random order, drawn" };
    let legend = [
        ("insertion", "Most attention comes first (insertion)", curves.areas.insertion),
        ("deletion", "Most attention goes first (deletion)", curves.areas.deletion),
        ("random", random, curves.areas.random),
    ]
    .map(|(class, words, area)| {
        view! {
            <tr>
                <th scope="row"><span class=format!("swatch {class}") aria-hidden="true"></span>{words}</th>
                <td class="number" data-curve=class data-value=area.mean.to_string()>{in_words(area, 3)}</td>
            </tr>
        }
    });
    view! {
        <figure class="curves">
            {drawing(&name, &curves)}
            <figcaption>
                <table id="truth-areas">
                    <thead>
                        <tr>
                            <th scope="col">"Deletion and insertion"<Help text=texts::CURVES/></th>
                            <th scope="col" class="number">"Area"</th>
                        </tr>
                    </thead>
                    <tbody>{legend.collect_view()}</tbody>
                </table>
            </figcaption>
        </figure>
    }
    .into_any()
}

/// From data to the plot.
struct Scales {
    most: f32,
    low: f32,
    high: f32,
}

impl Scales {
    fn new(curves: &Curves) -> Self {
        let points = || [&curves.deletion, &curves.insertion, &curves.random].into_iter().flatten();
        let least = points().map(|point| point.mean).fold(f32::INFINITY, f32::min);
        let greatest = points().map(|point| point.mean).fold(f32::NEG_INFINITY, f32::max);
        let range = (1.1 * (greatest - least)).clamp(SMALLEST_RANGE, 1.0);
        let low = ((least + greatest - range) / 2.0).clamp(0.0, 1.0 - range);
        let most = curves.kept.last().copied().unwrap_or(2) as f32;
        Self { most, low, high: low + range }
    }

    fn x(&self, kept: u32) -> f32 {
        LEFT + (SIZE.0 - LEFT - RIGHT) * (kept as f32 - 1.0) / (self.most - 1.0)
    }

    fn y(&self, probability: f32) -> f32 {
        let share = (probability - self.low) / (self.high - self.low);
        TOP + (SIZE.1 - TOP - BOTTOM) * (1.0 - share)
    }

    /// Round probabilities, five or so.
    fn probabilities(&self) -> Vec<f32> {
        let step = [0.02, 0.05, 0.1, 0.2].into_iter().find(|step| (self.high - self.low) / step <= 6.0);
        let step = step.unwrap_or(0.25);
        let first = (self.low / step - 1e-3).ceil() as usize;
        (first..).map(|count| count as f32 * step).take_while(|&tick| tick <= self.high + 1e-4).collect()
    }

    /// Numbers of conformers, eight or so, from 1.
    fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let most = self.most as u32;
        (1..=most).step_by(most.div_ceil(8) as usize)
    }
}

fn drawing(name: &str, curves: &Curves) -> impl IntoView + use<> {
    let scales = Scales::new(curves);
    let (width, height) = SIZE;
    let horizontal = scales.probabilities().into_iter().map(|tick| {
        let y = format!("{:.1}", scales.y(tick));
        view! {
            <line class="grid" x1=LEFT.to_string() x2=(width - RIGHT).to_string() y1=y.clone() y2=y.clone()/>
            <text x=(LEFT - 6.0).to_string() y=y text-anchor="end" dominant-baseline="middle">{format!("{tick:.2}")}</text>
        }
    });
    let bottom = height - BOTTOM;
    let vertical = scales.numbers().map(|kept| {
        view! {
            <text x=format!("{:.1}", scales.x(kept)) y=(bottom + 15.0).to_string() text-anchor="middle">
                {kept.to_string()}
            </text>
        }
    });
    let line = |class: &'static str, points: &[Estimate]| {
        let at: Vec<(u32, Estimate, f32, f32)> = curves
            .kept
            .iter()
            .zip(points)
            .map(|(&kept, &point)| (kept, point, scales.x(kept), scales.y(point.mean)))
            .collect();
        let path: Vec<String> = at.iter().map(|(_, _, x, y)| format!("{x:.1},{y:.1}")).collect();
        let marks = at.into_iter().map(|(kept, point, x, y)| {
            view! {
                <circle
                    class=class
                    cx=format!("{x:.1}")
                    cy=format!("{y:.1}")
                    r="2.6"
                    data-curve=class
                    data-kept=kept.to_string()
                    data-value=point.mean.to_string()
                >
                    <title>{format!("{class}, {kept} left: {}", in_words(point, 3))}</title>
                </circle>
            }
        });
        view! {
            <polyline class=class points=path.join(" ")/>
            {marks.collect_view()}
        }
    };
    let label = format!(
        "{name}: probability against the number of conformers left. Areas: insertion {:.3}, deletion {:.3}, random order {:.3}.",
        curves.areas.insertion.mean, curves.areas.deletion.mean, curves.areas.random.mean
    );
    view! {
        <svg viewBox=format!("0 0 {width} {height}") role="img" aria-label=label>
            {horizontal.collect_view()}
            {vertical.collect_view()}
            <text x=((LEFT + width - RIGHT) / 2.0).to_string() y=(height - 6.0).to_string() text-anchor="middle">
                "Conformers left"
            </text>
            {line("random", &curves.random)}
            {line("deletion", &curves.deletion)}
            {line("insertion", &curves.insertion)}
        </svg>
    }
}
