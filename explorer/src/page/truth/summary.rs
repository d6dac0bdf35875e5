//! All tasks: prediction, uniform attention, effective number of conformers, agreement.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::ensemble::Estimate;
use shared_model::explain::TaskExplanation;

use super::agreement::agreement;
use super::{Shown, explanation, texts};
use crate::page::estimate::in_words;
use crate::page::help::Help;
use crate::page::molecule_table::breakable;
use crate::page::state::{Explorer, OpenBundle};

/// A row a task; its radio button chooses the task whose conformers are shown below.
#[component]
pub fn TaskTests(bundle: Arc<OpenBundle>, position: usize, shown: Shown) -> impl IntoView {
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        view! { <TaskRow name=about.name.clone() task position shown/> }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Tests of each task">
            <table id="truth-tasks">
                <thead>
                    <tr>
                        <th scope="col">"Task"</th>
                        <th scope="col" class="number">"Probability"<Help text=texts::PROBABILITY/></th>
                        <th scope="col" class="number">"Uniform attention"<Help text=texts::UNIFORM/></th>
                        <th scope="col" class="number">"Effective conformers"<Help text=texts::EFFECTIVE/></th>
                        <th scope="col" class="number">"Agreement"<Help text=texts::AGREEMENT/></th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn TaskRow(name: String, task: usize, position: usize, shown: Shown) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let chosen = move || explorer.task.get() == task;
    let explained = Memo::new(move |_| explanation(shown, task));
    let all = Memo::new(move |_| {
        let off = shown.with(|shown| shown.as_ref().is_some_and(|shown| shown.question.on.contains(&false)));
        let of_all = explorer.predictions.with(|known| known.get(position)?.as_ref()?.probability(task));
        of_all.filter(|_| off)
    });
    let value = move |of: fn(&TaskExplanation) -> Option<f32>| {
        move || explained.with(|explained| explained.as_ref().and_then(of).map(|value| value.to_string()))
    };
    let estimate = move |of: fn(&TaskExplanation) -> Estimate| {
        move || explained.with(|explained| explained.as_ref().map(|explained| in_words(of(explained), 3)))
    };
    view! {
        <tr class:chosen=chosen>
            <th scope="row">
                <label>
                    <input
                        type="radio"
                        name="truth-task"
                        prop:checked=chosen
                        on:change=move |_| explorer.choose_task(task)
                    />
                    <span>{breakable(&name)}</span>
                </label>
            </th>
            <td class="number probability" data-value=value(|task| Some(task.probability.mean))>
                {estimate(|task| task.probability)}
                {move || all.get().map(|all| view! {
                    <span class="all">{format!("all on: {}", in_words(all, 3))}</span>
                })}
            </td>
            <td class="number uniform" data-value=value(|task| Some(task.uniform_probability.mean))>
                {estimate(|task| task.uniform_probability)}
            </td>
            <td class="number effective" data-value=value(|task| Some(task.effective_conformers))>
                {move || explained.with(|explained| explained.as_ref().map(|explained| {
                    format!("{:.1} of {}", explained.effective_conformers, explained.attention.len())
                }))}
            </td>
            <td class="number agreement" data-value=value(|task| task.agreement)>
                {move || explained.with(|explained| explained.as_ref().map(|explained| {
                    agreement(explained.agreement, explained.attention.len())
                }))}
            </td>
        </tr>
    }
}
