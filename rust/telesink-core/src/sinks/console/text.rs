//! Text that came from a record, made safe to show: no terminal escape, no second line, no reordering.

use std::fmt::Display;
use std::io::Write;

/// Whether a character must not reach a terminal or a log reader raw: control characters (C0, DEL, C1), the line
/// and paragraph separators, and the controls of Unicode's bidirectional algorithm, which show text in another
/// order than it is stored (CWE-117, CVE-2021-42574).
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends `text` on one line: `\n`, `\r`, `\t`, and `\u{001b}` for every other unsafe character. Backslashes
/// stay as they are, because a message is for people.
pub(in crate::sinks) fn push_escaped(out: &mut Vec<u8>, text: &str) {
    replace(out, text, is_unsafe, push_escape);
}

/// Appends a key or a value. It is quoted where it would not end at the next space or could be read in two ways;
/// within quotes a backslash and a quote have a backslash in front.
pub(in crate::sinks) fn push_token(out: &mut Vec<u8>, text: &str, ellipsis: &str) {
    let is_plain = |character: char| {
        !matches!(character, '=' | '"' | '\'' | '\\') && !character.is_whitespace() && !is_unsafe(character)
    };
    if !text.is_empty() && text.chars().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(ellipsis.as_bytes());
        return;
    }
    out.push(b'"');
    let is_special = |character: char| matches!(character, '"' | '\\') || is_unsafe(character);
    replace(out, text, is_special, |out, character| match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        other => push_escape(out, other),
    });
    out.extend_from_slice(ellipsis.as_bytes());
    out.push(b'"');
}

/// Escapes what is unsafe in the JSON text that `out` holds from `start` on. JSON's own rules ask for C0 only, and
/// outside its strings there is nothing but ASCII, so that `\u202e` can stand for any character found.
pub(super) fn make_json_safe(out: &mut Vec<u8>, start: usize) {
    if out[start..].iter().all(|&byte| byte < 0x7f) {
        return;
    }
    let json = String::from_utf8_lossy(&out[start..]).into_owned();
    out.truncate(start);
    replace(out, &json, is_unsafe, |out, character| {
        push(out, format_args!("\\u{:04x}", u32::from(character)));
    });
}

/// The first `chars_max` characters, and whether there were more.
pub(super) fn cut(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

/// Appends anything that can be displayed.
pub(in crate::sinks) fn push(out: &mut Vec<u8>, text: impl Display) {
    let result = write!(out, "{text}");
    debug_assert!(result.is_ok(), "a Vec takes everything");
}

fn push_escape(out: &mut Vec<u8>, character: char) {
    match character {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => push(out, format_args!("\\u{{{:04x}}}", u32::from(other))),
    }
}

fn replace(
    out: &mut Vec<u8>,
    text: &str,
    is_special: impl Fn(char) -> bool,
    write: impl Fn(&mut Vec<u8>, char),
) {
    let mut copied = 0;
    for (index, character) in text.char_indices() {
        if is_special(character) {
            out.extend_from_slice(&text.as_bytes()[copied..index]);
            write(out, character);
            copied = index + character.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        push_escaped(&mut out, text);
        String::from_utf8(out).expect("text")
    }

    fn token(text: &str) -> String {
        let mut out = Vec::new();
        push_token(&mut out, text, "");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn no_character_can_break_the_line_drive_the_terminal_or_turn_the_text_around() {
        let table = [
            ("a\nb\rc\td", r"a\nb\rc\td"),
            ("\x1b[31mred", r"\u{001b}[31mred"),
            ("\0\x07\x7f", r"\u{0000}\u{0007}\u{007f}"),
            ("\u{85}\u{9b}31m", r"\u{0085}\u{009b}31m"),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            ("\u{61c}\u{200e}\u{200f}", r"\u{061c}\u{200e}\u{200f}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", r"\u{202a}\u{202e}\u{2066}\u{2069}"),
            (r"C:\temp é 😀", r"C:\temp é 😀"),
        ];
        for (raw, expected) in table {
            assert_eq!(escaped(raw), expected);
        }
    }

    #[test]
    fn values_are_quoted_only_where_they_could_be_misread() {
        let table = [
            ("A7", "A7"),
            ("größe/2", "größe/2"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            ("it's", r#""it's""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"C:\new", r#""C:\\new""#),
            ("C:\new", r#""C:\new""#),
            ("no\u{a0}break", "\"no\u{a0}break\""),
        ];
        for (raw, expected) in table {
            assert_eq!(token(raw), expected);
        }
    }

    #[test]
    fn json_made_safe_says_the_same() {
        let raw = "\u{7f}\u{9b}31m \u{2028}\u{202e} é 😀";
        let mut out = b"x".to_vec();
        crate::record::json::write_str(&mut out, raw);

        make_json_safe(&mut out, 1);

        let text = String::from_utf8(out).expect("text");
        assert!(!text.chars().any(is_unsafe), "{text}");
        let back: String = serde_json::from_str(&text[1..]).expect("valid JSON");
        assert_eq!(back, raw);
    }
}
