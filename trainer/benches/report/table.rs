//! Results of a benchmark: medians with their range, and tables.

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

/// Prints rows of cells under their headings, columns aligned: the first to the left, the others to the right.
pub fn print_table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(headings.to_vec());
    println!("{}", "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
