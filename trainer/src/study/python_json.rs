//! JSON as Python reads and writes it: numbers exact to the last bit, and NaN and infinities as bare words.
//!
//! `serde_json` refuses those words, and unless a feature of it is set for the whole program, a number with many digits
//! may be off by one unit in the last place. Studies are compared to the bit, so they are read here.

use serde_json::{Map, Number, Value};

/// Names of the numbers that JSON does not have.
const WORDS: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// Deeper nesting than this is refused.
const MAX_DEPTH: usize = 128;

/// Where a text is no JSON, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no JSON at byte {at}: {expected} expected")]
pub struct JsonError {
    at: usize,
    expected: &'static str,
}

/// Reads a JSON text. NaN and infinities become the strings of those names, which [`number`] knows.
///
/// # Errors
/// [`JsonError`] if it is none.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.expected("the end")) } else { Ok(value) }
}

/// A number that [`parse`] read, finite or not.
pub fn number(value: &Value) -> Option<f64> {
    let word = |text| WORDS.iter().find(|(word, _)| *word == text).map(|(_, number)| *number);
    value.as_f64().or_else(|| word(value.as_str()?))
}

/// A number as Python writes and reads it.
pub fn write_number(number: f64) -> String {
    let same = |value: f64| value == number || value.is_nan() && number.is_nan();
    match WORDS.iter().find(|(_, value)| same(*value)) {
        Some((word, _)) => (*word).to_owned(),
        None => Value::from(number).to_string(),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError { at: self.at, expected }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes a word if it is next.
    fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.expected("less nesting"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            _ if self.take("null") => Ok(Value::Null),
            _ if self.take("true") => Ok(Value::Bool(true)),
            _ if self.take("false") => Ok(Value::Bool(false)),
            _ => match WORDS.iter().find(|(word, _)| self.rest().starts_with(word)) {
                Some((word, _)) => {
                    self.at += word.len();
                    Ok(Value::from(*word))
                }
                None => self.number(),
            },
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut object = Map::new();
        self.at += 1;
        self.space();
        if self.take("}") {
            return Ok(object.into());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(self.expected("a colon"));
            }
            object.insert(key, self.value(depth + 1)?);
            self.space();
            if self.take("}") {
                return Ok(object.into());
            }
            if !self.take(",") {
                return Err(self.expected("a comma or the end of the object"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut array = Vec::new();
        self.at += 1;
        self.space();
        if self.take("]") {
            return Ok(array.into());
        }
        loop {
            array.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(array.into());
            }
            if !self.take(",") {
                return Err(self.expected("a comma or the end of the list"));
            }
        }
    }

    /// A string; what the escapes in it mean is left to `serde_json`.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        if !self.take("\"") {
            return Err(self.expected("a string"));
        }
        loop {
            match self.peek() {
                None => return Err(self.expected("the end of a string")),
                Some(b'"') => break self.at += 1,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(literal).map_err(|_| JsonError { at: start, expected: "a string" })
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let literal = &self.text[start..self.at];
        let whole =
            literal.parse::<i64>().map(Number::from).or_else(|_| literal.parse::<u64>().map(Number::from));
        let wrong = JsonError { at: start, expected: "a value" };
        if let Ok(whole) = whole {
            return Ok(whole.into());
        }
        match literal.parse::<f64>() {
            Ok(real) => Ok(Number::from_f64(real).map_or_else(|| write_number(real).into(), Value::Number)),
            Err(_) => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_python_are_numbers() {
        let value =
            parse(r#" {"a": [NaN, Infinity,-Infinity, "NaN", -1.5e-3, 12], "b": {"c\n\u00e9": null}} "#);
        let value = value.expect("read");
        let list = value["a"].as_array().expect("list");
        assert!(number(&list[0]).expect("number").is_nan());
        assert_eq!(number(&list[1]), Some(f64::INFINITY));
        assert_eq!(number(&list[2]), Some(f64::NEG_INFINITY));
        assert_eq!(list[4..], [json!(-1.5e-3), json!(12)]);
        assert_eq!(value["b"], json!({ "c\né": null }));
        assert_eq!(write_number(f64::NAN), "NaN");
        assert_eq!(write_number(f64::NEG_INFINITY), "-Infinity");
        assert_eq!(write_number(3.0), "3.0");
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            (r#"{"a" 1}"#, 5),
            (r#"{"a":1"#, 6),
            ("[1 2]", 3),
            ("nul", 0),
            ("1 2", 2),
            (r#""abc"#, 4),
            (r#""ab\"#, 5),
            ("--1", 0),
        ] {
            assert_eq!(parse(text).expect_err("refused").at, at, "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn every_number_comes_back_to_the_bit(bits: u64) {
            let number_in = f64::from_bits(bits);
            let back = number(&parse(&write_number(number_in)).expect("read")).expect("number");
            prop_assert!(back.to_bits() == bits || back.is_nan() && number_in.is_nan());
        }

        #[test]
        fn no_text_is_a_panic(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn what_serde_writes_is_read_alike(text: String, whole: i64, truth: bool) {
            let value = json!({ text.clone(): [whole, truth, null, { "text": text }] });
            prop_assert_eq!(parse(&value.to_string()), Ok(value));
        }
    }
}
