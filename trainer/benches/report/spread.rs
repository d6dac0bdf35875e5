//! Median and range of repeated measurements.

/// Median and range of some measurements.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// # Panics
    /// Without a value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (half, last) = (values.len() / 2, values.len() - 1);
        let median = (values[half] + values[last - half]) / 2.0;
        Self { median, low: values[0], high: values[last] }
    }

    /// Median and range with so many decimals, after multiplication by `factor`.
    pub fn show(&self, factor: f64, decimals: usize) -> String {
        let [median, low, high] = [self.median, self.low, self.high].map(|value| value * factor);
        format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
    }
}
