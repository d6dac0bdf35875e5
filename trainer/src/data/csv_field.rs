//! One field of a CSV record.

use std::{borrow::Cow, str::Utf8Error};

use memchr::memchr2;

use super::csv_blocks::end_of_quotes;

/// The content of a field, and where it ends: at the separator behind it, or at the end of the text.
pub(super) struct Field<'a> {
    pub content: Cow<'a, [u8]>,
    pub end: usize,
}

impl<'a> Field<'a> {
    /// The field at `start`. Two quotation marks within quotes stand for one; what follows the closing one is
    /// taken as it is.
    pub fn at(text: &'a [u8], start: usize) -> Self {
        if text.get(start) != Some(&b'"') {
            let end = end_of_unquoted(text, start);
            return Self { content: Cow::Borrowed(&text[start..end]), end };
        }
        let quoted = start + 1;
        let Some(closed) = end_of_quotes(text, quoted) else {
            return Self { content: unescaped(&text[quoted..]), end: text.len() };
        };
        let end = end_of_unquoted(text, closed);
        let mut content = unescaped(&text[quoted..closed - 1]);
        if closed < end {
            content.to_mut().extend_from_slice(&text[closed..end]);
        }
        Self { content, end }
    }

    /// Where the field at `start` ends.
    pub fn end(text: &[u8], start: usize) -> usize {
        match text.get(start) {
            Some(b'"') => {
                end_of_quotes(text, start + 1).map_or(text.len(), |closed| end_of_unquoted(text, closed))
            }
            _ => end_of_unquoted(text, start),
        }
    }

    /// The content as text.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(&self.content)
    }
}

fn end_of_unquoted(text: &[u8], start: usize) -> usize {
    memchr2(b',', b'\n', &text[start..]).map_or(text.len(), |offset| start + offset)
}

/// Text between quotes, with each pair of quotation marks made one.
fn unescaped(quoted: &[u8]) -> Cow<'_, [u8]> {
    if !quoted.contains(&b'"') {
        return Cow::Borrowed(quoted);
    }
    let mut content = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(mark) = memchr::memchr(b'"', rest) {
        content.extend_from_slice(&rest[..=mark]);
        // The last mark of an unclosed field may stand alone.
        rest = rest.get(mark + 2..).unwrap_or_default();
    }
    content.extend_from_slice(rest);
    Cow::Owned(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> (String, usize) {
        let field = Field::at(text.as_bytes(), 0);
        assert_eq!(Field::end(text.as_bytes(), 0), field.end);
        (field.text().expect("UTF-8").to_owned(), field.end)
    }

    #[test]
    fn fields_end_at_commas_and_line_feeds_outside_quotes() {
        assert_eq!(field("a,b"), ("a".into(), 1));
        assert_eq!(field(",b"), (String::new(), 0));
        assert_eq!(field("a b\n"), ("a b".into(), 3));
        assert_eq!(field("\"a,\nb\",c"), ("a,\nb".into(), 6));
        assert_eq!(field("5\" tube,c"), ("5\" tube".into(), 7));
    }

    #[test]
    fn quotation_marks_are_escaped_by_doubling() {
        assert_eq!(field("\"a\"\"b\",c"), ("a\"b".into(), 6));
        assert_eq!(field("\"\"\"\"\n"), ("\"".into(), 4));
        assert_eq!(field("\"\",c"), (String::new(), 2));
        assert_eq!(field("\"a\"b\"c,d"), ("ab\"c".into(), 6));
        assert_eq!(field("\"open\n"), ("open\n".into(), 6));
    }
}
