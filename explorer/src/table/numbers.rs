//! The numbers of the table, column by column.

use std::cmp::Ordering;

use shared_model::bundle::Molecule;
use shared_model::explain::effective_number;

use super::{Column, Quantity};
use crate::protocol::Prediction;

/// A number for each molecule and column; NaN where there is none (yet). Of words it is their place in the alphabet.
#[derive(Debug, Default)]
pub struct Numbers {
    columns: Vec<(String, Quantity, Vec<f32>)>,
}

impl Numbers {
    /// The numbers that are known before the model runs.
    pub fn new(columns: &[Column], molecules: &[Molecule]) -> Self {
        let numbers = |quantity| match quantity {
            Quantity::Id => ranks(molecules, |molecule| Some(&molecule.id)),
            Quantity::Split => ranks(molecules, |molecule| molecule.split.as_deref()),
            Quantity::Conformers => {
                molecules.iter().map(|molecule| molecule.conformers.len() as f32).collect()
            }
            Quantity::Known(task) => {
                let label = |molecule: &Molecule| Some(f32::from(*molecule.labels.as_ref()?.get(task)?));
                molecules.iter().map(|molecule| label(molecule).unwrap_or(f32::NAN)).collect()
            }
            _ => vec![f32::NAN; molecules.len()],
        };
        let columns = columns.iter().filter(|column| column.quantity != Quantity::Structure);
        let columns = columns.map(|column| (column.key.clone(), column.quantity, numbers(column.quantity)));
        Self { columns: columns.collect() }
    }

    /// Takes in the prediction of a molecule.
    pub fn predict(&mut self, molecule: usize, prediction: &Prediction) {
        let tasks = prediction.probabilities.len();
        let conformers = prediction.attention.len() / tasks.max(1);
        let effective =
            |weights: &[f32]| effective_number(weights.iter().map(|&weight| weight.into())) as f32;
        let effective: Vec<f32> = prediction.attention.chunks(conformers.max(1)).map(effective).collect();
        for (_, quantity, numbers) in &mut self.columns {
            let number = match *quantity {
                Quantity::Probability(task) => prediction.probabilities.get(task).copied(),
                Quantity::Spread(task) => prediction.probability(task).and_then(|estimate| estimate.std),
                Quantity::Effective => Some(effective.iter().sum::<f32>() / effective.len() as f32),
                Quantity::EffectiveOf(task) => effective.get(task).copied(),
                _ => continue,
            };
            numbers[molecule] = number.unwrap_or(f32::NAN);
        }
    }

    /// Forgets all predictions.
    pub fn clear(&mut self) {
        let predicted = self.columns.iter_mut().filter(|(_, quantity, _)| quantity.is_predicted());
        predicted.for_each(|(_, _, numbers)| numbers.fill(f32::NAN));
    }

    /// The numbers of a column.
    pub fn column(&self, key: &str) -> Option<&[f32]> {
        self.columns.iter().find(|(known, _, _)| known == key).map(|(_, _, numbers)| numbers.as_slice())
    }

    /// The numbers of a quantity, if a column has it.
    pub fn of_quantity(&self, quantity: Quantity) -> Option<&[f32]> {
        let mut columns = self.columns.iter();
        columns.find(|(_, known, _)| *known == quantity).map(|(_, _, numbers)| numbers.as_slice())
    }

    /// Some named columns.
    #[cfg(test)]
    pub fn of(columns: &[(&str, &[f32])]) -> Self {
        let columns =
            columns.iter().map(|(key, numbers)| ((*key).to_owned(), Quantity::Effective, numbers.to_vec()));
        Self { columns: columns.collect() }
    }

    /// Smallest and largest number of a column, if it has any.
    pub fn range(&self, key: &str) -> Option<(f32, f32)> {
        let numbers = self.column(key)?.iter().filter(|number| !number.is_nan());
        numbers.fold(None, |range, &number| {
            let (low, high) = range.unwrap_or((number, number));
            Some((number.min(low), number.max(high)))
        })
    }
}

/// The place of each molecule's word in the alphabet; equal words have the same place. Exact up to 2^24 molecules.
fn ranks<'a>(molecules: &'a [Molecule], word: impl Fn(&'a Molecule) -> Option<&'a str>) -> Vec<f32> {
    let words: Vec<Option<&str>> = molecules.iter().map(word).collect();
    let mut order: Vec<u32> =
        (0..molecules.len() as u32).filter(|&at| words[at as usize].is_some()).collect();
    let word = |at: u32| words[at as usize].unwrap_or_default();
    // Tables often come in this order already, for which the sort is quick.
    order.sort_by(|&a, &b| alphabetically(word(a), word(b)));
    let mut ranks = vec![f32::NAN; molecules.len()];
    let mut rank = 0;
    for (place, &at) in order.iter().enumerate() {
        if place > 0 && word(order[place - 1]) != word(at) {
            rank += 1;
        }
        ranks[at as usize] = rank as f32;
    }
    ranks
}

/// The order of names as people write them: "mol 9" before "mol 10".
fn alphabetically(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    loop {
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        }
        let (m, n) = (digits(left), digits(right));
        if m > 0 && n > 0 {
            let (number, other) = (significant(&left[..m]), significant(&right[..n]));
            match number.len().cmp(&other.len()).then_with(|| number.cmp(other)) {
                Ordering::Equal => (left, right) = (&left[m..], &right[n..]),
                unequal => return unequal,
            }
        } else {
            match left[0].to_ascii_lowercase().cmp(&right[0].to_ascii_lowercase()) {
                Ordering::Equal => (left, right) = (&left[1..], &right[1..]),
                unequal => return unequal,
            }
        }
    }
}

/// Digits without the zeros that a number starts with.
fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_write_them() {
        let mut names = ["b1", "a10", "a9", "A2", "a", "a010b", "a10a", ""];
        names.sort_by(|a, b| alphabetically(a, b));
        assert_eq!(names, ["", "a", "A2", "a9", "a10", "a10a", "a010b", "b1"]);
    }

    #[test]
    fn the_order_of_names_is_total() {
        let names = ["a1", "a01", "A1", "a1b", "a01b", "", "1", "01", "ä"];
        for a in names {
            for b in names {
                assert_eq!(alphabetically(a, b), alphabetically(b, a).reverse(), "{a} {b}");
                assert_eq!(alphabetically(a, b) == Ordering::Equal, a == b, "{a} {b}");
                for c in names {
                    let between = alphabetically(a, b).is_le() && alphabetically(b, c).is_le();
                    assert!(!between || alphabetically(a, c).is_le(), "{a} {b} {c}");
                }
            }
        }
    }
}
