//! Terminal escapes are taken out of a message; field values keep theirs.

use std::borrow::Cow;

use memchr::memchr;

const ESCAPE: u8 = 0x1b;

/// The text without colour and cursor escapes.
///
/// ESC `[` is removed together with everything up to and including the next ASCII letter, or up to the end of the
/// text if there is none. Any other ESC character is removed alone and what follows it stays, so the words of a
/// window title survive. Borrows when there is no ESC, which costs one `memchr`.
pub fn strip_ansi(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let Some(first) = memchr(ESCAPE, bytes) else { return Cow::Borrowed(text) };

    let mut clean = String::with_capacity(text.len());
    clean.push_str(&text[..first]);
    let mut escape = first;
    loop {
        let kept = escape_end(bytes, escape);
        let Some(distance) = memchr(ESCAPE, &bytes[kept..]) else {
            clean.push_str(&text[kept..]);
            return Cow::Owned(clean);
        };
        clean.push_str(&text[kept..kept + distance]);
        escape = kept + distance;
    }
}

/// Where the text goes on after the ESC at `escape`. Both ends of a removed piece are ASCII, so no character is cut.
fn escape_end(bytes: &[u8], escape: usize) -> usize {
    if bytes.get(escape + 1) != Some(&b'[') {
        return escape + 1;
    }
    let parameters = escape + 2;
    match bytes[parameters..].iter().position(u8::is_ascii_alphabetic) {
        Some(letter) => parameters + letter + 1,
        None => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::strip_ansi;

    #[test]
    fn a_text_without_escapes_is_borrowed() {
        assert!(matches!(strip_ansi("naïve [31m text"), Cow::Borrowed("naïve [31m text")));
    }

    #[test]
    fn colour_escapes_go_and_the_words_between_stay() {
        assert_eq!("red and bold", strip_ansi("\u{1b}[31mred\u{1b}[0m and \u{1b}[1;38;5;9mbold\u{1b}[m"));
    }

    #[test]
    fn a_csi_escape_reaches_to_the_next_ascii_letter_whatever_lies_between() {
        assert_eq!("xy", strip_ansi("x\u{1b}[ é?;7Ky"));
    }

    #[test]
    fn a_csi_escape_without_a_letter_takes_the_rest() {
        assert_eq!("x", strip_ansi("x\u{1b}[12;34é"));
        assert_eq!("x", strip_ansi("x\u{1b}["));
    }

    #[test]
    fn any_other_escape_is_removed_alone() {
        assert_eq!("]0;window title\u{7} after", strip_ansi("\u{1b}]0;window title\u{7} after"));
        assert_eq!("é", strip_ansi("\u{1b}é\u{1b}"));
    }

    #[test]
    fn an_escape_before_a_colour_escape_does_not_shield_it() {
        assert_eq!("x", strip_ansi("\u{1b}\u{1b}[31mx"));
    }

    #[test]
    fn a_mebibyte_of_escapes_is_stripped() {
        assert_eq!("", strip_ansi(&"\u{1b}".repeat(1 << 20)));
        assert_eq!("", strip_ansi(&"\u{1b}[".repeat(1 << 19)));
    }
}
