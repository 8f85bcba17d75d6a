//! Words in free text that announce a secret: `password=`, `"api_key": `, `Authorization: Basic `, `Bearer `, and the
//! password of a URL.
//!
//! A secret needs a separator or the word `Bearer` before it, so the scan jumps from one `=` or `:` to the next and
//! looks back; a text without any costs two passes of vector instructions. `password_hash=x`, `--password x` and
//! `<password>x` are not hidden: patterns are for those.

use std::ops::Range;

use memchr::{memchr2, memmem, memrchr2};

use super::REDACTED;
use super::names::NameRules;
use super::values::{Words, is_closing_quote, is_count, is_quote, value_at};

/// After so many separators the rest is asked as a whole, once, whether it can hold a key. Measured: a separator costs
/// about 6 ns, asking about 10 ns per 100 bytes.
const SEPARATORS_BEFORE_ASKING: u32 = 2;

/// Up to here all bytes are asked first whether the scan is needed: most texts are names, ids and paths. Chosen freely.
const SHORT_BYTES_MAX: usize = 256;

/// Adds what the built-in rules hide in `text` to `spans`. Linear in the text's length.
pub(super) fn find(text: &str, names: &NameRules, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    if bytes.len() <= SHORT_BYTES_MAX && !may_announce_anything(bytes) {
        return;
    }
    let mut separator = find_separator(bytes, 0);
    let mut bearer = find_bearer(bytes, 0);
    // The next place already hidden. A value ends there, which makes a second pass over the result change nothing.
    let mut border = None;
    // The password of the URL the scan is in. The user's part before it may hold keys of its own.
    let mut url_password = None;
    let mut separators = 0;

    while let Some(at) = earlier(separator, bearer) {
        let mut resume = at + 1;
        let passed = url_password.take_if(|password: &mut Range<usize>| password.start == at + 1);
        if let Some(password) = &passed {
            resume = last_separator(bytes, password);
        }
        let trigger = match separator {
            _ if passed.is_some() => None,
            Some(separator) if separator == at => Trigger::at_separator(bytes, at),
            _ => Some(Trigger::Bearer),
        };
        if let Some(trigger) = trigger {
            let limit = match border {
                Some(known) if known >= at => known,
                _ => next_mark(bytes, at),
            };
            border = Some(limit);
            if let Some(span) = trigger.secret(&bytes[..limit], at, names) {
                if trigger == Trigger::Url {
                    url_password = Some(span.clone());
                } else {
                    resume = last_separator(bytes, &span);
                }
                spans.push(span);
            }
        }
        if separator.is_some_and(|separator| separator < resume) {
            separators += 1;
            // A key cannot span a separator, so the last one is far enough back.
            let is_over = separators == SEPARATORS_BEFORE_ASKING && !may_announce(&bytes[at..]);
            separator = if is_over { None } else { find_separator(bytes, resume) };
        }
        if bearer.is_some_and(|bearer| bearer < resume) {
            bearer = find_bearer(bytes, resume);
        }
    }
}

/// Whether there is a separator, or the white space that ends `Bearer`.
fn may_announce_anything(bytes: &[u8]) -> bool {
    const BLOCK: usize = 16;
    let is_mark = |byte: &u8| matches!(byte, b'=' | b':' | b' ' | b'\t');
    let Some(last) = bytes.last_chunk::<BLOCK>() else { return bytes.iter().any(is_mark) };
    // Whole blocks become vector instructions; the last one may overlap the one before.
    let any = |block: &[u8; BLOCK]| block.iter().fold(false, |found, byte| found | is_mark(byte));
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    blocks.iter().any(any) || any(last)
}

fn earlier(left: Option<usize>, right: Option<usize>) -> Option<usize> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

fn find_separator(bytes: &[u8], from: usize) -> Option<usize> {
    memchr2(b'=', b':', &bytes[from..]).map(|offset| from + offset)
}

/// Where the next mark begins, or the end.
fn next_mark(bytes: &[u8], from: usize) -> usize {
    memmem::find(&bytes[from..], REDACTED.as_bytes()).map_or(bytes.len(), |offset| from + offset)
}

/// The last separator in the span, or the span's end.
///
/// The value of a trigger there may reach beyond the span, as in `Bearer password= abc`, where `password=` is the
/// value of `Bearer`. One separator per span is looked at again, so the scan stays linear.
fn last_separator(bytes: &[u8], span: &Range<usize>) -> usize {
    memrchr2(b'=', b':', &bytes[span.clone()]).map_or(span.end, |offset| span.start + offset)
}

/// What announces a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// `Bearer` and a space.
    Bearer,
    /// `://`
    Url,
    /// A key and a separator.
    Key { key: Key, is_quoted: bool, name_end: usize },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Authorization,
    /// A bare number after it is a count and stays: `tokens: 42`.
    Token,
    /// The same; in a header, pairs follow that have `; ` between them.
    Cookie,
    /// The number of a card may stand in groups.
    Card,
    /// Anything after it is hidden, numbers too.
    Secret,
}

impl Trigger {
    fn at_separator(bytes: &[u8], at: usize) -> Option<Self> {
        if bytes[at] == b':' {
            match bytes.get(at + 1) {
                Some(b'/') if bytes.get(at + 2) == Some(&b'/') => {
                    return url_password(bytes, at + 3).map(|_| Self::Url);
                }
                // `token::Kind` is a path, not a key.
                Some(b':') => return None,
                _ => {}
            }
        }
        key_before(&bytes[..at])
    }

    /// What to hide after the trigger at `at`, in bytes that end with the text or at a place already hidden.
    fn secret(self, bytes: &[u8], at: usize, names: &NameRules) -> Option<Range<usize>> {
        match self {
            Self::Bearer => value_at(bytes, at + BEARER.len(), Words::One),
            Self::Url => url_password(bytes, at + 3),
            Self::Key { key, is_quoted, name_end } => {
                if names.keeps(name_before(&bytes[..name_end])) {
                    return None;
                }
                let separator = bytes[at];
                if separator == b':' && !is_quoted && is_closing_quote(bytes, at + 1) {
                    return None;
                }
                // `=>`, `==` and `:=` count as one separator.
                let is_double = matches!(bytes.get(at + 1), Some(b'=')) || bytes[at..].starts_with(b"=>");
                let from = if is_double { at + 2 } else { at + 1 };
                let words = match key {
                    Key::Authorization if separator == b':' => Words::Two,
                    Key::Cookie if separator == b':' => Words::Pairs,
                    Key::Card => Words::Digits,
                    _ => Words::One,
                };
                let value = value_at(bytes, from, words)?;
                let is_count = matches!(key, Key::Token | Key::Cookie) && is_count(&bytes[value.clone()]);
                (!is_count).then_some(value)
            }
        }
    }
}

/// The key that ends where `before` ends, spaces, a closing quote and a closing bracket aside.
fn key_before(before: &[u8]) -> Option<Trigger> {
    let mut end = before.len();
    while end > 0 && matches!(before[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    if end > 0 && before[end - 1] == b']' {
        end -= 1;
    }
    let is_quoted = end > 0 && is_quote(before[end - 1]);
    if is_quoted {
        end -= 1;
        while end > 0 && before[end - 1] == b'\\' {
            end -= 1;
        }
    }
    let name_end = end;
    if end > 0 && before[end - 1] | 0x20 == b's' {
        end -= 1;
    }
    let name = &before[..end];
    let key = match name.last()? | 0x20 {
        b'd' if ends_with(name, b"password") || ends_with(name, b"passwd") => Key::Secret,
        b't' if ends_with(name, b"secret") => Key::Secret,
        b'n' if ends_with(name, b"token") => Key::Token,
        b'n' if ends_with(name, b"authorization") => Key::Authorization,
        b'l' if ends_with(name, b"credential") => Key::Secret,
        b'y' if ends_with(name, b"key") && is_secret_key(&name[..name.len() - 3]) => Key::Secret,
        b'r' if ends_with(name, b"bearer") => Key::Secret,
        b'e' if ends_with(name, b"cookie") => Key::Cookie,
        b'f' if ends_with(name, b"csrf") => Key::Secret,
        b'd' if is_credit_card(name) => Key::Card,
        b'r' if ends_with(name, b"number") && is_credit_card(without_joint(&name[..name.len() - 6])) => {
            Key::Card
        }
        _ => return None,
    };
    Some(Trigger::Key { key, is_quoted, name_end })
}

/// Whether a name that goes on with `key` is the key of an API, an account or a cipher; one `-`, `_` or space between.
fn is_secret_key(before: &[u8]) -> bool {
    let owner = without_joint(before);
    ends_with(owner, b"api") || ends_with(owner, b"access") || ends_with(owner, b"private")
}

fn is_credit_card(name: &[u8]) -> bool {
    ends_with(name, b"card") && ends_with(without_joint(&name[..name.len() - 4]), b"credit")
}

/// Without the one `-`, `_` or space that joins it to the next word.
fn without_joint(word: &[u8]) -> &[u8] {
    if let [word @ .., b'-' | b'_' | b' '] = word { word } else { word }
}

fn ends_with(bytes: &[u8], word: &[u8]) -> bool {
    bytes.len() >= word.len() && bytes[bytes.len() - word.len()..].eq_ignore_ascii_case(word)
}

/// The whole name, for the list of kept names.
fn name_before(before: &[u8]) -> &[u8] {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = before.iter().rposition(|byte| !is_name(byte)).map_or(0, |last| last + 1);
    &before[start..]
}

/// The password in `user:password@host`, where `from` is the first byte after `://`.
///
/// The last `@` before the path counts, because people forget to encode one in the password.
fn url_password(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = bytes.get(from..)?;
    let ends =
        |byte: &u8| byte.is_ascii_whitespace() || is_quote(*byte) || matches!(byte, b'/' | b'<' | b'>');
    let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let user_end = authority.iter().position(|&byte| byte == b':')?;
    let at_sign = authority.iter().rposition(|&byte| byte == b'@')?;
    (user_end + 1 < at_sign).then(|| from + user_end + 1..from + at_sign)
}

const BEARER: &[u8] = b"bearer";

/// The next `bearer` in any case that a space or tab follows.
///
/// Asks block by block for the bytes `rer`, in a form the compiler turns into vector instructions: the word has no
/// rare letter to search for, and `bea` would stop at every heartbeat.
fn find_bearer(bytes: &[u8], from: usize) -> Option<usize> {
    const BLOCK: usize = 64;
    const HEAD: usize = BEARER.len() - 3;
    let mut tail = from + HEAD;
    // Two bytes of the tail and one of white space follow the byte asked about.
    let last = bytes.len().saturating_sub(3);
    while tail < last {
        let block_end = (tail + BLOCK).min(last);
        if may_hold_tail(&bytes[tail..block_end + 2]) {
            for at in tail..block_end {
                let start = at - HEAD;
                if bytes[at] | 0x20 == b'r'
                    && matches!(bytes[at + 3], b' ' | b'\t')
                    && bytes[start..at + 3].eq_ignore_ascii_case(BEARER)
                {
                    return Some(start);
                }
            }
        }
        tail = block_end;
    }
    None
}

/// Whether the bytes may hold a key of [`key_before`] or a user's part of a URL: all keys have one of these pairs,
/// or three letters.
fn may_announce(bytes: &[u8]) -> bool {
    let thirds = bytes.get(2..).unwrap_or_default();
    let mut found = 0u8;
    for ((first, second), third) in bytes.iter().zip(&bytes[1..]).zip(thirds) {
        found |= may_be_key(*first, *second);
        // cookie: the pair alone is in each `looking`.
        found |=
            u8::from(first | 0x20 == b'k') & u8::from(second | 0x20 == b'i') & u8::from(third | 0x20 == b'e');
    }
    if let [.., first, second] = bytes {
        found |= may_be_key(*first, *second);
    }
    found != 0
}

#[inline]
fn may_be_key(first: u8, second: u8) -> u8 {
    let (first, second) = (first | 0x20, second | 0x20);
    let mut found = 0u8;
    found |= u8::from(first == b's') & u8::from(second == b'w'); // password, passwd
    found |= u8::from(first == b'c') & u8::from(second == b'r'); // secret, credential, credit card
    found |= u8::from(first == b'r') & u8::from(second == b'f'); // csrf
    found |= u8::from(first == b'k') & u8::from(second == b'e'); // token, key
    found |= u8::from(first == b'i') & u8::from(second == b'z'); // authorization
    found |= u8::from(first == b'b') & u8::from(second == b'e'); // bearer
    found | u8::from(second == b'@' | 0x20) // user:password@host
}

fn may_hold_tail(block: &[u8]) -> bool {
    let firsts = block.iter();
    let seconds = block[1..].iter();
    let thirds = block[2..].iter();
    let mut found = 0u8;
    for ((first, second), third) in firsts.zip(seconds).zip(thirds) {
        found |=
            u8::from(first | 0x20 == b'r') & u8::from(second | 0x20 == b'e') & u8::from(third | 0x20 == b'r');
    }
    found != 0
}
