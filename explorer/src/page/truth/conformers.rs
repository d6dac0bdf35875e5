//! The conformers of one task: attention beside what leaving each out does; each can be switched off.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::ensemble::Estimate;
use shared_model::explain::{LeftOut, TaskExplanation};

use super::agreement::signed;
use super::{Shown, explanation, texts};
use crate::page::estimate::in_words;
use crate::page::focus::focus_on;
use crate::page::help::Help;
use crate::page::state::{Explorer, OpenBundle};

/// Changes of the logit below this are drawn small, or rounding would look like an effect.
const SMALLEST_SCALE: f32 = 0.02;

/// What is shown of a conformer that is on.
#[derive(Clone, Copy, PartialEq)]
struct Tested {
    attention: Estimate,
    left_out: Option<LeftOut>,
    largest_attention: f32,
    largest_change: f32,
}

/// A row a conformer, for the task that is looked at.
#[component]
pub fn ConformerTests(bundle: Arc<OpenBundle>, position: usize, shown: Shown) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let molecule = &bundle.molecules()[position];
    let conformers = molecule.conformers.len();
    let task = Memo::new(move |_| explanation(shown, explorer.task.get()));
    let rows = molecule.conformers.iter().enumerate().map(|(conformer, name)| {
        let tested = Memo::new(move |_| {
            let on = shown.with(|shown| shown.as_ref().map(|shown| shown.question.on.clone()))?;
            task.with(|task| tested(task.as_ref()?, &on, conformer))
        });
        view! { <ConformerRow name=name.clone() conformer tested/> }
    });
    // The button is disabled by what it does.
    let all_on = move |_| {
        explorer.view.update(|view| view.off.clear());
        focus_on("#truth-conformers input");
    };
    let off = move || explorer.on.with(|on| on.iter().filter(|on| !**on).count());
    view! {
        <div class="switches">
            <span role="status">
                {move || match off() {
                    0 => format!("All {conformers} conformers are on: switch some off, and the model predicts without them."),
                    off => format!("{off} of {conformers} conformers are off: all numbers here are without them."),
                }}
            </span>
            <button type="button" disabled=move || off() == 0 on:click=all_on>
                "Switch all on"
            </button>
        </div>
        <div class="wide tall" tabindex="0" role="group" aria-label="Tests of each conformer">
            <table id="truth-conformers">
                <thead>
                    <tr>
                        <th scope="col">"Conformer"</th>
                        <th scope="col">"Attention"<Help text=texts::ATTENTION/></th>
                        <th scope="col">"Change when left out"<Help text=texts::LEFT_OUT/></th>
                        <th scope="col" class="number without">"Probability without"<Help text=texts::WITHOUT/></th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

/// What is shown of a conformer; nothing of one that is off.
fn tested(task: &TaskExplanation, on: &[bool], conformer: usize) -> Option<Tested> {
    if !*on.get(conformer)? {
        return None;
    }
    let place = on[..conformer].iter().filter(|on| **on).count();
    let left_out = task.left_out.as_deref().unwrap_or_default();
    Some(Tested {
        attention: *task.attention.get(place)?,
        left_out: left_out.get(place).copied(),
        largest_attention: task.attention.iter().map(|weight| weight.mean).fold(0.0, f32::max),
        largest_change: left_out.iter().map(|l| l.logit_change.mean.abs()).fold(SMALLEST_SCALE, f32::max),
    })
}

#[component]
fn ConformerRow(name: String, conformer: usize, tested: Memo<Option<Tested>>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let on = explorer.on;
    // While another molecule takes the place of this one there may be fewer.
    let is_on = move || on.with(|on| on.get(conformer).copied().unwrap_or(true));
    // There is no prediction of nothing.
    let is_last = move || is_on() && on.with(|on| on.iter().filter(|on| **on).count()) == 1;
    let switched = name.clone();
    let switch = move |_| explorer.view.update(|view| view.switch(&switched));
    let change = move || tested.get().and_then(|tested| Some((tested, tested.left_out?.logit_change)));
    let without = move || tested.get().and_then(|tested| Some(tested.left_out?.probability));
    let number = |estimate: Option<Estimate>| estimate.map(|estimate| estimate.mean.to_string());
    view! {
        <tr class:off=move || !is_on()>
            <th scope="row">
                <label>
                    <input type="checkbox" prop:checked=is_on disabled=is_last on:change=switch/>
                    <span>{name}</span>
                </label>
            </th>
            <td class="weight" data-value=move || number(tested.get().map(|tested| tested.attention))>
                {move || tested.get().map(|tested| {
                    let share = 100.0 * tested.attention.mean / tested.largest_attention;
                    view! {
                        <span class="value">{in_words(tested.attention, 3)}</span>
                        <span class="bar" aria-hidden="true">
                            <span class="length" style:width=format!("{share:.1}%")></span>
                        </span>
                    }
                })}
            </td>
            <td class="change" data-value=move || number(change().map(|(_, change)| change))>
                {move || change().map(|(tested, change)| {
                    let length = 50.0 * change.mean.abs() / tested.largest_change;
                    let left = if change.mean < 0.0 { 50.0 - length } else { 50.0 };
                    let spread = change.std.map(|std| format!("\u{a0}±\u{a0}{std:.3}"));
                    view! {
                        <span class="value">{signed(change.mean, 3)}{spread}</span>
                        <span class="balance" class:negative=change.mean < 0.0 aria-hidden="true">
                            <span
                                class="length"
                                style:left=format!("{left:.1}%")
                                style:width=format!("{length:.1}%")
                            ></span>
                        </span>
                    }
                })}
            </td>
            <td class="number without" data-value=move || number(without())>
                {move || without().map(|without| in_words(without, 3))}
            </td>
        </tr>
    }
}
