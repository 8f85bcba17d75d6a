//! How long a server asks to be left alone.

use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// Longest wait that a server can ask for: a mistake of its own must not silence telemetry for a day.
const LONGEST: Duration = Duration::from_mins(5);

/// Reads `Retry-After` in both of its forms: seconds, or an HTTP-date, from which the time now is taken off. Anything
/// else, and a time that has passed, is no answer.
pub fn retry_after(value: &str, now_unix_nano: u64) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a very long time.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    // The preferred form is that of mail (RFC 9110, 5.6.7); the two obsolete ones nobody sends.
    let at = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?.as_nanosecond();
    let left = u64::try_from(at - i128::from(now_unix_nano)).ok()?;
    Some(Duration::from_nanos(left).min(LONGEST))
}
