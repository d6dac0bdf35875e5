//! From the unit interval to a parameter's values.

use super::scale::Scale;
use crate::study::Distribution;

/// The internal value at a quantile from [0, 1): uniform on the parameter's scale, so that all choices, and all values of
/// a parameter with a step, are equally likely (with whole numbers on a logarithmic scale, as likely as the logarithmic
/// width of what is rounded to them).
pub(super) fn from_unit_interval(distribution: &Distribution, unit: f64) -> f64 {
    match (Scale::of(distribution), distribution) {
        (Some(scale), _) => {
            let (low, high) = scale.bounds();
            scale.value(low + unit * (high - low))
        }
        (None, Distribution::Categorical { choices }) => {
            (unit * choices.len() as f64).floor().min(choices.len() as f64 - 1.0)
        }
        (None, _) => unreachable!("numeric parameters have a scale"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_of_a_parameter_with_steps_are_equally_likely() {
        for (distribution, expected) in [
            (Distribution::Float { low: 0.1, high: 0.3, log: false, step: Some(0.1) }, [0.1, 0.2, 0.3]),
            (Distribution::Int { low: 2, high: 9, log: false, step: 3 }, [2.0, 5.0, 8.0]),
            (Distribution::Categorical { choices: vec!["a".into(), "b".into(), 1.into()] }, [0.0, 1.0, 2.0]),
        ] {
            let mut counts = [0; 3];
            for draw in 0..300 {
                let value = from_unit_interval(&distribution, (f64::from(draw) + 0.5) / 300.0);
                let index = expected.iter().position(|&other| (other - value).abs() < 1e-12);
                counts[index.unwrap_or_else(|| panic!("{value} of {distribution:?}"))] += 1;
                assert!(distribution.contains(value), "{value} of {distribution:?}");
            }
            assert_eq!(counts, [100; 3], "{distribution:?}");
        }
    }

    #[test]
    fn logarithmic_scales_are_uniform_in_logarithms() {
        let float = Distribution::Float { low: 1e-4, high: 1.0, log: true, step: None };
        assert!((from_unit_interval(&float, 0.5) - 1e-2).abs() < 1e-12);
        assert!((from_unit_interval(&float, 0.0) - 1e-4).abs() < 1e-12);
        let whole = Distribution::Int { low: 1, high: 1000, log: true, step: 1 };
        assert_eq!(from_unit_interval(&whole, 0.0), 1.0);
        assert_eq!(from_unit_interval(&whole, 1.0 - 1e-12), 1000.0);
        let below_32 =
            (0..1000).filter(|&i| from_unit_interval(&whole, f64::from(i) / 1000.0) < 32.0).count();
        assert!((500..600).contains(&below_32), "{below_32}");
    }
}
