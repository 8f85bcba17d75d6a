//! How far a value reaches in free text.
//!
//! Every function here looks at a slice that ends where the text ends or where an earlier `[REDACTED]` begins, and
//! consumes what it has looked at, which keeps the whole scan linear.

use std::ops::Range;

/// How many words a bare value may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// One; two if the first names an HTTP scheme, as in `token=Bearer abc`.
    One,
    /// Two where a second one follows on the line, as in `Authorization: Custom abc`.
    Two,
    /// All that have a `;` before them, as in `Cookie: id=abc; theme=dark`.
    Pairs,
    /// The first, and all digits behind it, as in `credit card: 4111 1111 1111 1111`.
    Digits,
}

/// First words that announce a second one.
const SCHEMES: &[&[u8]] = &[b"bearer", b"basic", b"digest", b"token", b"apikey", b"negotiate", b"ntlm"];

/// The value that begins at `from`, after spaces and tabs; `None` if there is nothing to hide.
///
/// In quotes: the content, up to the closing quote, or to the end where the text was cut. In brackets: all of it, the
/// brackets too. Bare: up to white space, `,`, `;` or `&`, without closing punctuation at its end, so that
/// `f(password=abc)` keeps its bracket.
pub(super) fn value_at(bytes: &[u8], from: usize, words: Words) -> Option<Range<usize>> {
    let start = skip_spaces(bytes, from);
    if let Some(quoted) = quoted(bytes, start) {
        return non_empty(quoted);
    }
    let first = word(bytes, start)?;
    let mut end = first.end;
    match words {
        Words::Pairs => return Some(start..pairs_end(bytes, end)),
        Words::Digits => return Some(start..digits_end(bytes, end)),
        Words::One | Words::Two => {}
    }
    let mut expects_more = words == Words::Two || is_scheme(&bytes[first]);
    while expects_more && matches!(bytes.get(end), Some(b' ' | b'\t')) {
        let next = skip_spaces(bytes, end);
        let Some(next) = quoted(bytes, next).and_then(non_empty).or_else(|| word(bytes, next)) else { break };
        end = next.end;
        // `Authorization: Bearer Bearer abc` has been seen, and the secret is the word after the last scheme.
        expects_more = is_scheme(&bytes[next]);
    }
    Some(start..end)
}

fn pairs_end(bytes: &[u8], mut end: usize) -> usize {
    while bytes.get(end) == Some(&b';') {
        let Some(next) = word(bytes, skip_spaces(bytes, end + 1)) else { break };
        end = next.end;
    }
    end
}

fn digits_end(bytes: &[u8], mut end: usize) -> usize {
    while let Some(next) = word(bytes, skip_spaces(bytes, end))
        && bytes[next.clone()].iter().all(u8::is_ascii_digit)
    {
        end = next.end;
    }
    end
}

/// Where spaces and tabs end. A line break ends the search for a value.
pub(super) fn skip_spaces(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'))
        .map_or(bytes.len(), |offset| from + offset)
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether the quote at `at`, which touches the colon before it, closes an earlier one: `'enter password:' was shown`.
pub(super) fn is_closing_quote(bytes: &[u8], at: usize) -> bool {
    let quote = at + backslashes(bytes, at);
    bytes.get(quote).is_some_and(|&byte| is_quote(byte))
        && bytes.get(quote + 1).is_none_or(|&next| ends_word(next) || matches!(next, b')' | b']' | b'}'))
}

/// A number such as `42` or `0.5`, which is a count rather than a secret.
pub(super) fn is_count(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_digit)
        && value.iter().all(|&byte| byte.is_ascii_digit() || byte == b'.')
}

/// A quoted value at `start`: its content, or the whole literal if it has a prefix as in `b'abc'`.
fn quoted(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if let Some(&[b'b' | b'B' | b'r' | b'R' | b'u' | b'U', quote]) = bytes.get(start..start + 2)
        && is_quote(quote)
    {
        let end = quoted_end(bytes, start + 2, quote, 0);
        let is_empty = end == start + 2;
        return Some(if is_empty { start..start } else { start..(end + 1).min(bytes.len()) });
    }
    // JSON inside a JSON string has a backslash before each quote.
    let level = backslashes(bytes, start);
    let open = start + level;
    let quote = *bytes.get(open).filter(|&&byte| is_quote(byte))?;
    Some(open + 1..quoted_end(bytes, open + 1, quote, level))
}

/// Where the content ends: at the closing quote's own backslashes, or at the end of the slice.
///
/// `level` backslashes stood before the opening quote. Each round of escaping turns n backslashes before a quote into
/// 2n + 1, so a quote closes if its run of backslashes is `level` plus whole escaped backslashes, or shorter, which
/// ends an outer string.
fn quoted_end(bytes: &[u8], content: usize, quote: u8, level: usize) -> usize {
    let mut run = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(content) {
        if byte == b'\\' {
            run += 1;
            continue;
        }
        if byte == quote && (run < level || (run - level).is_multiple_of(2 * (level + 1))) {
            return at - run.min(level);
        }
        run = 0;
    }
    bytes.len()
}

/// A bare word at `start`, or a bracketed value and what touches it.
fn word(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_bracket = matches!(bytes.get(start), Some(b'[' | b'{' | b'('));
    let body = if is_bracket { bracket_end(bytes, start) } else { start };
    let mut end =
        bytes[body..].iter().position(|&byte| ends_word(byte)).map_or(bytes.len(), |offset| body + offset);
    while end > body && is_closing(bytes[end - 1]) {
        end -= 1;
    }
    non_empty(start..end)
}

/// Just after the bracket that closes the one at `start`; the end of the slice where the text was cut.
fn bracket_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' if depth == 1 => return at,
            b']' | b'}' | b')' => depth -= 1,
            // A bracket inside a string is part of the string.
            b'"' | b'\'' => at = (quoted_end(bytes, at, byte, 0) + 1).min(bytes.len()),
            _ => {}
        }
    }
    bytes.len()
}

fn non_empty(range: Range<usize>) -> Option<Range<usize>> {
    (!range.is_empty()).then_some(range)
}

fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

fn backslashes(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().take_while(|&&byte| byte == b'\\').count()
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b',' | b';' | b'&')
}

/// Punctuation that closes what stands around a value. The colon is here because `Bearer token: abc` has its secret
/// after it.
fn is_closing(byte: u8) -> bool {
    is_quote(byte) || matches!(byte, b')' | b']' | b'}' | b'>' | b'\\' | b':')
}
