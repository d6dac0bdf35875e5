//! The normal distribution, cut off at both sides, in logarithms: far in its tails nothing underflows.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

/// ln √(2π).
pub(super) const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// Φ(x), exact to rounding in both tails.
fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// ln Φ(x).
fn ln_cdf(x: f64) -> f64 {
    if x > -20.0 {
        return if x > 6.0 { (-cdf(-x)).ln_1p() } else { cdf(x).ln() };
    }
    // Φ(x) = φ(x)/|x| · (1 - 1/x² + 1·3/x⁴ - 1·3·5/x⁶ …), which converges to rounding within a few terms here.
    let inverse_square = 1.0 / (x * x);
    let (mut term, mut series) = (1.0, 1.0);
    for odd in (1..40).step_by(2) {
        term *= -f64::from(odd) * inverse_square;
        series += term;
        if term.abs() < f64::EPSILON {
            break;
        }
    }
    -0.5 * x * x - (-x).ln() - LN_SQRT_2PI + series.ln()
}

/// ln(eᵃ - eᵇ) for a ≥ b.
fn ln_difference(a: f64, b: f64) -> f64 {
    a + (-(b - a).exp()).ln_1p()
}

/// ln(eᵃ + eᵇ).
fn ln_sum(a: f64, b: f64) -> f64 {
    let (larger, smaller) = if a > b { (a, b) } else { (b, a) };
    if smaller == f64::NEG_INFINITY { larger } else { larger + (smaller - larger).exp().ln_1p() }
}

/// ln(Φ(b) - Φ(a)): the mass of a standard normal distribution between a and b.
pub(super) fn ln_mass(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        // Right of the middle: mirrored, so that small masses are differences of small numbers.
        ln_mass(-b, -a)
    } else if b > 0.0 {
        (-cdf(a) - cdf(-b)).ln_1p()
    } else if a > -30.0 {
        (cdf(b) - cdf(a)).ln()
    } else {
        ln_difference(ln_cdf(b), ln_cdf(a))
    }
}

/// The x with ln Φ(x) = y.
fn inverse_ln_cdf(y: f64) -> f64 {
    if y > -LN_2 {
        // Right of the middle: mirrored, so that what is solved for is never close to 0.
        return -inverse_ln_cdf((-y.exp_m1()).ln());
    }
    // ln Φ is concave, and Φ(x) ≤ exp(-x²/2)/2 left of 0: Newton's method, begun where that bound equals y, approaches
    // the root from the left.
    let mut x = -(-2.0 * (y + LN_2)).max(0.0).sqrt();
    for _ in 0..100 {
        let at = ln_cdf(x);
        let ln_slope = -0.5 * x * x - LN_SQRT_2PI - at;
        let change = (y - at) / ln_slope.exp();
        x += change;
        if change.abs() <= 1e-10 * (1.0 + x.abs()) {
            break;
        }
    }
    x
}

/// The quantile `unit` (from 0 to 1) of a standard normal distribution between a < b.
pub(super) fn truncated_quantile(unit: f64, a: f64, b: f64) -> f64 {
    let ln_mass = ln_mass(a, b);
    let x = if a < 0.0 {
        inverse_ln_cdf(ln_sum(ln_cdf(a), unit.ln() + ln_mass))
    } else {
        -inverse_ln_cdf(ln_sum(ln_cdf(-b), (-unit).ln_1p() + ln_mass))
    };
    x.clamp(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::{fixture, numbers};

    #[test]
    fn masses_and_quantiles_are_those_of_scipy() {
        for case in fixture("normal")["cases"].as_array().unwrap() {
            let [unit, a, b, quantile, mass] = numbers(case)[..] else { panic!("five numbers") };
            let found = truncated_quantile(unit, a, b);
            assert!((found - quantile).abs() <= 1e-9 * quantile.abs().max(1.0), "{case}: {found}");
            let found = ln_mass(a, b);
            assert!((found - mass).abs() <= 1e-9 * mass.abs().max(1.0), "{case}: {found}");
        }
    }
}
