//! The scale on which a numeric parameter is sampled.

use crate::study::Distribution;

/// A numeric parameter's range. *Coordinates* are its values, or their logarithms; between two neighbouring values of a
/// parameter with a step, every coordinate belongs to the nearer one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// Distance of neighbouring values; none: every number.
    pub step: Option<f64>,
}

impl Scale {
    /// None for a categorical parameter.
    pub fn of(distribution: &Distribution) -> Option<Self> {
        let (low, high, log, step) = match *distribution {
            Distribution::Float { low, high, log, step } => (low, high, log, step),
            Distribution::Int { low, high, log, step } => (low as f64, high as f64, log, Some(step as f64)),
            Distribution::Categorical { .. } => return None,
        };
        // The last value may lie below the end of the range. The quotient of a range and a step that divides it may fall
        // just below a whole number.
        let last = step.map(|step| low + ((high - low) / step + 1e-9).floor() * step);
        Some(Self { low, high: last.map_or(high, |last| last.min(high)), log, step })
    }

    /// The coordinate of a number.
    pub fn coordinate(&self, number: f64) -> f64 {
        if self.log { number.ln() } else { number }
    }

    /// The coordinates that belong to this parameter: with a step, half of one more on both sides.
    pub fn bounds(&self) -> (f64, f64) {
        (self.cell(self.low).0, self.cell(self.high).1)
    }

    /// The coordinates that belong to a value: the coordinate itself without a step.
    pub fn cell(&self, value: f64) -> (f64, f64) {
        let half = self.step.unwrap_or(0.0) / 2.0;
        (self.coordinate(value - half), self.coordinate(value + half))
    }

    /// The value that a coordinate belongs to.
    pub fn value(&self, coordinate: f64) -> f64 {
        let number = if self.log { coordinate.exp() } else { coordinate };
        let number = match self.step {
            Some(step) => self.low + ((number - self.low) / step).round() * step,
            None => number,
        };
        number.clamp(self.low, self.high)
    }
}
