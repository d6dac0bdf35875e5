//! One molecule as a page of its own: no script, nothing to load, so that it opens anywhere and in ten years.

use std::fmt::Write;

use super::{Sheet, TaskLine, escape, figure};
use crate::standing::Standing;

const STYLE: &str = "\
body{max-width:1100px;margin:32px auto;padding:0 20px;background:#fff;color:#1b1f24;font:15px/1.5 system-ui,sans-serif}\
h1{margin:0;font-size:24px}h2{margin:32px 0 8px;font-size:18px}\
code{font-size:13px;overflow-wrap:anywhere}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:6px 12px;border-bottom:1px solid #dcdfe3;text-align:right}\
th:first-child{text-align:left}thead th{color:#59626d;font-size:13px}\
.faint,footer{color:#59626d}th .faint{font-weight:400}footer{margin-top:40px;font-size:13px}\
svg{max-width:none}\
.distribution{display:block;width:180px;margin-left:auto}.distribution path{fill:none}.distribution .all{fill:#9cc3ea}\
.distribution .ground,.distribution .spread{stroke:#59626d}.distribution .threshold,.distribution .beyond{stroke:#b3541e;\
stroke-width:1.6;stroke-dasharray:3 2}.distribution .beyond{stroke-dasharray:none}.distribution .here{stroke:#1b1f24;\
stroke-width:1.8}.distribution .mark{fill:#1b1f24}.range{display:flex;justify-content:space-between;font-size:12px}@media print{body{margin:0}}";

/// The whole of a molecule: structure, probabilities, attention map, table, and what it means.
pub fn page(sheet: &Sheet) -> String {
    let id = escape(&sheet.id);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{id}: predictions and attention</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{id}</h1>\n"
    );
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a string takes everything");
    if let Some(smiles) = &sheet.smiles {
        put(format_args!("<p class=\"faint\"><code>{}</code></p>\n", escape(smiles)));
    }
    put(format_args!("<h2>Predictions</h2>\n{}", predictions(sheet)));
    put(format_args!(
        "<h2>Attention</h2>\n<p>How much the model looks at each of the {} conformers when it predicts a task: shares that \
         add up to 1. Attention says where the model looks, not why it decides as it does: a conformer with much \
         attention may matter little, and the other way round.</p>\n<div class=\"wide\">{}</div>\n",
        sheet.conformers.len(),
        figure(sheet)
    ));
    put(format_args!("<h2>Attention in numbers</h2>\n{}", attention(sheet)));
    let source = &sheet.source;
    let models = if source.models == 1 { "one model".into() } else { format!("{} models", source.models) };
    put(format_args!(
        "<footer>From {} ({models}; written by {} on {}).{}</footer>\n</body>\n</html>\n",
        escape(&source.bundle),
        escape(&source.producer),
        escape(&source.created),
        source.data.as_ref().map(|data| format!(" Training data: {}", escape(data))).unwrap_or_default()
    ));
    out
}

fn predictions(sheet: &Sheet) -> String {
    let has = |of: fn(&TaskLine) -> bool| sheet.tasks.iter().any(of);
    let (ranked, known) = (has(|t| t.standing.is_some()), has(|t| t.label.is_some()));
    let mut header = vec!["Probability"];
    header.extend(ranked.then_some("Percentile"));
    header.push("Threshold");
    header.extend(known.then_some("Known"));
    let mut rows = String::new();
    for task in &sheet.tasks {
        let mut cells = vec![match task.probability.std {
            None => format!("{:.4}", task.probability.mean),
            Some(std) => format!("{:.3} ± {std:.3}", task.probability.mean),
        }];
        if ranked {
            cells.push(
                task.standing.as_ref().map(|place| in_drawing(place, task.threshold)).unwrap_or_default(),
            );
        }
        let side = if task.probability.mean >= task.threshold { "reached" } else { "not reached" };
        cells.push(format!("{:.3}, {side}", task.threshold));
        if known {
            let word = |label| if label > 0 { "positive" } else { "negative" };
            cells.push(task.label.map(word).unwrap_or_default().into());
        }
        let description = task
            .description
            .as_ref()
            .map(|text| format!("<br><span class=\"faint\">{}</span>", escape(text)));
        rows += &format!(
            "<tr><th scope=\"row\">{}{}</th>{}</tr>\n",
            escape(&task.name),
            description.unwrap_or_default(),
            cells.iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>()
        );
    }
    let explanation = if ranked {
        format!(
            "<p class=\"faint\">Percentile: how many of the {} molecules of the bundle have a lower probability, in per cent. \
             The bars are all of them, from the lowest to the highest; the triangle is this one, the broken line the \
             threshold (an arrow: it lies beyond them).</p>\n",
            sheet.source.molecules
        )
    } else {
        String::new()
    };
    let header: String = header.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!(
        "<div class=\"wide\"><table id=\"predictions\"><thead><tr><th scope=\"col\">Task</th>{header}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n{explanation}"
    )
}

/// A percentile below the histogram that it comes from.
fn in_drawing(standing: &Standing, threshold: f32) -> String {
    let Standing { percentile, low, high, .. } = standing;
    format!(
        "{}<span class=\"range faint\"><span>{low:.3}</span><b class=\"percentile\">{percentile:.0}</b>\
         <span>{high:.3}</span></span>",
        standing.drawing(threshold)
    )
}

fn attention(sheet: &Sheet) -> String {
    let header: String =
        sheet.tasks.iter().map(|task| format!("<th scope=\"col\">{}</th>", escape(&task.name))).collect();
    let mut rows = String::new();
    for (position, conformer) in sheet.conformers.iter().enumerate() {
        let weights = sheet.tasks.iter().map(|task| match task.attention.get(position) {
            Some(weight) => {
                let spread = weight.std.map(|std| format!(" ± {std:.4}")).unwrap_or_default();
                format!("<td>{:.4}{spread}</td>", weight.mean)
            }
            None => "<td></td>".into(),
        });
        rows += &format!(
            "<tr><th scope=\"row\">{}</th>{}</tr>\n",
            escape(conformer),
            weights.collect::<String>()
        );
    }
    format!(
        "<div class=\"wide\"><table id=\"attention\"><thead><tr><th scope=\"col\">Conformer</th>{header}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::sheet;
    use super::*;

    #[test]
    fn the_page_has_the_numbers_and_loads_nothing() {
        let html = page(&sheet(None));
        for number in ["<td>0.7500</td>", "<td>0.1250</td>", "<td>0.2500</td>", ">88</b>", "0.500, reached"] {
            assert!(html.contains(number), "{number}");
        }
        for loads in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(loads), "{loads}");
        }
        assert!(html.contains("A,1 &lt;b&gt;") && !html.contains("<b>"));
    }

    #[test]
    fn what_is_unknown_has_no_column() {
        let mut sheet = sheet(Some(0.0625));
        for task in &mut sheet.tasks {
            (task.standing, task.label) = (None, None);
        }
        let html = page(&sheet);
        assert!(!html.contains("Percentile") && !html.contains("Known"));
        assert!(html.contains("0.750 ± 0.062"));
    }
}
