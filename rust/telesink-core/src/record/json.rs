//! JSON text from records, for sinks that store attributes as JSON and for the dead-letter file.

mod signals;

pub use signals::{write_buckets, write_events, write_links};

use super::value::{DEPTH_MAX, Value, list, map, pair};
use super::view::{ATTRIBUTES, LogView};
use super::wire::{Fields, Wire};
use std::collections::HashSet;

/// Writes a quoted and escaped JSON string.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if !needs_escape(bytes) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            // Neither Postgres nor readers in C can hold it, escaped or not; the same in every sink.
            0 => out.extend_from_slice("\u{2400}".as_bytes()),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Looks at every byte without a branch, so that the compiler can look at many at once.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "without branches the compiler looks at many bytes at once")]
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

/// Writes a value. Bytes become base64 text; a double that JSON cannot hold becomes its name as text; a list or map
/// inside of [`DEPTH_MAX`] others becomes `null`.
pub fn write_value(out: &mut Vec<u8>, value: Value<'_>) {
    write_at(out, value, 0);
}

/// Writes a value that lies inside of `depth` others.
fn write_at(out: &mut Vec<u8>, value: Value<'_>, depth: usize) {
    match value {
        Value::List(_) | Value::Map(_) if depth >= DEPTH_MAX => out.extend_from_slice(b"null"),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Str(text) => write_str(out, text),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Double(number) => write_double(out, number),
        Value::Bytes(bytes) => write_base64(out, bytes),
        Value::List(inner) => {
            out.push(b'[');
            for (index, element) in list(inner).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_at(out, element, depth + 1);
            }
            out.push(b']');
        }
        Value::Map(inner) => write_pairs(out, map(inner), depth + 1),
    }
}

/// Names compared one by one; objects with more of them are rare, and for those a set is made.
const NAMES_COMPARED_MAX: usize = 32;

/// Writes pairs as an object. Of a name that stands there twice the first is written: readers of JSON differ in which
/// one they take, and what a program said itself comes before what telesink adds.
pub fn write_object<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, Value<'a>)>) {
    write_pairs(out, pairs, 0);
}

fn write_pairs<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, Value<'a>)>, depth: usize) {
    let mut names = Names::default();
    out.push(b'{');
    for (key, value) in pairs {
        write_pair(out, &mut names, key, value, depth);
    }
    out.push(b'}');
}

/// The names that an object has so far.
struct Names<'a> {
    written: [&'a str; NAMES_COMPARED_MAX],
    count: usize,
    more: HashSet<&'a str>,
    /// One bit for each kind of name seen: most names are the only one of their kind, and compared with nothing.
    kinds: u64,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self { written: [""; NAMES_COMPARED_MAX], count: 0, more: HashSet::new(), kinds: 0 }
    }
}

impl<'a> Names<'a> {
    /// Whether the name is new.
    #[inline]
    fn insert(&mut self, name: &'a str) -> bool {
        let kind = 1 << kind_of(name);
        if self.kinds & kind != 0
            && (self.written[..self.count].contains(&name)
                || (!self.more.is_empty() && self.more.contains(name)))
        {
            return false;
        }
        self.kinds |= kind;
        if self.count < NAMES_COMPARED_MAX {
            self.written[self.count] = name;
            self.count += 1;
        } else {
            self.more.insert(name);
        }
        true
    }
}

#[inline]
fn write_pair<'a>(out: &mut Vec<u8>, names: &mut Names<'a>, key: &'a str, value: Value<'a>, depth: usize) {
    let is_first = names.count == 0;
    if !names.insert(key) {
        return;
    }
    if !is_first {
        out.push(b',');
    }
    write_str(out, key);
    out.push(b':');
    write_at(out, value, depth);
}

/// A number below 64 that seldom is the same for two names: from the length, the last byte and one in the middle.
#[inline]
fn kind_of(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let last = u32::from(bytes.last().copied().unwrap_or(0));
    let middle = u32::from(bytes.get(bytes.len() / 2).copied().unwrap_or(0));
    (bytes.len() as u32).wrapping_mul(31).wrapping_add(last.wrapping_mul(7)).wrapping_add(middle) & 63
}

/// Writes the attributes of a record as an object.
pub fn write_attributes(out: &mut Vec<u8>, view: &LogView<'_>) {
    let mut names = Names::default();
    out.push(b'{');
    // Loops instead of `view.attributes()`: through an iterator, each pair is copied twice.
    for part in view.parts() {
        for field in Fields::new(part) {
            if let (ATTRIBUTES, Wire::Bytes(message)) = field {
                let (key, value) = pair(message);
                write_pair(out, &mut names, key, value, 0);
            }
        }
    }
    out.push(b'}');
}

/// Appends the attributes of a record as further members of an object that has some already, whose names are `taken`.
/// Answers false, with nothing appended, if one of the attributes has such a name.
pub fn append_attributes(out: &mut Vec<u8>, view: &LogView<'_>, taken: &[&str]) -> bool {
    let start = out.len();
    let kinds = taken.iter().fold(0_u64, |kinds, name| kinds | 1 << kind_of(name));
    let mut names = Names::default();
    for part in view.parts() {
        for field in Fields::new(part) {
            if let (ATTRIBUTES, Wire::Bytes(message)) = field {
                let (key, value) = pair(message);
                if kinds & 1 << kind_of(key) != 0 && taken.contains(&key) {
                    out.truncate(start);
                    return false;
                }
                if names.count == 0 {
                    out.push(b',');
                }
                write_pair(out, &mut names, key, value, 0);
            }
        }
    }
    true
}

fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if number > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}

/// Writes quoted standard base64 with padding.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let word = u32::from(chunk[0]) << 16
            | u32::from(*chunk.get(1).unwrap_or(&0)) << 8
            | u32::from(*chunk.get(2).unwrap_or(&0));
        for position in 0..4 {
            if position <= chunk.len() {
                out.push(ALPHABET[(word >> (18 - 6 * position)) as usize & 63]);
            } else {
                out.push(b'=');
            }
        }
    }
    out.push(b'"');
}

/// Writes lower-case hex digits, two a byte.
pub fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::put_bytes;
    use super::*;

    fn as_json(text: &str) -> String {
        let mut out = Vec::new();
        write_str(&mut out, text);
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn every_character_survives_a_json_parser() {
        let all: String = (0..0x800_u32).filter_map(char::from_u32).chain("😀\u{2028}".chars()).collect();

        let back: String = serde_json::from_str(&as_json(&all)).expect("valid JSON");

        // Of the characters only NUL cannot be held by every database.
        assert_eq!(back, all.replace('\0', "\u{2400}"));
    }

    #[test]
    fn a_name_that_stands_twice_is_written_once_however_many_names_there_are() {
        for count in [1, 31, 32, 33, 100] {
            let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let twice = names.iter().chain(&names).enumerate();
            let pairs = twice.map(|(index, name)| (name.as_str(), Value::Int(index as i64)));
            let mut out = Vec::new();

            write_object(&mut out, pairs);

            let text = String::from_utf8(out).expect("utf-8");
            assert_eq!(text.matches(':').count(), count);
            let object: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
            assert_eq!(object[&names[count - 1]], count - 1);
        }
    }

    #[test]
    fn bytes_that_are_nested_as_deep_as_they_are_long_do_not_use_up_the_stack() {
        let mut nested = Vec::new();
        for depth in 0..10_000 {
            // A list in a list in a map in a map.
            let is_list = depth % 4 < 2;
            let inner = std::mem::take(&mut nested);
            let mut element = Vec::new();
            put_bytes(&mut element, if is_list { 0x0a } else { 0x12 }, &inner);
            if !is_list {
                let pair = std::mem::take(&mut element);
                put_bytes(&mut element, 0x0a, &pair);
            }
            put_bytes(&mut nested, if is_list { 0x2a } else { 0x32 }, &element);
        }
        let mut out = Vec::new();

        write_value(&mut out, Value::read(&nested));

        let text = String::from_utf8(out).expect("utf-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("valid JSON");
        assert_eq!(text.matches(['[', '{']).count(), DEPTH_MAX);
    }

    #[test]
    fn base64_has_the_right_padding() {
        for (bytes, expected) in [("", "\"\""), ("f", "\"Zg==\""), ("fo", "\"Zm8=\""), ("foo", "\"Zm9v\"")] {
            let mut out = Vec::new();
            write_base64(&mut out, bytes.as_bytes());
            assert_eq!(String::from_utf8(out).expect("ascii"), expected);
        }
    }

    #[test]
    fn doubles_that_json_lacks_become_text() {
        for (number, expected) in [(f64::NAN, "\"NaN\""), (f64::NEG_INFINITY, "\"-Infinity\""), (0.5, "0.5")]
        {
            let mut out = Vec::new();
            write_value(&mut out, Value::Double(number));
            assert_eq!(String::from_utf8(out).expect("ascii"), expected);
        }
    }
}
