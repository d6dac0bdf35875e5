//! The sanity tests of multiple-instance learning: which assumptions the network can learn, and which it cannot.
//!
//! ```sh
//! cargo bench --locked --workspace --bench synthetic_bags
//! ```
//!
//! The baseline is chance, a ROC AUC of 0.5. ARCHITECTURE.md explains the results ("What attention pooling can learn").

mod bags;
#[path = "../report/spread.rs"]
mod spread;
#[path = "../report/table.rs"]
mod table;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::bags::{Composition, Problem, STANDARD, test_roc_auc};
use crate::spread::Spread;
use crate::table::print_table;

const SEEDS: u64 = 5;
const EPOCHS: usize = 30;

/// A problem, and what it is called.
struct SanityTest {
    name: &'static str,
    rule: &'static str,
    problem: Problem,
}

/// All tests, the simplest first.
const TESTS: [SanityTest; 7] = [
    SanityTest { name: "standard", rule: "positive: at least one A", problem: STANDARD },
    SanityTest {
        name: "standard, cue",
        rule: "positive: at least one A; in training negatives have a cue C, in the test positives have it",
        problem: Problem {
            training: |positive, random| {
                let bag = (STANDARD.training)(positive, random);
                Composition { cue: if positive { 0 } else { random.random_range(1..=3) }, ..bag }
            },
            test: |positive, random| {
                let bag = (STANDARD.training)(positive, random);
                Composition { cue: if positive { random.random_range(1..=3) } else { 0 }, ..bag }
            },
        },
    },
    SanityTest {
        name: "presence",
        rule: "positive: an A and a B; negative: one of them alone, or none",
        problem: Problem {
            training: |positive, random| presence(positive, [1, 1], random),
            test: |positive, random| presence(positive, [1, 1], random),
        },
    },
    SanityTest {
        name: "presence, false frequency",
        rule: "as above; in training positives have 4 instances of a concept and negatives 1, in the test reversed",
        problem: Problem {
            training: |positive, random| presence(positive, [4, 1], random),
            test: |positive, random| presence(positive, [1, 4], random),
        },
    },
    SanityTest {
        name: "threshold, equal bags",
        rule: "positive: at least 3 A, all bags of 10 instances",
        problem: Problem {
            training: |positive, random| threshold(positive, 10, random),
            test: |positive, random| threshold(positive, 10, random),
        },
    },
    SanityTest {
        name: "threshold, unequal bags",
        rule: "positive: at least 3 A, bags of 6 to 20 instances",
        problem: Problem {
            training: |positive, random| threshold(positive, random.random_range(6..=20), random),
            test: |positive, random| threshold(positive, random.random_range(6..=20), random),
        },
    },
    SanityTest {
        name: "counting",
        rule: "positive: 4 A and 4 others, which are 2 A and 2 others twice over; negative: 2 A and 2 others",
        problem: Problem {
            training: |positive, _| counting(positive),
            test: |positive, _| counting(positive),
        },
    },
];

/// Bags for "A and B": how many instances a concept has that is there, in positive and in negative bags.
fn presence(
    positive: bool,
    [in_positives, in_negatives]: [usize; 2],
    random: &mut ChaCha8Rng,
) -> Composition {
    let background = random.random_range(5..=8);
    let (a, b) = match (positive, random.random_range(0..3)) {
        (true, _) => (in_positives, in_positives),
        (false, 0) => (in_negatives, 0),
        (false, 1) => (0, in_negatives),
        (false, _) => (0, 0),
    };
    Composition { a, b, cue: 0, background, copies: 1 }
}

/// Bags of a given size for "at least 3 A": 3 to 5 of them, or 0 to 2.
fn threshold(positive: bool, size: usize, random: &mut ChaCha8Rng) -> Composition {
    let a = if positive { random.random_range(3..=5) } else { random.random_range(0..=2) };
    Composition { a, b: 0, cue: 0, background: size - a, copies: 1 }
}

/// Bags that differ in the number of their instances alone.
fn counting(positive: bool) -> Composition {
    Composition { a: 2, b: 0, cue: 0, background: 2, copies: if positive { 2 } else { 1 } }
}

fn main() {
    let mut rows = Vec::new();
    for test in &TESTS {
        let roc_auc = Spread::of((0..SEEDS).map(|seed| test_roc_auc(&test.problem, EPOCHS, seed)));
        let verdict = match roc_auc {
            Spread { low, .. } if low >= 0.95 => "learns the rule",
            Spread { low, high, .. } if low > 0.4 && high < 0.6 => "no better than chance",
            Spread { low, .. } if low < 0.4 => "may rely on the cue instead",
            _ => "learns the rule in part",
        };
        eprintln!("{}: {}", test.name, roc_auc.show(1.0, 3));
        rows.push(vec![
            test.name.to_owned(),
            roc_auc.show(1.0, 3),
            format!("{:+.3}", roc_auc.median - 0.5),
            verdict.to_owned(),
        ]);
    }
    println!();
    print_table(&["test", "ROC AUC on test bags", "against chance", ""], &rows);
    println!("\nmedian (range) of {SEEDS} seeds, {EPOCHS} epochs each");
    for test in &TESTS {
        println!("  {}: {}", test.name, test.rule);
    }
}
