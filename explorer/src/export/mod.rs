//! What a person takes along of a molecule: a table, a figure, conformers, a page. All of it is made here, from one
//! description; the browser only saves it.

mod figure;
mod page;

use depiction::Structure;
use shared_model::ensemble::Estimate;
use shared_model::sd_file;

use crate::standing::Standing;

pub use self::figure::figure;
pub use self::page::page;

/// What is known and predicted of one molecule.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Identifier of the molecule.
    pub id: String,
    /// Its structure, as text.
    pub smiles: Option<String>,
    /// Its structure, drawn.
    pub structure: Option<Structure>,
    /// Its conformers, in the order of attention weights.
    pub conformers: Vec<String>,
    /// A line a task.
    pub tasks: Vec<TaskLine>,
    /// Where the numbers come from.
    pub source: Source,
}

/// What a model says of one task.
#[derive(Debug, Clone)]
pub struct TaskLine {
    /// Name of the task.
    pub name: String,
    /// What it is, where that was told.
    pub description: Option<String>,
    /// Its probability.
    pub probability: Estimate,
    /// Its place among the molecules of the bundle, where all of them are predicted.
    pub standing: Option<Standing>,
    /// Probability from which on a molecule counts as positive.
    pub threshold: f32,
    /// Known label.
    pub label: Option<u8>,
    /// Attention on each conformer.
    pub attention: Vec<Estimate>,
}

/// The model behind a sheet.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the bundle's file.
    pub bundle: String,
    /// The program that wrote it.
    pub producer: String,
    /// When it was written.
    pub created: String,
    /// Models in it.
    pub models: usize,
    /// Molecules in it.
    pub molecules: usize,
    /// How to cite the data that it was trained on, and their licence.
    pub data: Option<String>,
}

impl Sheet {
    /// A file name for this molecule: letters of file names that make trouble somewhere become hyphens.
    pub fn file_name(&self, what: &str) -> String {
        let safe =
            |letter: char| if letter.is_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
        let id: String = self.id.chars().take(80).map(safe).collect();
        format!("{id}-{what}")
    }

    fn has_spread(&self) -> bool {
        self.tasks.iter().any(|task| task.probability.std.is_some())
    }
}

/// A row a conformer, in the columns of `optimil predict`: `ID, conf_id, pred_<task>…, attn_<task>…`, and for an ensemble
/// the standard deviations `pred_std_<task>…, attn_std_<task>…`.
pub fn attention_csv(sheet: &Sheet) -> String {
    let mut header = vec!["ID".to_owned(), "conf_id".to_owned()];
    let prefixes: &[&str] =
        if sheet.has_spread() { &["pred_", "attn_", "pred_std_", "attn_std_"] } else { &["pred_", "attn_"] };
    for prefix in prefixes {
        header.extend(sheet.tasks.iter().map(|task| format!("{prefix}{}", task.name)));
    }
    let std = |estimate: &Estimate| estimate.std.map(|std| std.to_string()).unwrap_or_default();
    let mut text = csv_line(header);
    for (position, conformer) in sheet.conformers.iter().enumerate() {
        let mut fields = vec![sheet.id.clone(), conformer.clone()];
        let attention = |task: &TaskLine| task.attention.get(position).copied();
        fields.extend(sheet.tasks.iter().map(|task| task.probability.mean.to_string()));
        fields.extend(
            sheet.tasks.iter().map(|task| attention(task).map(|w| w.mean.to_string()).unwrap_or_default()),
        );
        if sheet.has_spread() {
            fields.extend(sheet.tasks.iter().map(|task| std(&task.probability)));
            fields
                .extend(sheet.tasks.iter().map(|task| attention(task).map(|w| std(&w)).unwrap_or_default()));
        }
        text += &csv_line(fields);
    }
    text
}

/// One line of a CSV file (RFC 4180, with a bare line feed).
fn csv_line(fields: Vec<String>) -> String {
    let quoted = fields.into_iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// The conformers that have a record, as an SD file: each with its attention and the molecule's predictions as
/// properties `attn_<task>` and `pred_<task>`; empty where there are none.
pub fn conformers_sdf(sheet: &Sheet, records: &[Option<String>]) -> String {
    let predictions =
        sheet.tasks.iter().map(|task| (format!("pred_{}", task.name), task.probability.mean.to_string()));
    let predictions: Vec<(String, String)> = predictions.collect();
    let mut text = String::new();
    for (position, record) in records.iter().enumerate() {
        let Some(record) = record else { continue };
        let attention = sheet
            .tasks
            .iter()
            .filter_map(|task| Some((task.name.as_str(), task.attention.get(position)?.mean)));
        text += &conformer_record(record, &predictions, attention);
    }
    text
}

/// A record with the properties of its molecule and its own attention: names of tasks and weights.
pub fn conformer_record<'a>(
    record: &str,
    properties: &[(impl AsRef<str>, String)],
    attention: impl Iterator<Item = (&'a str, f32)>,
) -> String {
    let attention: Vec<(String, String)> =
        attention.map(|(task, weight)| (format!("attn_{task}"), weight.to_string())).collect();
    let properties = properties.iter().map(|(name, value)| (name.as_ref(), value.clone()));
    let attention = attention.iter().map(|(name, value)| (name.as_str(), value.clone()));
    sd_file::with_properties(record, properties.chain(attention))
}

/// Text between tags, or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML has no other control characters.
            letter if letter.is_control() && !letter.is_ascii_whitespace() => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A molecule of two tasks and two conformers, with names that need care.
    pub(super) fn sheet(std: Option<f32>) -> Sheet {
        let estimate = |mean| Estimate { mean, std };
        let task = |name: &str, probability, attention: [f32; 2]| TaskLine {
            name: name.into(),
            description: None,
            probability: estimate(probability),
            standing: Standing::among(&[0.0, 0.0, 0.0, probability], probability, std),
            threshold: 0.5,
            label: Some(1),
            attention: attention.map(estimate).to_vec(),
        };
        Sheet {
            id: "A,1 <b>".into(),
            smiles: Some("CCO".into()),
            structure: None,
            conformers: vec!["0".into(), "1\"x".into()],
            tasks: vec![task("red", 0.75, [0.25, 0.75]), task("blue & green", 0.125, [0.5, 0.5])],
            source: Source {
                bundle: "model.optimil".into(),
                producer: "optimil 0.1.0".into(),
                created: "2026-01-01T00:00:00Z".into(),
                models: 1,
                molecules: 9,
                data: None,
            },
        }
    }

    #[test]
    fn tables_have_the_columns_of_predict_and_quote_what_needs_it() {
        assert_eq!(
            attention_csv(&sheet(None)),
            "ID,conf_id,pred_red,pred_blue & green,attn_red,attn_blue & green\n\
             \"A,1 <b>\",0,0.75,0.125,0.25,0.5\n\"A,1 <b>\",\"1\"\"x\",0.75,0.125,0.75,0.5\n"
        );
        let spread = attention_csv(&sheet(Some(0.0625)));
        let (header, rows) = spread.split_once('\n').expect("a header");
        assert!(header.ends_with("pred_std_red,pred_std_blue & green,attn_std_red,attn_std_blue & green"));
        assert!(rows.lines().all(|row| row.ends_with("0.0625,0.0625,0.0625,0.0625")));
    }

    #[test]
    fn conformers_carry_their_attention() {
        let record = "m\n\n\nM  END\n> <conf_id>\n1\"x\n\n$$$$\n";
        let text = conformers_sdf(&sheet(None), &[None, Some(record.to_owned())]);
        let records: Vec<&str> = sd_file::records(&text).collect();
        assert_eq!(records.len(), 1);
        assert_eq!(sd_file::property(records[0], "attn_red"), Some("0.75"));
        assert_eq!(sd_file::property(records[0], "pred_blue & green"), Some("0.125"));
        assert_eq!(sd_file::property(records[0], "conf_id"), Some("1\"x"));
    }

    #[test]
    fn file_names_have_no_letters_that_make_trouble() {
        assert_eq!(sheet(None).file_name("attention.csv"), "A-1--b--attention.csv");
    }
}
