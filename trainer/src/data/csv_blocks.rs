//! The text of a CSV file in blocks of whole records.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2, memrchr};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of the text that begins and ends with a record. Every line in it ends with one line feed.
pub(super) struct Block {
    /// Number of the block, counted from 0.
    pub number: usize,
    pub text: Vec<u8>,
    /// Whether there is a quotation mark in it.
    pub quoted: bool,
}

/// Cuts a text into blocks of about `size` bytes, at least three; a longer record makes a longer block.
///
/// The same text and size always make the same blocks.
pub(super) struct Blocks<R> {
    input: R,
    size: usize,
    /// The begun record behind the last block.
    rest: Vec<u8>,
    number: usize,
    quotes: usize,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub fn new(input: R, size: usize) -> Self {
        Self {
            input,
            size: size.max(BYTE_ORDER_MARK.len()),
            rest: Vec::new(),
            number: 0,
            quotes: 0,
            ended: false,
        }
    }

    /// The next block, if there is text left.
    pub fn next(&mut self) -> io::Result<Option<Block>> {
        let mut text = std::mem::take(&mut self.rest);
        text.reserve(self.size + 1);
        let mut end = None;
        while end.is_none() && !self.ended {
            // What is left of a long record doubles, so that it is searched a few times only.
            let wanted = self.size.max(text.len());
            self.read(&mut text, wanted)?;
            end = end_of_records(&text);
        }
        if self.ended {
            end = Some(text.len());
        }
        self.rest = text.split_off(end.unwrap_or_default());
        if text.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let quoted = memchr(b'"', &text).is_some();
        Ok(Some(Block { number: self.number - 1, text, quoted }))
    }

    /// Whether the text so far has an odd number of quotation marks.
    ///
    /// A quoted field that is never closed reaches to the end of the file; in a sound table the marks come in pairs.
    pub fn quote_is_open(&self) -> bool {
        !self.quotes.is_multiple_of(2)
    }

    /// Appends `wanted` bytes or all that are left, without carriage returns and the byte order mark.
    fn read(&mut self, text: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        let old = text.len();
        let read = self.input.by_ref().take(wanted as u64).read_to_end(text)?;
        self.ended = read < wanted;
        remove_carriage_returns(text, old);
        if self.number == 0 && old == 0 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        self.quotes += memchr_iter(b'"', &text[old..]).count();
        if self.ended && text.last().is_some_and(|&last| last != b'\n') {
            text.push(b'\n');
        }
        Ok(())
    }
}

/// Removes the carriage returns from `start` on.
fn remove_carriage_returns(text: &mut Vec<u8>, start: usize) {
    let Some(first) = memchr(b'\r', &text[start..]) else { return };
    let mut kept = start + first;
    let mut at = kept + 1;
    while at < text.len() {
        let next = memchr(b'\r', &text[at..]).map_or(text.len(), |offset| at + offset);
        text.copy_within(at..next, kept);
        kept += next - at;
        at = next + 1;
    }
    text.truncate(kept);
}

/// Where the last complete record of a text ends that begins with one; `None` if there is no complete record.
///
/// A quotation mark opens a field at its begin only. In a quoted field two of them stand for one, and another
/// closes it.
fn end_of_records(text: &[u8]) -> Option<usize> {
    if memchr(b'"', text).is_none() {
        return memrchr(b'\n', text).map(|last| last + 1);
    }
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
        let mut blocks = Blocks::new(text.as_bytes(), size);
        let next = || blocks.next().expect("read").map(|block| String::from_utf8(block.text).expect("UTF-8"));
        std::iter::from_fn(next).collect()
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
