//! A threshold that can be moved, and what it makes of the predictions.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::figures::Cut;
use shared_model::metrics::{Confusion, Estimate};

use super::performance::{in_brackets, labelled_scores};
use super::texts;
use crate::page::help::Help;
use crate::page::state::{Explorer, OpenBundle};

/// The control and the confusion matrix; `cut` follows for the charts.
#[component]
pub fn Threshold(
    bundle: Arc<OpenBundle>,
    task: usize,
    molecules: Vec<u32>,
    cut: RwSignal<Option<Cut>>,
) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let name = bundle.manifest.schema.tasks[task].name.clone();
    let usual = bundle.usual_threshold(task);
    let threshold = {
        let bundle = bundle.clone();
        Memo::new(move |_| explorer.threshold(&bundle, task))
    };
    let scores = labelled_scores(explorer, &bundle, &molecules, task);
    let confusion = Memo::new(move |_| {
        let threshold = f64::from(threshold.get());
        let molecules = scores.iter().map(|&(positive, score)| (positive, f64::from(score)));
        Confusion::at(threshold, molecules)
    });
    Effect::new(move |_| {
        cut.set(Some(Cut { threshold: f64::from(threshold.get()), confusion: confusion.get() }));
    });
    let choose = {
        let name = name.clone();
        move |text: String| {
            if let Some(value) = text.parse().ok().filter(|value: &f32| (0.0..=1.0).contains(value)) {
                explorer.view.update(|view| {
                    view.thresholds.insert(name.clone(), value);
                });
            }
        }
    };
    let reset = {
        let name = name.clone();
        move |_| {
            explorer.view.update(|view| {
                view.thresholds.remove(&name);
            });
        }
    };
    let moved = move || threshold.get() != usual;
    let back = match &bundle.manifest.thresholds {
        Some(_) => format!("Back to the model's own, {usual:.3}"),
        None => format!("Back to {usual:.1}"),
    };
    let (slide, write) = (choose.clone(), choose);
    let cell = move |class: &'static str, of: fn(&Confusion) -> usize| {
        view! { <td class=format!("number {class}")>{move || confusion.with(of)}</td> }.into_any()
    };
    let share = move |class: &'static str, of: fn(&Confusion) -> Option<Estimate>, nothing: &'static str| {
        let estimate = move || confusion.with(of);
        view! {
            <dd class=class data-value=move || estimate().map(|estimate| estimate.value.to_string())>
                {move || match estimate() {
                    Some(estimate) => in_brackets(estimate, 3).into_any(),
                    None => view! { <span class="faint">{nothing}</span> }.into_any(),
                }}
            </dd>
        }
        .into_any()
    };
    view! {
        <div class="threshold">
            <div class="threshold-control">
                <label for="threshold">"Flag a molecule from this probability on"</label>
                <input
                    type="range"
                    id="threshold"
                    min="0"
                    max="1"
                    step="0.005"
                    prop:value=move || threshold.get().to_string()
                    on:input:target=move |event| slide(event.target().value())
                />
                <input
                    type="number"
                    id="threshold-number"
                    aria-label="Threshold as a number"
                    min="0"
                    max="1"
                    step="any"
                    prop:value=move || threshold.get().to_string()
                    on:change:target=move |event| write(event.target().value())
                />
                <button type="button" class="quiet" disabled=move || !moved() on:click=reset>{back}</button>
            </div>
            <div class="threshold-numbers">
                <table id="confusion">
                    <caption>"Molecules"<Help text=texts::CONFUSION/></caption>
                    <thead>
                        <tr>
                            <td></td>
                            <th scope="col" class="number">"Flagged"</th>
                            <th scope="col" class="number">"Not flagged"</th>
                        </tr>
                    </thead>
                    <tbody>
                        <tr>
                            <th scope="row">"Positives"</th>
                            {cell("true-positives", |c| c.true_positives)}
                            {cell("false-negatives", |c| c.false_negatives)}
                        </tr>
                        <tr>
                            <th scope="row">"Negatives"</th>
                            {cell("false-positives", |c| c.false_positives)}
                            {cell("true-negatives", |c| c.true_negatives)}
                        </tr>
                    </tbody>
                </table>
                <dl id="shares">
                    <dt>"Precision: flagged that are positives"</dt>
                    {share("precision", Confusion::precision, "nothing is flagged")}
                    <dt>"Recall: positives that are flagged"</dt>
                    {share("recall", Confusion::recall, "there are no positives")}
                    <dt>"Negatives flagged by mistake"</dt>
                    {share("false-alarms", Confusion::false_positive_rate, "there are no negatives")}
                </dl>
            </div>
        </div>
    }
}
