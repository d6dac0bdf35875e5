//! All molecules that both models have predicted, task by task.

use leptos::prelude::*;
use shared_model::figures::{ScatterPoint, scatter, signed};

use super::{Pair, ready, texts};
use crate::page::figure::ReadableFigure;
use crate::page::help::Help;
use crate::page::molecule_table::breakable;
use crate::page::state::Explorer;
use explorer::comparison::{Agreement, agreement};

/// Molecules in the list of those on which the models differ most.
const LISTED: usize = 12;

/// A molecule that both have predicted: its position in A and both probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Compared {
    position: u32,
    a: f32,
    b: f32,
}

#[component]
pub fn Overview(pair: Pair) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let of_task = {
        let pair = pair.clone();
        move |task: usize| if ready(explorer) { compared(explorer, &pair, task) } else { Vec::new() }
    };
    let rows = pair.matching.tasks.iter().map(|&(task, _)| {
        let name = pair.a.manifest.schema.tasks[task].name.clone();
        let of_task = of_task.clone();
        let found = Memo::new(move |_| {
            let pairs: Vec<(f64, f64)> =
                of_task(task).iter().map(|m| (f64::from(m.a), f64::from(m.b))).collect();
            agreement(&pairs)
        });
        task_row(explorer, name, task, found)
    });
    let rows = rows.collect_view();
    let chosen = {
        let (of_task, pair) = (of_task.clone(), pair.clone());
        Memo::new(move |_| {
            let task = explorer.task.get();
            let is_of_both = pair.matching.tasks.iter().any(|&(at, _)| at == task);
            if is_of_both { of_task(task) } else { Default::default() }
        })
    };
    let figure = {
        let pair = pair.clone();
        Signal::derive(move || {
            let task = explorer.task.get();
            let name = pair.a.manifest.schema.tasks[task].name.clone();
            let points: Vec<ScatterPoint> =
                chosen.with(|chosen| chosen.iter().map(|molecule| point(&pair, molecule, task)).collect());
            scatter(&name, ["Probability by A", "Probability by B"], &points)
        })
    };
    let pick = Callback::new(move |at: usize| {
        if let Some(molecule) = chosen.with_untracked(|chosen| chosen.get(at).copied()) {
            explorer.select(molecule.position as usize);
        }
    });
    let farthest = {
        let pair = pair.clone();
        move || {
            let mut molecules = chosen.get();
            molecules.sort_by(|x, y| (y.b - y.a).abs().total_cmp(&(x.b - x.a).abs()));
            molecules.truncate(LISTED);
            molecules.into_iter().map(|molecule| difference_row(explorer, &pair, molecule)).collect_view()
        }
    };
    let task_name = {
        let pair = pair.clone();
        move || breakable(&pair.a.manifest.schema.tasks[explorer.task.get()].name)
    };
    view! {
        <section class="card" aria-labelledby="overview-heading">
            <h2 id="overview-heading">"On all shared molecules"</h2>
            <div class="wide" tabindex="0" role="group" aria-label="Agreement of each task">
                <table id="compare-tasks" class="choice">
                    <thead>
                        <tr>
                            <th scope="col">"Task"</th>
                            <th scope="col" class="number">"Molecules"</th>
                            <th scope="col" class="number">"Rank correlation"<Help text=texts::RANK_CORRELATION/></th>
                            <th scope="col" class="number">"Mean difference"<Help text=texts::DISTANCE/></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <h3>{task_name}</h3>
            <div class="charts" id="compare-charts">
                <ReadableFigure name="Probabilities of both models".to_owned() figure pick/>
                <div>
                    <h4>"Where they differ most"</h4>
                    <table id="compare-farthest">
                        <thead>
                            <tr>
                                <th scope="col">"Molecule"</th>
                                <th scope="col" class="number">"A"</th>
                                <th scope="col" class="number">"B"</th>
                                <th scope="col" class="number">"B − A"</th>
                            </tr>
                        </thead>
                        <tbody>{farthest}</tbody>
                    </table>
                </div>
            </div>
        </section>
    }
}

/// What both say of the molecules that they share, for a task of A.
fn compared(explorer: Explorer, pair: &Pair, task: usize) -> Vec<Compared> {
    let Some(&(_, task_b)) = pair.matching.tasks.iter().find(|(at, _)| *at == task) else {
        return Vec::new();
    };
    explorer.predictions.with(|of_a| {
        explorer.other.predictions.with(|of_b| {
            let of = |&(at_a, at_b): &(u32, u32)| {
                let a = *of_a.get(at_a as usize)?.as_ref()?.probabilities.get(task)?;
                let b = *of_b.get(at_b as usize)?.as_ref()?.probabilities.get(task_b)?;
                Some(Compared { position: at_a, a, b })
            };
            pair.matching.molecules.iter().filter_map(of).collect()
        })
    })
}

fn point(pair: &Pair, molecule: &Compared, task: usize) -> ScatterPoint {
    let about = &pair.a.molecules()[molecule.position as usize];
    ScatterPoint {
        id: about.id.clone(),
        x: molecule.a.into(),
        y: molecule.b.into(),
        positive: about.labels.as_ref().and_then(|labels| labels.get(task)).map(|&label| label > 0),
    }
}

fn task_row(explorer: Explorer, name: String, task: usize, found: Memo<Option<Agreement>>) -> impl IntoView {
    let chosen = move || explorer.task.get() == task;
    let rank = move || found.get().and_then(|found| found.rank_correlation);
    view! {
        <tr class:chosen=chosen>
            <th scope="row">
                <label>
                    <input
                        type="radio"
                        name="compare-task"
                        prop:checked=chosen
                        on:change=move |_| explorer.choose_task(task)
                    />
                    <span>{breakable(&name)}</span>
                </label>
            </th>
            <td class="number">{move || found.get().map(|found| found.molecules)}</td>
            <td class="number rank" data-value=move || rank().map(|rank| rank.to_string())>
                {move || rank().map(|rank| signed(rank, 3))}
            </td>
            <td class="number distance" data-value=move || found.get().map(|found| found.mean_distance.to_string())>
                {move || found.get().map(|found| view! {
                    {signed(found.mean_distance, 3)}" "<small>{format!("[{}]", signed(found.mean_difference, 3))}</small>
                })}
            </td>
        </tr>
    }
}

fn difference_row(explorer: Explorer, pair: &Pair, molecule: Compared) -> impl IntoView + use<> {
    let position = molecule.position as usize;
    let id = pair.a.molecules()[position].id.clone();
    let Compared { a, b, .. } = molecule;
    view! {
        <tr class:chosen=move || explorer.selected.get() == Some(position)>
            <th scope="row">
                <button type="button" class="quiet" on:click=move |_| explorer.select(position)>{id}</button>
            </th>
            <td class="number">{format!("{a:.3}")}</td>
            <td class="number">{format!("{b:.3}")}</td>
            <td class="number difference" data-value=(b - a).to_string()>{signed(f64::from(b - a), 3)}</td>
        </tr>
    }
}
