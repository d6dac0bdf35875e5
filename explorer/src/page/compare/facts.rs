//! What two bundles have in common, and what not, in words.

use leptos::prelude::*;

use explorer::comparison::Matching;

/// A list of sentences, the first of which says how many molecules are compared.
pub fn facts(matching: &Matching) -> impl IntoView + use<> {
    let mut sentences = vec![format!(
        "{} of the same ID; {} in A alone, {} in B alone.",
        count(matching.molecules.len(), "molecule"),
        matching.lone_molecules[0],
        matching.lone_molecules[1]
    )];
    let mut different = |number: usize, words: &str| {
        if number > 0 {
            sentences.push(format!("{} of them {words}.", number));
        }
    };
    different(matching.other_structures, "have another structure in B, and may be other compounds");
    different(
        matching.other_conformers,
        "have other conformers in B: their attention is compared where the names agree",
    );
    let tasks = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    sentences.push(if matching.lone_tasks.iter().all(Vec::is_empty) {
        format!("{}, the same in both.", count(matching.tasks.len(), "task"))
    } else {
        format!(
            "{} in both; in A alone: {}; in B alone: {}.",
            count(matching.tasks.len(), "task"),
            tasks(&matching.lone_tasks[0]),
            tasks(&matching.lone_tasks[1])
        )
    });
    sentences.push(match matching.lone_features {
        [0, 0] => "Both see the same features.".into(),
        [a, b] => format!("Features of A alone: {a}; of B alone: {b}."),
    });
    let items = sentences.into_iter().map(|sentence| view! { <li>{sentence}</li> });
    view! { <ul class="facts-list" id="compare-facts">{items.collect_view()}</ul> }
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
