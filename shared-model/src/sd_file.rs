//! SD files: molecules with coordinates, each a mol block followed by its properties (CTfile Formats, BIOVIA).
//!
//! The conformers of a bundle name their molecule and themselves by the properties `ID` and `conf_id`.

/// The records of an SD file, each with the line `$$$$` that ends it.
pub fn records(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            end += line.len();
            if line.trim_end() == "$$$$" {
                break;
            }
        }
        let (record, later) = rest.split_at(end);
        rest = later;
        (!record.trim().is_empty()).then_some(record)
    })
}

/// The molecule and the conformer that a record names.
pub fn key(record: &str) -> Option<(&str, &str)> {
    property(record, "ID").zip(property(record, "conf_id"))
}

/// A property of a record: the line after its header, which is `> <NAME>`, maybe with numbers around the name.
pub fn property<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    let tag = format!("<{name}>");
    let mut lines = record.lines().skip_while(|line| !(line.starts_with('>') && line.contains(&tag)));
    lines.nth(1).map(str::trim)
}

/// A record with more properties behind its own. Line breaks within a value would end it: they become spaces.
pub fn with_properties<'a>(record: &str, properties: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text: String =
        record.lines().take_while(|line| line.trim_end() != "$$$$").flat_map(|line| [line, "\n"]).collect();
    if !text.ends_with("\n\n") && property_follows(record) {
        text.push('\n');
    }
    for (name, value) in properties {
        let value = value.replace(['\r', '\n'], " ");
        // An angle bracket would end the name.
        let name = name.replace(['<', '>', '\r', '\n'], "_");
        text += &format!("> <{name}>\n{value}\n\n");
    }
    text + "$$$$\n"
}

/// Whether a record has properties already, whose last one ends with an empty line.
fn property_follows(record: &str) -> bool {
    record.lines().any(|line| line.starts_with('>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "water\n  made\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n\
        \u{20}   0.0000    0.0000    0.0000 O   0  0\nM  END\n>  <ID>  (1) \nW1\n\n> <conf_id>\n7\n\n$$$$\n";

    #[test]
    fn records_are_found_with_their_keys() {
        let file = RECORD.repeat(2);
        let found: Vec<_> = records(&file).collect();
        assert_eq!(found, [RECORD, RECORD]);
        assert_eq!(key(found[0]), Some(("W1", "7")));
        assert_eq!(records("\n\n").count(), 0);
    }

    #[test]
    fn more_properties_stand_behind_those_that_are_there() {
        let more = with_properties(RECORD, [("attn_<a>", "0.25".to_owned()), ("note", "two\nlines".into())]);
        assert_eq!(property(&more, "ID"), Some("W1"));
        assert_eq!(property(&more, "attn__a_"), Some("0.25"));
        assert_eq!(property(&more, "note"), Some("two lines"));
        assert_eq!(records(&more).count(), 1);
        assert!(more.starts_with(RECORD.strip_suffix("$$$$\n").expect("it ends so")));
        let bare = with_properties("\n\n\nM  END\n$$$$\n", [("a", "1".to_owned())]);
        assert_eq!(bare, "\n\n\nM  END\n> <a>\n1\n\n$$$$\n");
    }
}
