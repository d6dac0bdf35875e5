//! Quasi-random search: points that fill the space more evenly than random ones.

use std::collections::BTreeMap;

use super::random::RandomSampler;
use super::sobol_directions::DIRECTIONS;
use super::unit_interval::from_unit_interval;
use super::{Draw, Sampler};
use crate::search::History;
use crate::study::Distribution;

const BITS: usize = 32;

/// A scrambled Sobol sequence: trial *n* tries its *n*-th point, each parameter being a dimension.
///
/// Among the first 2ᵏ trials every parameter takes each of its 2ᵏ equal parts once. Parameters that were not named
/// beforehand, those beyond the hundredth, and second draws of a trial are uniformly random.
pub struct QuasiRandomSampler {
    random: RandomSampler,
    /// By parameter: what each bit of a trial's number contributes, and the key of its scrambling.
    dimensions: BTreeMap<String, ([u32; BITS], u64)>,
}

impl QuasiRandomSampler {
    /// One over the parameters of these names. Those that matter most come first: early dimensions are the best ones.
    pub fn new<'a>(seed: u64, names: impl IntoIterator<Item = &'a str>) -> Self {
        let dimensions = names.into_iter().take(DIRECTIONS.len() + 1).enumerate();
        let dimensions = dimensions.map(|(dimension, name)| {
            let key = blake3::keyed_hash(blake3::hash(&seed.to_le_bytes()).as_bytes(), name.as_bytes());
            let key = u64::from_le_bytes(key.as_bytes()[..8].try_into().expect("eight bytes"));
            (name.to_owned(), (direction_numbers(dimension), key))
        });
        Self { random: RandomSampler::new(seed), dimensions: dimensions.collect() }
    }
}

impl Sampler for QuasiRandomSampler {
    fn independent(&self, history: &History, draw: Draw, name: &str, distribution: &Distribution) -> f64 {
        match self.dimensions.get(name) {
            Some((directions, key)) if draw.attempt == 0 && draw.trial >> BITS == 0 => {
                let point = scrambled(sobol(draw.trial as u32, directions), *key);
                from_unit_interval(distribution, (f64::from(point) + 0.5) / (1u64 << BITS) as f64)
            }
            _ => self.random.independent(history, draw, name, distribution),
        }
    }
}

/// The binary fractions of one dimension (Bratley and Fox, *Algorithm 659*, ACM TOMS 14, 1988).
fn direction_numbers(dimension: usize) -> [u32; BITS] {
    let mut numbers = [0; BITS];
    let Some((polynomial, multipliers)) = dimension.checked_sub(1).map(|index| DIRECTIONS[index]) else {
        return std::array::from_fn(|bit| 1 << (BITS - 1 - bit));
    };
    let degree = multipliers.len();
    for bit in 0..BITS {
        numbers[bit] = match bit.checked_sub(degree) {
            None => multipliers[bit] << (BITS - 1 - bit),
            Some(before) => {
                let first = numbers[before] ^ (numbers[before] >> degree);
                let middle = (1..degree).filter(|term| polynomial >> (degree - term) & 1 == 1);
                middle.fold(first, |sum, term| sum ^ numbers[bit - term])
            }
        };
    }
    numbers
}

/// A point of the sequence as a binary fraction.
fn sobol(index: u32, directions: &[u32; BITS]) -> u32 {
    let set = directions.iter().enumerate().filter(|(bit, _)| index >> bit & 1 == 1);
    set.fold(0, |sum, (_, number)| sum ^ number)
}

/// Owen's nested scrambling: each bit is flipped, or not, depending on the bits before it.
fn scrambled(fraction: u32, key: u64) -> u32 {
    (0..BITS as u32).fold(fraction, |result, place| {
        let before = u64::from(fraction) >> (BITS as u32 - place);
        let flip = (mixed(key ^ (u64::from(place) << BITS | before)) >> 63) as u32;
        result ^ flip << (BITS as u32 - 1 - place)
    })
}

/// A hash whose bits all depend on all bits (the finaliser of SplitMix64).
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::fixture;
    use crate::study::Direction;

    #[test]
    fn points_are_those_of_scipy() {
        let expected = fixture("sobol")["points"].clone();
        for (dimension, points) in expected.as_array().unwrap().iter().enumerate() {
            let directions = direction_numbers(dimension);
            for (index, point) in points.as_array().unwrap().iter().enumerate() {
                // SciPy goes through the numbers in the order of the Gray code.
                let gray = (index ^ index >> 1) as u32;
                assert_eq!(f64::from(sobol(gray, &directions)) / 2f64.powi(32), point.as_f64().unwrap());
            }
        }
    }

    #[test]
    fn every_parameter_takes_each_of_equal_parts_once() {
        let names: Vec<String> = (0..100).map(|index| format!("p{index}")).collect();
        let history = History { direction: Direction::Minimize, trials: &[] };
        let choices = Distribution::Int { low: 0, high: 63, log: false, step: 1 };
        for seed in 0..3 {
            let sampler = QuasiRandomSampler::new(seed, names.iter().map(String::as_str));
            for name in &names {
                let value = |trial| sampler.independent(&history, Draw { trial, attempt: 0 }, name, &choices);
                let mut taken: Vec<u64> = (0..64).map(|trial| value(trial) as u64).collect();
                assert_ne!(taken, (0..64).collect::<Vec<_>>());
                taken.sort_unstable();
                assert_eq!(taken, (0..64).collect::<Vec<_>>(), "{name}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_second_draw_is_another_one() {
        let sampler = QuasiRandomSampler::new(0, ["x"]);
        let history = History { direction: Direction::Minimize, trials: &[] };
        let float = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
        let value = |attempt| sampler.independent(&history, Draw { trial: 3, attempt }, "x", &float);
        assert_ne!(value(0), value(1));
        assert_eq!(value(0), value(0));
    }
}
