//! The text of a CSV file in blocks of whole records.

use std::io::{self, ErrorKind, Read};

use memchr::{memchr, memchr_iter, memchr2, memrchr};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of the text that begins and ends with a record. Every line in it ends with one line feed.
///
/// Meant to be filled again and again: memory that is used for the first time costs as much as reading a number.
#[derive(Default)]
pub(super) struct Block {
    /// The text, and room behind it.
    bytes: Vec<u8>,
    length: usize,
    /// Whether it is the first.
    pub first: bool,
    /// Whether there is a quotation mark in it.
    pub quoted: bool,
}

impl Block {
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn make_room(&mut self, length: usize) {
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
    }
}

/// Cuts a text into blocks of about `size` bytes, at least three; a longer record makes a longer block.
pub(super) struct Blocks<R> {
    input: R,
    size: usize,
    /// The begun record behind the last block.
    rest: Vec<u8>,
    begun: bool,
    quotes: usize,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub fn new(input: R, size: usize) -> Self {
        Self {
            input,
            size: size.max(BYTE_ORDER_MARK.len()),
            rest: Vec::new(),
            begun: false,
            quotes: 0,
            ended: false,
        }
    }

    /// Fills a block with what comes next; false if there is no text left.
    pub fn next(&mut self, block: &mut Block) -> io::Result<bool> {
        block.first = !self.begun;
        block.length = self.rest.len();
        block.make_room(self.rest.len());
        block.bytes[..self.rest.len()].copy_from_slice(&self.rest);
        block.quoted = memchr(b'"', &self.rest).is_some();
        let mut end = None;
        while end.is_none() && !self.ended {
            // What is left of a long record doubles, so that it is searched a few times only.
            let wanted = self.size.max(block.length);
            self.read(block, wanted)?;
            end = if block.quoted {
                end_of_quoted_records(block.text())
            } else {
                memrchr(b'\n', block.text()).map(|last| last + 1)
            };
        }
        let end = if self.ended { block.length } else { end.unwrap_or_default() };
        self.rest.clear();
        self.rest.extend_from_slice(&block.text()[end..]);
        block.length = end;
        self.begun = true;
        Ok(end > 0)
    }

    /// Whether the text so far has an odd number of quotation marks.
    ///
    /// A quoted field that is never closed reaches to the end of the file; in a sound table the marks come in pairs.
    pub fn quote_is_open(&self) -> bool {
        !self.quotes.is_multiple_of(2)
    }

    /// Appends `wanted` bytes or all that are left, without carriage returns and the byte order mark.
    fn read(&mut self, block: &mut Block, wanted: usize) -> io::Result<()> {
        let old = block.length;
        block.make_room(old + wanted + 1);
        while block.length < old + wanted {
            match self.input.read(&mut block.bytes[block.length..old + wanted]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => block.length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Most tables have neither, which one look tells.
        if memchr2(b'\r', b'"', &block.text()[old..]).is_some() {
            block.length = old + without_carriage_returns(&mut block.bytes[old..block.length]);
            let quotes = memchr_iter(b'"', &block.text()[old..]).count();
            self.quotes += quotes;
            block.quoted |= quotes > 0;
        }
        if !self.begun && old == 0 && block.text().starts_with(BYTE_ORDER_MARK) {
            block.bytes.copy_within(BYTE_ORDER_MARK.len()..block.length, 0);
            block.length -= BYTE_ORDER_MARK.len();
        }
        if self.ended && block.text().last().is_some_and(|&last| last != b'\n') {
            block.bytes[block.length] = b'\n';
            block.length += 1;
        }
        Ok(())
    }
}

/// Moves the carriage returns out of a text; returns what is left of its length.
fn without_carriage_returns(text: &mut [u8]) -> usize {
    let Some(mut kept) = memchr(b'\r', text) else { return text.len() };
    let mut at = kept + 1;
    while at < text.len() {
        let next = memchr(b'\r', &text[at..]).map_or(text.len(), |offset| at + offset);
        text.copy_within(at..next, kept);
        kept += next - at;
        at = next + 1;
    }
    kept
}

/// Where the last complete record of a text ends that begins with one; `None` if there is no complete record.
///
/// A quotation mark opens a field at its begin only. In a quoted field two of them stand for one, and another
/// closes it.
fn end_of_quoted_records(text: &[u8]) -> Option<usize> {
    let (mut at, mut end) = (0, None);
    while let Some(offset) = memchr2(b'"', b'\n', &text[at..]) {
        let found = at + offset;
        at = found + 1;
        if text[found] == b'\n' {
            end = Some(at);
        } else if found == 0 || matches!(text[found - 1], b',' | b'\n') {
            match end_of_quotes(text, at) {
                Some(closed) => at = closed,
                None => break,
            }
        }
    }
    end
}

/// Where the part of a field that stands in quotes ends, behind the closing mark; `start` is behind the opening one.
pub(super) fn end_of_quotes(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr(b'"', text.get(at..)?)? + 1;
        if text.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, size: usize) -> Vec<String> {
        let (mut blocks, mut block) = (Blocks::new(text.as_bytes(), size), Block::default());
        let mut found = Vec::new();
        while blocks.next(&mut block).expect("read") {
            assert_eq!(block.first, found.is_empty());
            let text = String::from_utf8(block.text().to_vec()).expect("UTF-8");
            assert!(block.quoted || !text.contains('"'));
            found.push(text);
        }
        found
    }

    #[test]
    fn blocks_end_with_records() {
        assert_eq!(blocks("a,b\nc,d\ne,f\ng", 5), ["a,b\n", "c,d\n", "e,f\ng\n"]);
        assert_eq!(blocks("a,b\nc,d\ne", 100), ["a,b\nc,d\ne\n"]);
        assert_eq!(blocks("", 5), [""; 0]);
        let long = "a long record\n".to_owned() + &"b,c\n".repeat(5);
        assert_eq!(blocks(&long, 3), ["a long record\nb,c\nb,c\n", "b,c\n", "b,c\n", "b,c\n"]);
    }

    #[test]
    fn line_ends_and_the_byte_order_mark_are_made_alike() {
        assert_eq!(blocks("\u{feff}a\r\nb\r\n", 100), ["a\nb\n"]);
        assert_eq!(blocks("a\r\nb\r\r\ncde", 3), ["a\n", "b\n", "cde\n"]);
        assert_eq!(blocks("\r\r", 1), [""; 0]);
    }

    #[test]
    fn line_feeds_in_quotes_end_no_block() {
        assert_eq!(blocks("\"a\nb\",c\nd,e\nf\n", 3), ["\"a\nb\",c\nd,e\n", "f\n"]);
        assert_eq!(blocks("a,\"b\"\"\nc\"\nd,e\nf\n", 3), ["a,\"b\"\"\nc\"\n", "d,e\n", "f\n"]);
        assert_eq!(blocks("5\" tube\nb,c\n", 3), ["5\" tube\nb,c\n"]);
        assert_eq!(blocks("\"open\nb\n", 3), ["\"open\nb\n"]);
    }
}
