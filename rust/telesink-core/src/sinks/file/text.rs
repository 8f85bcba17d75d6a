//! Lines for people: values as text, and lines of a bounded length.

use crate::record::json::write_value;
use crate::record::value::Value;
use std::borrow::Cow;

/// Longest line of text, in bytes, its end included.
pub(super) const LINE_BYTES_MAX: usize = 65_536;

/// Room for the words that tell how much is missing, and the end of the line.
const SUFFIX_BYTES: usize = 32;

/// A value as text: texts as they are, everything else as JSON.
pub(super) fn push_text(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        other => {
            let mut out = Vec::new();
            write_value(&mut out, other);
            Cow::Owned(String::from_utf8(out).unwrap_or_default())
        }
    }
}

/// Lets `write` append text, and cuts it so that the line stays within `bytes_max`.
pub(super) fn push_bounded(out: &mut Vec<u8>, bytes_max: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    if out.len() - start > bytes_max - SUFFIX_BYTES {
        let text = String::from_utf8_lossy(&out[start..]);
        let cut = cut(&text, bytes_max - SUFFIX_BYTES);
        out.truncate(start);
        out.extend_from_slice(cut.as_bytes());
    }
}

/// The first `bytes_max` bytes of a text, up to a whole character, and how many characters were cut off.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let (kept, rest) = text.split_at(text.floor_char_boundary(bytes_max));
    format!("{kept}...[truncated {} chars]", rest.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_22_a_long_line_says_how_many_characters_are_missing() {
        let text = "This is a very long line of text that will be truncated!!";
        assert_eq!(text.len(), 57);

        assert_eq!(cut(text, 20), format!("{}...[truncated 37 chars]", &text[..20]));
    }

    #[test]
    fn s3_22_a_line_is_cut_between_characters_and_stays_within_its_length() {
        for length in [30_000, 32_768, 40_000, 100_000] {
            let mut out = b"before".to_vec();

            push_bounded(&mut out, LINE_BYTES_MAX, |out| {
                out.extend_from_slice("é".repeat(length).as_bytes());
            });

            let line = std::str::from_utf8(&out[b"before".len()..]).expect("whole characters");
            assert!(line.len() < LINE_BYTES_MAX, "{}", line.len());
            let kept = line.chars().filter(|character| *character == 'é').count();
            let told = line
                .split_once("...[truncated ")
                .map_or(0, |(_, rest)| rest.trim_end_matches(" chars]").parse().expect("a number"));
            assert_eq!(kept + told, length);
        }
    }
}
