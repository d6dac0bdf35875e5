//! One molecule as both models see it.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::Molecule;
use shared_model::explain::{ATTENTION_RESOLUTION, effective_number, spearman};
use shared_model::figures::signed;

use super::{Pair, texts};
use crate::page::help::Help;
use crate::page::molecule_table::breakable;
use crate::page::state::Explorer;
use explorer::colour::viridis;
use explorer::comparison::match_conformers;
use explorer::protocol::Prediction;

/// The molecule that is looked at, in both bundles.
#[component]
pub fn ComparedMolecule(pair: Pair) -> impl IntoView {
    let explorer = expect_context::<Explorer>();
    let contents = move || {
        let position = explorer.selected.get()?;
        let a = &pair.a.molecules()[position];
        let Some(at_b) = pair.b.position(&a.id) else {
            let words = format!("B does not have {}: choose another molecule.", a.id);
            return Some(view! { <p class="faint">{words}</p> }.into_any());
        };
        let of_a = explorer.predictions.with(|known| known.get(position).cloned().flatten());
        let of_b = explorer.other.predictions.with(|known| known.get(at_b).cloned().flatten());
        let Some((of_a, of_b)) = of_a.zip(of_b) else {
            return Some(view! { <p class="faint">"Not predicted by both yet."</p> }.into_any());
        };
        Some(both(&pair, [a, &pair.b.molecules()[at_b]], [of_a, of_b]).into_any())
    };
    let id = move || {
        let position = explorer.selected.get()?;
        explorer.bundle.with(|bundle| Some(bundle.as_ref()?.molecules().get(position)?.id.clone()))
    };
    view! {
        <section class="card" aria-labelledby="compare-molecule">
            <h2 id="compare-molecule">{id}</h2>
            {contents}
        </section>
    }
}

fn both(pair: &Pair, molecules: [&Molecule; 2], predictions: [Arc<Prediction>; 2]) -> impl IntoView + use<> {
    let conformers = match_conformers(molecules[0], molecules[1]);
    let counts = molecules.map(|molecule| molecule.conformers.len());
    // Attention of a side and its task, conformer by conformer.
    let attention = |side: usize, task: usize| -> Vec<f64> {
        let weights = predictions[side].attention.chunks_exact(counts[side]).nth(task);
        weights.unwrap_or_default().iter().map(|&weight| f64::from(weight)).collect()
    };
    let rows = pair.matching.tasks.iter().map(|&(task_a, task_b)| {
        let name = breakable(&pair.a.manifest.schema.tasks[task_a].name);
        let [a, b] = [(0, task_a), (1, task_b)]
            .map(|(side, task)| predictions[side].probabilities.get(task).copied().unwrap_or(f32::NAN));
        let weights = [attention(0, task_a), attention(1, task_b)];
        let effective = weights.clone().map(effective_number);
        let paired: (Vec<f64>, Vec<f64>) =
            conformers.iter().map(|&(a, b)| (weights[0][a], weights[1][b])).unzip();
        let agreement = spearman((&paired.0, ATTENTION_RESOLUTION), (&paired.1, ATTENTION_RESOLUTION));
        let difference = f64::from(b) - f64::from(a);
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="number a" data-value=a.to_string()>{format!("{a:.3}")}</td>
                <td class="number b" data-value=b.to_string()>{format!("{b:.3}")}</td>
                <td class="number difference" data-value=difference.to_string()>{signed(difference, 3)}</td>
                <td class="number">{format!("{:.1} of {}", effective[0], counts[0])}</td>
                <td class="number">{format!("{:.1} of {}", effective[1], counts[1])}</td>
                <td class="number agreement" data-value=agreement.map(|value| value.to_string())>
                    {agreement.map_or_else(|| "–".into(), |value| signed(value, 2))}
                </td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    let largest = predictions.iter().flat_map(|of| of.attention.iter().copied()).fold(0.0, f32::max);
    let head: Vec<_> = conformers
        .iter()
        .map(|&(a, _)| view! { <th scope="col">{molecules[0].conformers[a].clone()}</th> })
        .collect();
    let cell = |weight: f64| {
        let colour = viridis(weight as f32 / largest);
        view! {
            <td data-value=weight.to_string() style:background-color=colour.background style:color=colour.text>
                {format!("{weight:.3}")}
            </td>
        }
    };
    let map = pair.matching.tasks.iter().map(|&(task_a, task_b)| {
        let name = pair.a.manifest.schema.tasks[task_a].name.clone();
        let (of_a, of_b) = (attention(0, task_a), attention(1, task_b));
        let cells_a: Vec<_> = conformers.iter().map(|&(a, _)| cell(of_a[a])).collect();
        let cells_b: Vec<_> = conformers.iter().map(|&(_, b)| cell(of_b[b])).collect();
        view! {
            <tr class="first">
                <th scope="rowgroup" rowspan="2">{breakable(&name)}</th>
                <th scope="row"><span class="side side-a">"A"</span></th>
                {cells_a}
            </tr>
            <tr>
                <th scope="row"><span class="side side-b">"B"</span></th>
                {cells_b}
            </tr>
        }
    });
    let map = map.collect_view();
    let lone = [0, 1].map(|side| counts[side] - conformers.len());
    let note = (lone != [0, 0]).then(|| {
        let words = format!(
            "Shown are the conformers of the same name; A has {} others, B has {}. Shares are of all conformers of each.",
            lone[0], lone[1]
        );
        view! { <p class="faint">{words}</p> }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Tasks of the molecule">
            <table id="compare-molecule-tasks">
                <thead>
                    <tr>
                        <th scope="col">"Task"</th>
                        <th scope="col" class="number">"Probability, A"</th>
                        <th scope="col" class="number">"Probability, B"</th>
                        <th scope="col" class="number">"B − A"</th>
                        <th scope="col" class="number">"Effective conformers, A"<Help text=texts::EFFECTIVE/></th>
                        <th scope="col" class="number">"Effective conformers, B"</th>
                        <th scope="col" class="number">"Attention agreement"<Help text=texts::ATTENTION/></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <h3>"Attention of both"</h3>
        <p class="faint">"Share of each task's attention that goes to each conformer, on one scale for both models."</p>
        {note}
        <div class="map" tabindex="0" role="group" aria-label="Attention maps of both models">
            <table id="compare-attention">
                <thead>
                    <tr>
                        <th scope="col">"Task"</th>
                        <th scope="col">"Model"</th>
                        {head}
                    </tr>
                </thead>
                <tbody>{map}</tbody>
            </table>
        </div>
        <p class="scale" aria-hidden="true">
            <span>"0"</span>
            <span class="viridis"></span>
            <span>{format!("{largest:.3}")}</span>
        </p>
    }
}
