//! Which molecules the table shows, and in which order.

use super::Numbers;
use crate::view::{Filter, Sort};

/// Positions of the molecules to show: those that `matches` and that lie in every range, in the order asked for. Equals stay
/// in the order of the bundle; molecules without a number come last. Columns that are not there neither restrict nor
/// order: a link may be for another bundle.
pub fn rows(numbers: &Numbers, filters: &[Filter], sort: Option<&Sort>, matches: &[bool]) -> Vec<u32> {
    let filters: Vec<(&Filter, &[f32])> =
        filters.iter().filter_map(|filter| Some((filter, numbers.column(&filter.column)?))).collect();
    let inside = |row: usize| filters.iter().all(|(filter, numbers)| filter.contains(numbers[row]));
    let shown = |&row: &u32| matches[row as usize] && inside(row as usize);
    let shown = (0..matches.len() as u32).filter(shown);
    let Some((sort, numbers)) = sort.and_then(|sort| Some((sort, numbers.column(&sort.column)?))) else {
        return shown.collect();
    };
    // One integer a row: first those with a number, then the number, then the position.
    let key = |row: u32| {
        let number = numbers[row as usize];
        let order = if sort.descending { ordered(-number) } else { ordered(number) };
        (u64::from(if number.is_nan() { u32::MAX } else { order }) << 32) | u64::from(row)
    };
    sorted(shown.map(key).collect()).into_iter().map(|key| key as u32).collect()
}

/// Sorts by the upper halves, digit by digit; equals stay in their order. To compare a hundred thousand keys with each other
/// takes several times as long.
fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    const BITS: usize = 11;
    let mut spare = vec![0; keys.len()];
    for shift in (32..64).step_by(BITS) {
        let digit = |key: u64| (key >> shift) as usize & ((1 << BITS) - 1);
        let mut places = [0; 1 << BITS];
        for &key in &keys {
            places[digit(key)] += 1;
        }
        let mut next = 0;
        for place in &mut places {
            (*place, next) = (next, next + *place);
        }
        for &key in &keys {
            let place = &mut places[digit(key)];
            spare[*place] = key;
            *place += 1;
        }
        std::mem::swap(&mut keys, &mut spare);
    }
    keys
}

impl Filter {
    /// Whether a number lies in the range.
    pub fn contains(&self, number: f32) -> bool {
        self.low.is_none_or(|low| number >= low)
            && self.high.is_none_or(|high| number <= high)
            && !number.is_nan()
    }
}

/// The bits of a number, so changed that they order as the numbers do; both zeros are one.
fn ordered(number: f32) -> u32 {
    let bits = (number + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 6] = [0.5, f32::NAN, -1.0, 2.0, 0.5, -0.0];
    const B: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, f32::NAN];

    fn shown(filters: &[Filter], sort: Option<(&str, bool)>) -> Vec<u32> {
        let sort = sort.map(|(column, descending)| Sort { column: column.into(), descending });
        let matches = [true, true, true, false, true, true];
        rows(&Numbers::of(&[("a", &A), ("b", &B)]), filters, sort.as_ref(), &matches)
    }

    fn filter(column: &str, low: Option<f32>, high: Option<f32>) -> Filter {
        Filter { column: column.into(), low, high }
    }

    #[test]
    fn molecules_without_a_number_come_last_and_equals_keep_their_order() {
        assert_eq!(shown(&[], None), [0, 1, 2, 4, 5]);
        assert_eq!(shown(&[], Some(("a", false))), [2, 5, 0, 4, 1]);
        assert_eq!(shown(&[], Some(("a", true))), [0, 4, 5, 2, 1]);
    }

    #[test]
    fn numbers_of_any_size_are_ordered_like_numbers() {
        let mut numbers: Vec<f32> =
            (0..5000u32).map(|at| f32::from_bits(at.wrapping_mul(0x9e37_79b9))).collect();
        numbers.retain(|number| !number.is_nan());
        let numbers = Numbers::of(&[("a", &numbers)]);
        let column = numbers.column("a").expect("it is there");
        for descending in [false, true] {
            let sort = Sort { column: "a".into(), descending };
            let found = rows(&numbers, &[], Some(&sort), &vec![true; column.len()]);
            let mut wanted: Vec<u32> = (0..column.len() as u32).collect();
            wanted.sort_by(|&a, &b| {
                let order = column[a as usize].partial_cmp(&column[b as usize]).expect("none is NaN");
                if descending { order.reverse() } else { order }
            });
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn ranges_include_their_ends_and_hold_together() {
        assert_eq!(shown(&[filter("a", Some(0.5), None)], None), [0, 4]);
        let both = [filter("a", Some(-1.0), Some(0.5)), filter("b", Some(2.0), Some(5.0))];
        assert_eq!(shown(&both, None), [2, 4]);
        assert_eq!(shown(&[filter("a", Some(0.0), Some(0.0))], None), [5], "negative zero is zero");
    }

    #[test]
    fn a_column_of_another_bundle_changes_nothing() {
        assert_eq!(shown(&[filter("c", Some(9.0), None)], Some(("c", true))), [0, 1, 2, 4, 5]);
    }
}
