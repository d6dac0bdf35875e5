//! What the bundle says of its model.

use std::sync::Arc;

use leptos::prelude::*;
use shared_model::bundle::{Interval, Manifest, ModelEntry, TrainingSummary};

use crate::page::estimate::EXPLANATION;
use crate::page::state::OpenBundle;

/// The model card.
#[component]
pub fn ModelCard(bundle: Arc<OpenBundle>) -> impl IntoView {
    let manifest = &bundle.manifest;
    let features = format!(
        "{} of the molecule, {} of a conformer",
        manifest.features_2d.len(),
        manifest.features_3d.len()
    );
    // Each member of an ensemble has a row of its own.
    let alone = match manifest.models.as_slice() {
        [model] => Some(model),
        _ => None,
    };
    let ensemble = alone.is_none();
    view! {
        <section class="card" id="model-card" aria-labelledby="model-card-heading">
            <h2 id="model-card-heading">"About this model"</h2>
            <dl>
                <dt>"Written by"</dt>
                <dd>{manifest.producer.clone()}", "{manifest.created.clone()}</dd>
                <dt>"Features"</dt>
                <dd>{features}</dd>
                {alone.and_then(|model| model.training.as_ref()).map(training)}
                {ensemble.then(|| view! {
                    <dt>"Ensemble"</dt>
                    <dd>
                        {format!("{} models: a probability is the {EXPLANATION}", manifest.models.len())}
                    </dd>
                })}
                {manifest.data_source.clone().map(|source| view! {
                    <dt>"Data"</dt>
                    <dd>{source.citation}" ("{source.licence}")"</dd>
                })}
            </dl>
            {tasks(manifest)}
            {ensemble.then(|| members(&manifest.models))}
        </section>
    }
}

fn training(summary: &TrainingSummary) -> impl IntoView + use<> {
    let trained = format!(
        "on {} molecules, {} epochs (weights of epoch {}), seed {}, {}",
        summary.train_molecules, summary.epochs, summary.best_epoch, summary.seed, summary.device
    );
    let measured = format!(
        "on {} molecules ({}): mean average precision {:.3}, mean ROC AUC {:.3}",
        summary.validation_molecules,
        summary.validation_split,
        summary.macro_average_precision,
        summary.macro_roc_auc
    );
    view! {
        <dt>"Trained"</dt>
        <dd>{trained}</dd>
        <dt>"Measured"</dt>
        <dd>{measured}</dd>
        <dt>"Data hash"</dt>
        <dd><code>{summary.data_sha256.clone()}</code></dd>
    }
}

/// The tasks, with their metrics where the bundle has them for its only model.
fn tasks(manifest: &Manifest) -> impl IntoView + use<> {
    let with_interval =
        |value: f64, interval: Interval| format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high);
    let training = match manifest.models.as_slice() {
        [model] => model.training.as_ref(),
        _ => None,
    };
    let measured = training.is_some();
    let rows = manifest.schema.tasks.iter().map(|task| {
        let metrics =
            training.and_then(|summary| summary.tasks.iter().find(|metrics| metrics.task == task.name));
        view! {
            <tr>
                <th scope="row">{task.name.clone()}</th>
                <td>{task.description.clone()}</td>
                {metrics.map(|metrics| view! {
                    <td class="number">{metrics.positives}</td>
                    <td class="number">
                        {with_interval(metrics.average_precision, metrics.average_precision_interval)}
                    </td>
                    <td class="number">{with_interval(metrics.roc_auc, metrics.roc_auc_interval)}</td>
                })}
            </tr>
        }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Tasks of the model">
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Task"</th>
                        <th scope="col">"A positive"</th>
                        {measured.then(|| view! {
                            <th scope="col" class="number">"Positives"</th>
                            <th scope="col" class="number">"Average precision"</th>
                            <th scope="col" class="number">"ROC AUC"</th>
                        })}
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

/// The members of an ensemble, with how each was trained where that is known.
fn members(models: &[ModelEntry]) -> impl IntoView + use<> {
    let known = models.iter().any(|model| model.training.is_some());
    let rows = models.iter().map(|model| {
        let trained = model.training.as_ref().map(|summary| {
            let epochs = format!("{} (weights of {})", summary.epochs, summary.best_epoch);
            let validation = format!("{} ({})", summary.validation_molecules, summary.validation_split);
            view! {
                <td class="number">{summary.seed}</td>
                <td class="number">{summary.train_molecules}</td>
                <td class="number">{epochs}</td>
                <td class="number">{validation}</td>
                <td class="number">{format!("{:.3}", summary.macro_average_precision)}</td>
                <td class="number">{format!("{:.3}", summary.macro_roc_auc)}</td>
            }
        });
        let unknown =
            (known && trained.is_none()).then(|| view! { <td colspan="6" class="faint">"not known"</td> });
        view! {
            <tr>
                <th scope="row">{model.name.clone()}</th>
                {trained}
                {unknown}
            </tr>
        }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Members of the ensemble">
            <table id="members">
                <thead>
                    <tr>
                        <th scope="col">"Member"</th>
                        {known.then(|| view! {
                            <th scope="col" class="number">"Seed"</th>
                            <th scope="col" class="number">"Trained on"</th>
                            <th scope="col" class="number">"Epochs"</th>
                            <th scope="col" class="number">"Measured on"</th>
                            <th scope="col" class="number">"Mean average precision"</th>
                            <th scope="col" class="number">"Mean ROC AUC"</th>
                        })}
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}
