//! Sizes and durations in words: `64 MiB`, `200 ms`. A bare number is in bytes or in seconds.

use std::time::Duration;

/// What a size may look like, for error messages.
pub const BYTES_EXPECTED: &str = "a size such as \"64 MiB\", \"100 MB\" or a whole number of bytes";

/// What a duration may look like, for error messages.
pub const DURATION_EXPECTED: &str =
    "a duration such as \"200 ms\", \"5 s\", \"2 min\" or a number of seconds";

/// Longest duration that is read: 100 years. Far above anything useful and far below the point where adding
/// it to a clock reading overflows.
const DURATION_MAX: Duration = Duration::from_hours(876_600);

/// Largest size that is read. Sizes are compared with file sizes and stored counters, which are signed.
const BYTES_MAX: u64 = i64::MAX as u64;

/// Units of size. `M` alone is left out: nobody can tell whether 10^6 or 2^20 is meant.
const SIZES: [(&str, u64); 12] = [
    ("b", 1),
    ("byte", 1),
    ("bytes", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("", 1),
];

/// Units of time, in seconds. `m` is left out: it is read as minutes by some and as milliseconds or months by
/// others.
const TIMES: [(&str, f64); 21] = [
    ("", 1.0),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("millisecond", 1e-3),
    ("milliseconds", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("min", 60.0),
    ("minute", 60.0),
    ("minutes", 60.0),
    ("h", 3_600.0),
    ("hour", 3_600.0),
    ("hours", 3_600.0),
    ("d", 86_400.0),
    ("day", 86_400.0),
    ("days", 86_400.0),
    ("week", 604_800.0),
    ("weeks", 604_800.0),
];

/// Reads a size: a number and an optional unit in any case. `kB`, `MB`, `GB` and `TB` are powers of 1000,
/// `KiB`, `MiB`, `GiB` and `TiB` powers of 1024. A fraction needs a unit above the byte and is rounded to
/// whole bytes.
///
/// `None` for anything else, also for negative sizes and those above 2^63 - 1.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let scale = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).filter(|bytes| *bytes <= BYTES_MAX);
    }
    let bytes = (number.parse::<f64>().ok()? * scale as f64).round();
    // Compared as floats, so that the cast below cannot saturate.
    (scale > 1 && bytes.is_finite() && bytes < BYTES_MAX as f64).then_some(bytes as u64)
}

/// Reads a duration: a number, also with a fraction, and an optional unit in any case; seconds without one.
/// Rounded to nanoseconds.
///
/// `None` for anything else, also for negative durations and those above 100 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_number(text)?;
    let scale = TIMES.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)?;
    let seconds = number.parse::<f64>().ok()? * scale;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= DURATION_MAX)
}

/// Reads a whole number; `_` may stand between digits, as in Python.
pub fn parse_integer(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    if unit.is_empty() { number.parse().ok() } else { None }
}

/// The number in front, without its underscores, and the unit behind it in lower case.
fn split_number(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let mut end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '_')).unwrap_or(text.len());
    end += exponent_length(&text[end..]);
    let (number, unit) = text.split_at(end);
    let bytes = number.as_bytes();
    let is_digit = |index: Option<usize>| index.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    let stray_underscore = bytes
        .iter()
        .enumerate()
        .any(|(i, byte)| *byte == b'_' && !(is_digit(i.checked_sub(1)) && is_digit(Some(i + 1))));
    if stray_underscore || !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    Some((number.replace('_', ""), unit.trim().to_lowercase()))
}

/// Length of an exponent such as `e-05`, which Python writes for small floats; 0 if there is none.
fn exponent_length(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 { 0 } else { text.len() - digits.len() + count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_decimal_and_binary_units_in_any_case() {
        let table = [
            ("4096", 4_096),
            ("65_536", 65_536),
            ("0", 0),
            ("7 B", 7),
            ("7 bytes", 7),
            ("1 kB", 1_000),
            ("1KB", 1_000),
            ("1 KiB", 1_024),
            ("100MB", 100_000_000),
            ("64 MiB", 64 << 20),
            ("64mib", 64 << 20),
            (" 64  MIB ", 64 << 20),
            ("1.5 MiB", 3 << 19),
            (".5 kB", 500),
            ("2 GB", 2_000_000_000),
            ("2 GiB", 2 << 30),
            ("1 TB", 1_000_000_000_000),
            ("1 TiB", 1 << 40),
            ("9223372036854775807", i64::MAX as u64),
        ];

        for (text, bytes) in table {
            assert_eq!(Some(bytes), parse_bytes(text), "{text:?}");
        }
    }

    #[test]
    fn sizes_that_are_ambiguous_negative_or_too_large_are_refused() {
        let table = [
            "",
            " ",
            "MiB",
            "-1",
            "-1 MiB",
            "+1",
            "1.5",
            "1.5 B",
            "10 M",
            "10k",
            "10 Mi",
            "1,5 MiB",
            "1 2",
            "_1",
            "1_",
            "1__0",
            "1.2.3 MB",
            "0x10",
            "inf",
            "nan",
            "1 MiB/s",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999 GiB",
            "1.5e300 MB",
        ];

        for text in table {
            assert_eq!(None, parse_bytes(text), "{text:?}");
        }
    }

    #[test]
    fn durations_are_read_with_units_in_any_case_and_in_seconds_without() {
        let table = [
            ("0", 0),
            ("5", 5_000_000_000),
            ("1.5", 1_500_000_000),
            ("0.02", 20_000_000),
            ("1e-05", 10_000),
            ("2.5E+1", 25_000_000_000),
            ("250 us", 250_000),
            ("250µs", 250_000),
            ("200 ms", 200_000_000),
            ("200MS", 200_000_000),
            ("5 s", 5_000_000_000),
            ("5 seconds", 5_000_000_000),
            ("2 min", 120_000_000_000),
            ("1 h", 3_600_000_000_000),
            ("1.5 hours", 5_400_000_000_000),
            ("10 days", 864_000_000_000_000),
            ("1 week", 604_800_000_000_000),
        ];

        for (text, nanoseconds) in table {
            assert_eq!(Some(Duration::from_nanos(nanoseconds)), parse_duration(text), "{text:?}");
        }
    }

    #[test]
    fn durations_that_are_ambiguous_negative_or_too_long_are_refused() {
        let table = [
            "",
            "s",
            "-1",
            "-1 s",
            "5 m",
            "5 months",
            "1:30",
            "1 h 30 min",
            "inf",
            "nan",
            "infinity",
            "1e",
            "1e400",
            "1e300 days",
            "36526 days",
            "1_",
            "five",
        ];

        for text in table {
            assert_eq!(None, parse_duration(text), "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_take_underscores_and_nothing_else() {
        assert_eq!(Some(65_536), parse_integer("65_536"));
        assert_eq!(Some(0), parse_integer(" 0 "));
        for text in ["", "-1", "1.0", "1 MiB", "1e3", "18446744073709551616", "x"] {
            assert_eq!(None, parse_integer(text), "{text:?}");
        }
    }
}
