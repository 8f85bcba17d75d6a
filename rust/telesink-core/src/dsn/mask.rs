//! Hides secrets in text meant for people.
//!
//! The text may be malformed in any way, so the rules look for what surrounds a secret rather than parse: a
//! colon before an `@`, a port that is no number, a telling name before `=`. They rather hide too much.

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Parts of names that tell of a secret wherever they stand.
const TELLING: [&str; 12] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "bearer",
    "cookie",
    "header",
    "private",
    "signature",
];

/// Words that tell of a secret only when they stand alone; as a part they are everywhere (`sk` in `disk`).
const TELLING_ALONE: [&str; 5] = ["pw", "sk", "pat", "sas", "sig"];

/// Words whose misspellings are caught too, with the number of slips allowed.
const OFTEN_MISSPELT: [(&str, usize); 6] =
    [("password", 2), ("passphrase", 2), ("credential", 2), ("secret", 1), ("token", 1), ("bearer", 1)];

/// Longest word compared with [`OFTEN_MISSPELT`]: the comparison costs the product of both lengths.
const WORD_CHARS_MAX: usize = 32;

/// Longest value shown in an error message.
const SHOWN_CHARS_MAX: usize = 80;

/// Whether the value of an option with this name must not be shown.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let letters: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if TELLING.iter().any(|part| letters.contains(part)) {
        return true;
    }
    lower.split(|c: char| !c.is_alphanumeric()).chain([letters.as_str()]).any(|word| {
        TELLING_ALONE.contains(&word)
            || (word.len() <= WORD_CHARS_MAX
                && OFTEN_MISSPELT.iter().any(|(secret, slips)| strsim::osa_distance(word, secret) <= *slips))
    })
}

/// The value of an option as an error message shows it: numbers bare, text quoted and cut, secrets hidden.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if is_secret_name(name) {
        return MASK.to_owned();
    }
    if !value.is_empty() && value.len() <= 24 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'))
    {
        return value.to_owned();
    }
    let masked = mask(value);
    let cut: String = masked.chars().take(SHOWN_CHARS_MAX).collect();
    let ellipsis = if cut.len() < masked.len() { "..." } else { "" };
    format!("\"{}{ellipsis}\"", cut.escape_debug())
}

/// Masks a text that may hold a DSN or assignments, such as a path or the value of an option.
pub(crate) fn mask(text: &str) -> String {
    mask_from(text, after_scheme(text))
}

/// Masks a text that is a DSN as a whole, however malformed: what could be user and password is hidden even
/// without a scheme in front.
pub(crate) fn mask_dsn(text: &str) -> String {
    mask_from(text, Some(after_scheme(text).unwrap_or(0)))
}

/// Where the part behind `://` begins. Not found if what stands in front could hold a password itself.
fn after_scheme(text: &str) -> Option<usize> {
    let index = text.find("://")?;
    (!text[..index].contains(['@', ':'])).then_some(index + 3)
}

/// Masks `text`, in which user and password are expected from `authority_start` on, if that is known.
fn mask_from(text: &str, authority_start: Option<usize>) -> String {
    let (prefix, rest) = text.split_at(authority_start.unwrap_or(0));
    let rest = mask_userinfo(rest, authority_start.is_some());
    mask_assignments(&format!("{prefix}{rest}"))
}

/// Hides what stands between the first colon and the last `@`: passwords may hold any number of either. In an
/// authority a name without a colon is hidden too, because it may be a token, and so is everything behind a
/// colon that no port follows, because the `@` may be missing.
fn mask_userinfo(text: &str, is_authority: bool) -> String {
    let skip = if is_authority { 0 } else { drive_length(text) };
    if let Some(at) = text.rfind('@') {
        return match text.get(skip..at).and_then(|before| before.find(':')) {
            Some(colon) => format!("{}:{MASK}{}", &text[..skip + colon], &text[at..]),
            None if is_authority => format!("{MASK}{}", &text[at..]),
            None => text.to_owned(),
        };
    }
    if !is_authority || has_plain_ports(text) {
        return text.to_owned();
    }
    let end = text.find(['[', ':']).map_or(0, |index| index + 1);
    format!("{}{MASK}", &text[..end])
}

/// Length of a Windows drive in front (`C:` or `/C:`), whose colon announces no password; 0 if there is none.
fn drive_length(text: &str) -> usize {
    let slash = usize::from(text.starts_with('/'));
    if has_drive(&text[slash..]) { slash + 2 } else { 0 }
}

/// Whether a path begins with a Windows drive: `C:/` or `C:\`.
pub(crate) fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

/// Whether every host in an authority without `@` is followed by a port that is a number, or by none.
fn has_plain_ports(text: &str) -> bool {
    let text = text.trim_start_matches('/');
    let authority = &text[..text.find(['/', '?', '#']).unwrap_or(text.len())];
    authority.split(',').all(|host| {
        let port = if let Some(address) = host.strip_prefix('[') {
            let Some((_, behind)) = address.split_once(']') else { return false };
            match behind.strip_prefix(':') {
                Some(port) => port,
                None => return behind.is_empty(),
            }
        } else {
            host.split_once(':').map_or("", |(_, port)| port)
        };
        port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Hides the value in every `name=value` and `name:value` whose name tells of a secret, in a query as well as
/// in libpq's keyword form.
fn mask_assignments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(value_start) = find_secret_value(rest) {
        out.push_str(&rest[..value_start]);
        out.push_str(MASK);
        rest = &rest[value_start + secret_length(&rest[value_start..])..];
    }
    out.push_str(rest);
    out
}

/// Where the value of the first telling name begins. Spaces around the separator and inside the name do not
/// hide it, nor do percent escapes.
fn find_secret_value(text: &str) -> Option<usize> {
    let mut name_start = 0;
    for (index, character) in text.char_indices() {
        let length = match character {
            '=' | ':' => 1,
            '%' if is_escaped_separator(&text[index..]) => 3,
            '&' | ';' | '?' | '/' | '@' | ',' => {
                name_start = index + 1;
                continue;
            }
            _ => continue,
        };
        let name = super::percent::decode_leniently(&text[name_start.min(index)..index]);
        if is_secret_name(&name) {
            let behind = &text[index + length..];
            return Some(text.len() - behind.trim_start().len());
        }
        name_start = index + length;
    }
    None
}

/// Whether the text begins with an escaped `=` or `:`.
fn is_escaped_separator(text: &str) -> bool {
    text.get(..3)
        .is_some_and(|escape| escape.eq_ignore_ascii_case("%3d") || escape.eq_ignore_ascii_case("%3a"))
}

/// Length of the secret in front. It ends where the next assignment begins; a piece without `=` belongs to
/// the secret, which then holds the delimiter unescaped.
fn secret_length(text: &str) -> usize {
    let mut end = quoted_length(text);
    end += piece_length(&text[end..]);
    while end < text.len() {
        let next = end + 1 + piece_length(&text[end + 1..]);
        if text[end..next].contains('=') {
            break;
        }
        end = next;
    }
    end
}

/// Length of a quoted text in front, up to the end if the quote is never closed; 0 if there is no quote.
fn quoted_length(text: &str) -> usize {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else { return 0 };
    let mut is_escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if character == quote {
            return index + 1;
        }
    }
    text.len()
}

/// Length up to the next delimiter, all of which are one byte long.
fn piece_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, character) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if matches!(character, '&' | ';') || character.is_ascii_whitespace() {
            return index;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_hidden_however_the_dsn_is_malformed() {
        let table = [
            ("postgresql://app:hunter2@db/logs", "postgresql://app:***@db/logs"),
            ("postgresql://app:hun@ter2@db/logs", "postgresql://app:***@db/logs"),
            ("postgresql://app:a/hunter2@db", "postgresql://app:***@db"),
            ("postgresql://app:a?hunter2@db", "postgresql://app:***@db"),
            ("postgresql://app:hunter2", "postgresql://app:***"),
            ("postgresql://app:hunter2/logs", "postgresql://app:***"),
            ("postgresql://[app:hunter2", "postgresql://[***"),
            ("postgresql://[::1]:hunter2/x", "postgresql://[***"),
            ("postgresql://[::1]hunter2/x", "postgresql://[***"),
            ("postgresql:app:hunter2@db", "postgresql:***@db"),
            ("postgresql:app:hunter2", "postgresql:***"),
            ("postgresql:///app:hunter2", "postgresql:///app:***"),
            ("otlps://hunter2@host", "otlps://***@host"),
            ("postgresql://app@db/logs", "postgresql://***@db/logs"),
            ("postgresql://[::1]:5432/logs", "postgresql://[::1]:5432/logs"),
            ("postgresql://a:1,b:2/logs", "postgresql://a:1,b:2/logs"),
        ];

        for (text, expected) in table {
            assert_eq!(expected, mask_dsn(text));
        }
    }

    #[test]
    fn values_of_telling_names_are_hidden_and_the_others_stay() {
        let table = [
            ("host=db password=hunter2 dbname=logs", "host=db password=*** dbname=logs"),
            ("host=db password = 'hunter2 x' dbname=logs", "host=db password = *** dbname=logs"),
            ("host=db password='hunter2", "host=db password=***"),
            ("host=db password='a b=hunter2' user=x", "host=db password=*** user=x"),
            (r"password='a\'hunter2' user=x", "password=*** user=x"),
            (r"password=a\ hunter2 user=x", "password=*** user=x"),
            (
                "postgresql://db/logs?password=hunter2&sslmode=require",
                "postgresql://db/logs?password=***&sslmode=require",
            ),
            ("postgresql://db/logs?pass%77ord=hunter2", "postgresql://db/logs?pass%77ord=***"),
            ("postgresql://db/logs?password%3Dhunter2", "postgresql://db/logs?password%3D***"),
            ("postgresql://db/logs?pass word=hunter2", "postgresql://db/logs?pass word=***"),
            ("postgresql://db/logs?password=a&hunter2", "postgresql://db/logs?password=***"),
            ("postgresql://db/logs?pasword=hunter2", "postgresql://db/logs?pasword=***"),
            (
                "postgresql://db/logs?sslpassword=é&api_key=hunter2",
                "postgresql://db/logs?sslpassword=***&api_key=***",
            ),
        ];

        for (text, expected) in table {
            assert_eq!(expected, mask_dsn(text));
        }
    }

    #[test]
    fn plain_values_and_paths_stay_readable() {
        let table = [
            "200 ms",
            "/home/me@corp/app.db",
            "C:/Users/me@corp/app.db",
            "/C:/Users/me@corp/app.db",
            "warning",
            "12:30",
            "service=checkout",
            "émigré:x",
        ];

        for text in table {
            assert_eq!(text, mask(text));
        }
        assert_eq!("endpoint=https://app:***", mask("endpoint=https://app:hunter2"));
    }

    #[test]
    fn telling_names_are_recognised_and_ordinary_ones_are_not() {
        for name in
            ["password", "PGPASSWORD", "passwd", "db_pwd", "api-key", "sk", "x_sk", "auth", "tokn", "secrt"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["linger_seconds", "disk", "path", "pattern", "records", "second", "task", "reader", ""] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn shown_values_are_quoted_cut_and_free_of_control_characters() {
        assert_eq!("0", shown("queue_records_max", "0"));
        assert_eq!("-1.5", shown("linger_seconds", "-1.5"));
        assert_eq!("\"\"", shown("mode", ""));
        assert_eq!("\"a\\n\\\"b\"", shown("mode", "a\n\"b"));
        assert_eq!("***", shown("api_key", "hunter2"));
        assert_eq!(format!("\"{}...\"", "x".repeat(80)), shown("mode", &"x".repeat(81)));
    }
}
