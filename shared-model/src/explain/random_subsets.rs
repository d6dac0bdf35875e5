//! Subsets of a given size: all of them, or some drawn at random.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Up to so many subsets of a size are all taken: a bag of seven is then known exactly.
const MOST: usize = 35;
/// So many are drawn where there are more.
const DRAWS: usize = 16;

/// Subsets of one size.
pub(super) struct Sampled {
    /// Each ascending.
    pub subsets: Vec<Vec<usize>>,
    /// Whether these are all there are.
    pub all: bool,
}

/// Subsets of `size` of `count` things, over which a mean is taken: all where there are few, else drawn evenly, and
/// independently of each other.
pub(super) fn of_size(count: usize, size: usize, random: &mut ChaCha8Rng) -> Sampled {
    // Those that lack one are needed in any case.
    if size + 1 >= count || choices(count, size) <= MOST {
        return Sampled { subsets: all_of_size(count, size), all: true };
    }
    Sampled { subsets: (0..DRAWS).map(|_| draw(count, size, random)).collect(), all: false }
}

/// `count` over `size`, or more than [`MOST`].
fn choices(count: usize, size: usize) -> usize {
    let mut choices = 1;
    for step in 0..size.min(count - size) {
        // Exact: each prefix of the product is a binomial coefficient.
        choices = choices * (count - step) / (step + 1);
        if choices > MOST {
            break;
        }
    }
    choices
}

fn all_of_size(count: usize, size: usize) -> Vec<Vec<usize>> {
    let mut subset: Vec<usize> = (0..size).collect();
    let mut all = vec![subset.clone()];
    // The last position that can still move on does, and those behind it follow it closely.
    while let Some(moving) = (0..size).rev().find(|&at| subset[at] < count - size + at) {
        let start = subset[moving] + 1;
        for (position, next) in subset[moving..].iter_mut().zip(start..) {
            *position = next;
        }
        all.push(subset.clone());
    }
    all
}

/// The first steps of a Fisher–Yates shuffle. 32-bit draws: the same on every platform.
fn draw(count: usize, size: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut deck: Vec<usize> = (0..count).collect();
    for place in 0..size {
        let left = u32::try_from(count - place).expect("fewer conformers than 2³²");
        deck.swap(place, place + random.random_range(0..left) as usize);
    }
    deck.truncate(size);
    deck.sort_unstable();
    deck
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn few_subsets_are_all_there_each_once() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        for count in 1..=7 {
            let mut seen = BTreeSet::new();
            for size in 1..=count {
                let sampled = of_size(count, size, &mut random);
                assert!(sampled.all);
                assert!(sampled.subsets.iter().all(|subset| subset.len() == size));
                seen.extend(sampled.subsets);
            }
            assert_eq!(seen.len(), (1 << count) - 1);
            assert!(seen.iter().flatten().all(|&position| position < count));
        }
    }

    #[test]
    fn many_subsets_are_drawn_evenly_and_again_from_the_same_seed() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 12];
        for _ in 0..500 {
            let sampled = of_size(12, 6, &mut random);
            assert!(!sampled.all);
            assert_eq!(sampled.subsets.len(), DRAWS);
            for subset in sampled.subsets {
                assert!(subset.is_sorted_by(|a, b| a < b), "{subset:?}");
                subset.iter().for_each(|&position| counts[position] += 1);
            }
        }
        // 4000 expected, standard deviation 45.
        assert!(counts.iter().all(|&count| (3800..4200).contains(&count)), "{counts:?}");
        let again = || of_size(40, 20, &mut ChaCha8Rng::seed_from_u64(5)).subsets;
        assert_eq!(again(), again());
    }

    #[test]
    fn what_lacks_one_is_never_drawn() {
        let sampled = of_size(100, 99, &mut ChaCha8Rng::seed_from_u64(0));
        assert!(sampled.all && sampled.subsets.len() == 100);
    }
}
