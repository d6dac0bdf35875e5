//! Is attention telling the truth? The model predicts again without some of the conformers.

mod agreement;
mod conformers;
mod curves;
mod summary;
mod texts;

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::explain::TaskExplanation;

use self::conformers::ConformerTests;
use self::curves::CurveChart;
use self::summary::TaskTests;
use super::model_run::ModelStatus;
use super::state::{Explorer, OpenBundle};
use explorer::protocol::{Explained, Question};

/// The explanation of the molecule that is looked at; while a new one is computed, the one before it.
type Shown = Memo<Option<Arc<Explained>>>;

/// The test of one molecule: all tasks, and the conformers and curves of one.
#[component]
pub fn Truth(bundle: Arc<OpenBundle>, position: usize) -> impl IntoView {
    let conformers = bundle.molecules()[position].conformers.len();
    let contents = if conformers == 1 {
        let words = "This molecule has one conformer: it has all the attention, and without it there is nothing to predict.";
        view! { <p class="faint">{words}</p> }.into_any()
    } else {
        view! { <Tests bundle position/> }.into_any()
    };
    view! {
        <section class="truth" id="truth" aria-labelledby="truth-heading">
            <h3 id="truth-heading">"Is attention telling the truth?"</h3>
            {contents}
        </section>
    }
}

#[component]
fn Tests(bundle: Arc<OpenBundle>, position: usize) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let question = move || Question { molecule: position as u32, on: explorer.on.get() };
    let running =
        Memo::new(move |_| explorer.status.with(|status| matches!(status, ModelStatus::Running { .. })));
    Effect::new(move |_| {
        // For a moment, another molecule may be selected already.
        if running.get() && explorer.selected.get() == Some(position) {
            explorer.run.explain(question());
        }
    });
    let shown: Shown = Memo::new(move |_| {
        let explained = explorer.explained.get();
        explained.filter(|explained| explained.question.molecule == position as u32)
    });
    let stale = move || shown.with(|shown| shown.as_ref().is_some_and(|shown| shown.question != question()));
    // The curves come last; until then, those before them.
    let complete: Shown = Memo::new(move |before: Option<&Option<Arc<Explained>>>| {
        shown.get().filter(|shown| shown.complete).or_else(|| before.cloned().flatten())
    });
    let curves_stale = move || complete.with(|last| shown.with(|shown| last.is_some() && last != shown));
    let silent = move || explorer.status.with(ModelStatus::is_silent);
    let untested = Memo::new(move |_| silent() && shown.with(Option::is_none));
    let incomplete = move || shown.with(|shown| shown.as_ref().is_none_or(|shown| !shown.complete));
    let busy = move || !silent() && (stale() || incomplete());
    let chart = {
        let bundle = bundle.clone();
        move || {
            let task = explorer.task.get();
            let Some(explained) = explanation(complete, task) else {
                return Some(view! { <p class="faint">"The curves are being computed."</p> }.into_any());
            };
            let name = bundle.manifest.schema.tasks.get(task)?.name.clone();
            Some(view! { <CurveChart name explained/> }.into_any())
        }
    };
    let task_name = {
        let bundle = bundle.clone();
        move || bundle.manifest.schema.tasks.get(explorer.task.get()).map(|task| task.name.clone())
    };
    view! {
        <p class="faint">
            "Attention says where the model looks, not why it decides as it does. Here the model predicts again "
            "without each conformer, with equal attention, and while conformers go in the order of attention."
        </p>
        {counts_padding(&bundle).then(|| view! {
            <p class="faint">
                "This model counts padding, as the system that it comes from does: predictions here are those of the "
                "molecule on its own, and may differ a little from those of the table."
            </p>
        })}
        <p class="faint" hidden=move || !untested.get()>
            "The model does not run on this molecule (the line at the top says why): there is nothing to test."
        </p>
        <div
            class="tests"
            hidden=move || untested.get()
            class:stale=stale
            aria-busy=move || busy().to_string()
            data-on=move || shown.with(|shown| shown.as_ref().map(|shown| {
                shown.question.on.iter().filter(|on| **on).count().to_string()
            }))
        >
            <TaskTests bundle=bundle.clone() position shown/>
            <h4>{task_name}</h4>
            <ConformerTests bundle position shown/>
            <div class:stale=curves_stale>{chart}</div>
        </div>
    }
}

/// The explanation of a task, if one is there.
fn explanation(shown: Shown, task: usize) -> Option<TaskExplanation> {
    shown.with(|shown| shown.as_ref()?.tasks.get(task).cloned())
}

/// Whether a model's prediction depends on the molecules that share a batch.
fn counts_padding(bundle: &OpenBundle) -> bool {
    bundle.manifest.models.iter().any(|model| {
        let pool = &model.config.aggregator_kwargs;
        let selects = pool.topk_n.is_some_and(|instances| instances > 1);
        pool.count_padding && (pool.residual_pooling || selects)
    })
}
