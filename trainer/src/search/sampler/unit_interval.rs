//! From the unit interval to a parameter's values.

use crate::study::Distribution;

/// The internal value at a quantile from [0, 1): uniform on the parameter's scale, so that all choices, and all values of
/// a parameter with a step, are equally likely (with whole numbers on a logarithmic scale, as likely as the width of
/// their rounding).
pub(super) fn from_unit_interval(distribution: &Distribution, unit: f64) -> f64 {
    match *distribution {
        Distribution::Float { low, high, log: true, .. } => {
            (low.ln() + unit * (high.ln() - low.ln())).exp().clamp(low, high)
        }
        Distribution::Float { low, high, step: None, .. } => (low + unit * (high - low)).clamp(low, high),
        Distribution::Float { low, high, step: Some(step), .. } => stepped(low, high, step, unit),
        Distribution::Int { low, high, log: true, .. } => {
            let (low, high) = (low as f64, high as f64);
            let (from, to) = ((low - 0.5).ln(), (high + 0.5).ln());
            (from + unit * (to - from)).exp().round().clamp(low, high)
        }
        Distribution::Int { low, high, step, .. } => stepped(low as f64, high as f64, step as f64, unit),
        Distribution::Categorical { ref choices } => {
            (unit * choices.len() as f64).floor().min(choices.len() as f64 - 1.0)
        }
    }
}

fn stepped(low: f64, high: f64, step: f64, unit: f64) -> f64 {
    // The quotient of a range and a step that divides it may fall just below a whole number.
    let values = ((high - low) / step + 1e-9).floor() + 1.0;
    (low + (unit * values).floor().min(values - 1.0) * step).min(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_of_a_parameter_with_steps_are_equally_likely() {
        for (distribution, expected) in [
            (
                Distribution::Float { low: 0.1, high: 0.3, log: false, step: Some(0.1) },
                [0.1, 0.2, 0.30000000000000004],
            ),
            (Distribution::Int { low: 2, high: 9, log: false, step: 3 }, [2.0, 5.0, 8.0]),
            (Distribution::Categorical { choices: vec!["a".into(), "b".into(), 1.into()] }, [0.0, 1.0, 2.0]),
        ] {
            let mut counts = [0; 3];
            for draw in 0..300 {
                let value = from_unit_interval(&distribution, f64::from(draw) / 300.0);
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
