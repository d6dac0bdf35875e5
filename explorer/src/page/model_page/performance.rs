//! How good the model is, measured on the molecules of the bundle that have labels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use leptos::prelude::*;
use shared_model::figures::{self, Cut, Figure, signed};
use shared_model::metrics::{Assessment, ENRICHMENT_FRACTIONS, Estimate};

use super::texts;
use super::threshold::Threshold;
use crate::page::figure::ReadableFigure;
use crate::page::help::Help;
use crate::page::model_run::ModelStatus;
use crate::page::molecule_table::breakable;
use crate::page::state::{Explorer, OpenBundle};
use explorer::labelled::{LabelledSplit, Role, chosen_split, labelled_splits, role};
use explorer::protocol::{Assess, TaskScores};

/// Positives below which a number says little.
const FEW: usize = 30;

/// Assessments of the tasks, as they come in.
pub(super) type Assessments = RwSignal<Vec<Option<Arc<Assessment>>>>;

/// The section; nothing to measure on is said in a sentence.
#[component]
pub fn Performance(bundle: Arc<OpenBundle>) -> impl IntoView {
    let splits = labelled_splits(bundle.molecules(), bundle.manifest.schema.tasks.len());
    let contents = if bundle.molecules().is_empty() {
        let words =
            "No molecules travel with this model: what was measured when it was trained stands below.";
        view! { <p class="faint">{words}</p> }.into_any()
    } else if splits.is_empty() {
        let words =
            "The molecules of this bundle have no labels: there is nothing to compare the predictions with.";
        view! { <p class="faint">{words}</p> }.into_any()
    } else {
        view! { <Measured bundle splits=Arc::new(splits)/> }.into_any()
    };
    view! {
        <section class="card" id="performance" aria-labelledby="performance-heading">
            <h2 id="performance-heading" tabindex="-1">"How good is this model?"</h2>
            {contents}
        </section>
    }
}

#[component]
fn Measured(bundle: Arc<OpenBundle>, splits: Arc<Vec<LabelledSplit>>) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let split = {
        let (bundle, splits) = (bundle.clone(), splits.clone());
        Memo::new(move |_| {
            let wanted = explorer.view.with(|view| view.split.clone());
            chosen_split(&splits, wanted.as_deref(), &bundle.manifest)
        })
    };
    let assessments: Assessments = RwSignal::new(Vec::new());
    collect(bundle.clone(), splits.clone(), split, assessments);
    let choose = {
        let splits = splits.clone();
        move |word: String| {
            let name = word.parse().ok().and_then(|at: usize| splits.get(at)).map(|split| split.name.clone());
            explorer.view.update(|view| view.split = name.map(Option::unwrap_or_default));
        }
    };
    let options = splits.iter().enumerate().map(|(at, of)| {
        let words = format!("{} ({})", name_of(of), count(of.molecules.len(), "molecule"));
        view! { <option value=at.to_string() selected=move || split.get() == at>{words}</option> }
    });
    let options = options.collect_view();
    let about = {
        let (bundle, splits) = (bundle.clone(), splits.clone());
        move || splits.get(split.get()).map(|of| standing(of, &bundle))
    };
    let shown = {
        let (bundle, splits) = (bundle.clone(), splits.clone());
        move || {
            let task = explorer.task.get();
            let molecules = splits.get(split.get())?.molecules.clone();
            let assessment = assessments.with(|known| known.get(task).cloned().flatten())?;
            Some(view! { <Task bundle=bundle.clone() task molecules assessment/> })
        }
    };
    let waiting = move || assessments.with(|known| known.iter().any(Option::is_none) || known.is_empty());
    view! {
        <div class="measured-on">
            <label>
                "Measured on "
                <select id="split" on:change:target=move |event| choose(event.target().value())>{options}</select>
            </label>
        </div>
        {about}
        <div class="assessments" aria-busy=move || waiting().to_string()>
            <p class="faint" role="status">{move || waiting().then(|| progress(explorer, assessments))}</p>
            {ranking(&bundle, splits, split, assessments)}
            {shown}
        </div>
    }
}

/// Asks the worker whenever all molecules are predicted or another split is chosen, and takes in what comes.
fn collect(
    bundle: Arc<OpenBundle>,
    splits: Arc<Vec<LabelledSplit>>,
    split: Memo<usize>,
    assessments: Assessments,
) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let explorer = expect_context::<Explorer>();
    let tasks = bundle.manifest.schema.tasks.len();
    let asked = StoredValue::new(None::<u32>);
    let finished = Memo::new(move |_| explorer.status.with(ModelStatus::is_finished));
    Effect::new(move |_| {
        assessments.set(vec![None; tasks]);
        asked.set_value(None);
        let Some(of) = splits.get(split.get()).filter(|_| finished.get()) else { return };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        asked.set_value(Some(number));
        // The task that is looked at comes first.
        let first = explorer.task.get_untracked();
        let order = std::iter::once(first).chain((0..tasks).filter(|&task| task != first));
        let tasks = order.map(|task| scores(explorer, &bundle, of, task)).collect();
        explorer.run.assess(Assess { number, tasks });
    });
    Effect::new(move |_| {
        let Some(answer) = explorer.run.assessed.get() else { return };
        if asked.get_value() == Some(answer.number) {
            assessments.update(|known| {
                if let Some(known) = known.get_mut(answer.task as usize) {
                    *known = Some(Arc::new(answer.assessment.clone()));
                }
            });
        }
    });
}

/// Labels and probabilities of the molecules of a split.
fn scores(explorer: Explorer, bundle: &OpenBundle, split: &LabelledSplit, task: usize) -> TaskScores {
    let (positive, scores) = labelled_scores(explorer, bundle, &split.molecules, task).into_iter().unzip();
    TaskScores { task: task as u32, positive, scores }
}

/// Whether each molecule is a positive of a task, and its probability, where that is there.
pub(super) fn labelled_scores(
    explorer: Explorer,
    bundle: &OpenBundle,
    molecules: &[u32],
    task: usize,
) -> Vec<(bool, f32)> {
    explorer.predictions.with(|predictions| {
        let of = |&molecule: &u32| {
            let label = *bundle.molecules().get(molecule as usize)?.labels.as_ref()?.get(task)?;
            let prediction = predictions.get(molecule as usize)?.as_ref()?;
            Some((label > 0, *prediction.probabilities.get(task)?))
        };
        molecules.iter().filter_map(of).collect()
    })
}

/// Why there are no numbers yet.
fn progress(explorer: Explorer, assessments: Assessments) -> String {
    match explorer.status.get() {
        ModelStatus::NoInputs => {
            "The molecules travel without their features: the model cannot run on them.".into()
        }
        ModelStatus::Failed(_) => "The model has stopped: there are no predictions to measure.".into(),
        ModelStatus::Running { seconds: Some(_), .. } => {
            let (done, all) = assessments.with(|known| (known.iter().flatten().count(), known.len()));
            format!("Drawing molecules a thousand times over for the intervals: {done} of {all} tasks done.")
        }
        _ => "The numbers come when all molecules are predicted.".into(),
    }
}

/// What the molecules of a split were to the training, and what that makes of the numbers.
fn standing(split: &LabelledSplit, bundle: &OpenBundle) -> impl IntoView + use<> {
    let role = role(split, &bundle.manifest);
    let sentence = match role {
        Role::Training => {
            "The model was trained on these molecules. The numbers say how well it remembers them, not how good it is."
        }
        Role::Validation => {
            "The epoch whose weights these are was chosen on these molecules: the numbers are better than those of \
             molecules that were never looked at, the more so the fewer positives there are."
        }
        Role::Unknown => "Whether the model was trained on these molecules, the bundle does not say.",
    };
    let few: Vec<String> = bundle
        .manifest
        .schema
        .tasks
        .iter()
        .zip(&split.positives)
        .filter(|(_, positives)| **positives < FEW)
        .map(|(task, positives)| format!("{} ({positives})", task.name))
        .collect();
    let few = (!few.is_empty()).then(|| {
        let words = format!(
            "Few positives: {}. Other molecules would have given quite different numbers: read the intervals, which may \
             even be too narrow.",
            few.join(", ")
        );
        view! { <p class="caution few">{words}</p> }
    });
    let weighted: Vec<&str> = bundle
        .manifest
        .schema
        .tasks
        .iter()
        .filter(|task| task.weighted_metrics)
        .map(|task| task.name.as_str())
        .collect();
    let weighted = (!weighted.is_empty()).then(|| {
        let words = format!(
            "Every molecule counts the same here. The trainer weighs those of {} by their label weights, which are not in \
             the bundle: its numbers differ a little.",
            weighted.join(", ")
        );
        view! { <p class="faint">{words}</p> }
    });
    view! {
        <p class=if role == Role::Training { "caution" } else { "faint" }>{sentence}</p>
        {few}
        {weighted}
    }
}

/// The ranking of every task; its radio button chooses the task whose charts are shown below.
fn ranking(
    bundle: &OpenBundle,
    splits: Arc<Vec<LabelledSplit>>,
    split: Memo<usize>,
    assessments: Assessments,
) -> impl IntoView + use<> {
    let explorer = expect_context::<Explorer>();
    let rows = bundle.manifest.schema.tasks.iter().enumerate().map(|(task, about)| {
        let chosen = move || explorer.task.get() == task;
        let splits = splits.clone();
        let positives = move || {
            let of = splits.get(split.get())?;
            Some(format!("{} of {}", of.positives.get(task)?, of.molecules.len()))
        };
        let cell = move |class: &'static str, decimals: usize, of: fn(&Assessment) -> Estimate| {
            let estimate = move || {
                assessments
                    .with(|known| known.get(task)?.as_ref().filter(|a| a.has_both_classes()).map(|a| of(a)))
            };
            view! {
                <td class=format!("number {class}") data-value=move || estimate().map(|e| e.value.to_string())
                    data-low=move || estimate().map(|e| e.interval.low.to_string())
                    data-high=move || estimate().map(|e| e.interval.high.to_string())>
                    {move || estimate().map(|estimate| in_brackets(estimate, decimals))}
                </td>
            }
            .into_any()
        };
        view! {
            <tr class:chosen=chosen>
                <th scope="row">
                    <label>
                        <input
                            type="radio"
                            name="model-task"
                            prop:checked=chosen
                            on:change=move |_| explorer.choose_task(task)
                        />
                        <span>{breakable(&about.name)}</span>
                    </label>
                </th>
                <td class="number positives">{positives}</td>
                {cell("precision", 3, |a| a.average_precision)}
                {cell("lift", 1, |a| a.lift)}
                {cell("roc", 3, |a| a.roc_auc)}
                {cell("top-1", 1, |a| a.enrichment[0])}
                {cell("top-5", 1, |a| a.enrichment[1])}
                {cell("top-10", 1, |a| a.enrichment[2])}
                {cell("calibration", 3, |a| a.calibration_error)}
            </tr>
        }
    });
    let rows = rows.collect_view();
    let top = ENRICHMENT_FRACTIONS.map(|share| format!("Top {:.0} %", 100.0 * share));
    let [one, five, ten] = top;
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Ranking of each task">
            <table id="ranking">
                <thead>
                    <tr>
                        <th scope="col">"Task"</th>
                        <th scope="col" class="number">"Positives"</th>
                        <th scope="col" class="number">"Average precision"<Help text=texts::AVERAGE_PRECISION/></th>
                        <th scope="col" class="number">"Lift"<Help text=texts::LIFT/></th>
                        <th scope="col" class="number">"ROC AUC"<Help text=texts::ROC_AUC/></th>
                        <th scope="col" class="number">{one}<Help text=texts::ENRICHMENT/></th>
                        <th scope="col" class="number">{five}</th>
                        <th scope="col" class="number">{ten}</th>
                        <th scope="col" class="number">"Calibration error"<Help text=texts::CALIBRATION/></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

/// The charts of one task and its threshold.
#[component]
fn Task(
    bundle: Arc<OpenBundle>,
    task: usize,
    molecules: Vec<u32>,
    assessment: Arc<Assessment>,
) -> impl IntoView {
    let about = &bundle.manifest.schema.tasks[task];
    let name = about.name.clone();
    let heading = view! {
        <h3 id="task-heading">{breakable(&name)}</h3>
        {about.description.clone().map(|text| view! { <p class="faint">{text}</p> })}
    };
    if !assessment.has_both_classes() {
        let words = "All of these molecules are of one class: there is nothing to rank.";
        return view! { {heading}<p class="faint">{words}</p> }.into_any();
    }
    let cut = RwSignal::new(None::<Cut>);
    let chart = |draw: fn(&str, &Assessment, Option<&Cut>) -> Figure, title: &str| {
        let (task, assessment) = (name.clone(), assessment.clone());
        let figure = Signal::derive(move || cut.with(|cut| draw(&task, &assessment, cut.as_ref())));
        view! { <ReadableFigure name=format!("{title} of {name}") figure/> }.into_any()
    };
    let charts = [
        chart(figures::precision_recall, "Precision and recall"),
        chart(figures::roc, "ROC curve"),
        chart(figures::enrichment, "Enrichment"),
        chart(figures::reliability, "Reliability"),
        chart(figures::histogram, "Probabilities"),
    ];
    view! {
        {heading}
        <Threshold bundle=bundle.clone() task molecules cut/>
        <div class="charts" id="charts">{charts.collect_view()}</div>
        <p class="faint how-to-read">
            <Help text=texts::CURVES/>" how to read the curves "
            <Help text=texts::RELIABILITY/>" how to read reliability and probabilities"
        </p>
    }
    .into_any()
}

/// `0.231 [0.180, 0.302]`
pub(super) fn in_brackets(estimate: Estimate, decimals: usize) -> impl IntoView {
    let [value, low, high] =
        [estimate.value, estimate.interval.low, estimate.interval.high].map(|value| signed(value, decimals));
    view! { {value}" "<small>{format!("[{low}, {high}]")}</small> }
}

fn name_of(split: &LabelledSplit) -> String {
    split.name.clone().unwrap_or_else(|| "molecules of no split".into())
}

/// "1 molecule", "131 molecules".
fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
