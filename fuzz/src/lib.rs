//! What several targets look at.

/// Whether a character must not reach a terminal, a log file or a line of telesink's own: as in the console sink, and
/// without the line end, which the targets count.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Asserts that the bytes are one JSON object on one line.
#[track_caller]
pub fn assert_one_object(line: &[u8]) -> serde_json::Value {
    let text = std::str::from_utf8(line).expect("UTF-8");
    assert_eq!(text.find('\n'), Some(text.len() - 1), "one line: {text:?}");
    let value: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.is_object(), "{text}");
    value
}

/// The input cut in two at its first NUL.
pub fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}
