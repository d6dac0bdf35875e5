//! The search that the parameters of the model come from.

use leptos::prelude::*;
use shared_model::bundle::{Manifest, SearchSummary};
use shared_model::figures::{history, importance, signed};

use crate::page::figure::ReadableFigure;

/// A section for each search that stands in the bundle.
pub fn searches(manifest: &Manifest) -> impl IntoView + use<> {
    let mut searches: Vec<&SearchSummary> = Vec::new();
    for search in manifest.models.iter().filter_map(|model| model.search.as_ref()) {
        // Members of an ensemble may come from one search.
        if !searches.contains(&search) {
            searches.push(search);
        }
    }
    searches.into_iter().map(|search| section(search.clone())).collect_view()
}

fn section(search: SearchSummary) -> impl IntoView {
    let count = |state: &str| search.trials.iter().filter(|trial| trial.state == state).count();
    let words = format!(
        "Search “{}”: {} trials were completed, {} were given up early, {} failed. The best is trial {}, whose value is {}. \
         A value is the mean over the folds of a mixture of the mean and the worst average precision of the tasks; the best \
         of many was chosen by the same molecules, so new molecules would give less.",
        search.study,
        count("COMPLETE"),
        count("PRUNED"),
        count("FAIL"),
        search.best_trial,
        signed(search.best_value, 4)
    );
    let importance = match importance(&search) {
        Some(figure) => {
            let figure = Signal::stored(figure);
            view! { <ReadableFigure name="Importance of the parameters".to_owned() figure/> }.into_any()
        }
        None => {
            let words = "There are too few completed trials to tell which parameters mattered.";
            view! { <p class="faint">{words}</p> }.into_any()
        }
    };
    let history = Signal::stored(history(&search));
    view! {
        <section class="card search" aria-label="The search of its parameters">
            <h2>"Where its parameters come from"</h2>
            <p class="faint">{words}</p>
            <div class="charts">
                <ReadableFigure name="History of the search".to_owned() figure=history/>
                {importance}
            </div>
        </section>
    }
}
