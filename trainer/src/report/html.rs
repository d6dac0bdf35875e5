//! The page around the content: text made safe, tables, styles.

use std::fmt::Write;

use shared_model::figures::{escape, signed};
use shared_model::metrics::Estimate;

/// A number with three decimals; a dash for none.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| signed(value, 3))
}

/// `0.231 [0.18, 0.30]`, the interval in small print.
pub(super) fn estimate(estimate: Estimate, decimals: usize) -> String {
    let [value, low, high] =
        [estimate.value, estimate.interval.low, estimate.interval.high].map(|value| signed(value, decimals));
    format!("{value} <small>[{low}, {high}]</small>")
}

/// A table; the first column holds the headings of its rows. Cells are markup.
pub(super) fn table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = format!("<div class=\"wide\"><table><caption>{}</caption><thead><tr>", escape(caption));
    for name in header {
        // Names of columns are long words, which may break at their underscores.
        let _ = write!(table, "<th scope=\"col\">{}</th>", escape(name).replace('_', "_<wbr/>"));
    }
    table += "</tr></thead><tbody>";
    for row in rows {
        table += "<tr>";
        for (index, cell) in row.iter().enumerate() {
            let _ = match index {
                0 => write!(table, "<th scope=\"row\">{cell}</th>"),
                _ => write!(table, "<td>{cell}</td>"),
            };
        }
        table += "</tr>";
    }
    table + "</tbody></table></div>\n"
}

/// A section with a heading; `body` is markup.
pub(super) fn section(id: &str, heading: &str, body: &str) -> String {
    format!("<section id=\"{id}\"><h2>{}</h2>\n{body}</section>\n", escape(heading))
}

/// A paragraph on how to read what follows.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

/// The whole page. It asks for nothing from anywhere and runs no script.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{}</title>\n<style>{}</style></head>\n<body>\n{body}</body></html>\n",
        escape(title),
        include_str!("report.css")
    )
}
