//! When work that comes again is due.

use crate::error::ConfigError;
use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The first moment after `after_unix_nano` that a cron pattern names, in UTC, nanoseconds since the Unix epoch; none if
/// there is none. A pattern has five fields, or six with seconds in front: `0 0 2 * * *` is every day at two.
///
/// # Errors
/// The pattern is none.
pub fn next(pattern: &str, after_unix_nano: u64) -> Result<Option<u64>, ConfigError> {
    let cron = parse(pattern)?;
    let Ok(after) = Timestamp::from_nanosecond(i128::from(after_unix_nano)) else { return Ok(None) };
    let found = cron.find_next_occurrence(&after.to_zoned(TimeZone::UTC), false);
    Ok(found.ok().and_then(|next| u64::try_from(next.timestamp().as_nanosecond()).ok()))
}

fn parse(pattern: &str) -> Result<Cron, ConfigError> {
    CronParser::builder().year(Year::Disallowed).build().parse(pattern).map_err(|error| {
        ConfigError::new(
            format!("`{pattern}` is no cron pattern: {error}"),
            "write minute, hour, day, month and weekday, with seconds in front if need be: `0 2 * * *` is every day at \
             two (UTC)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::iso;

    #[test]
    fn the_next_moment_is_in_utc_and_behind_the_one_given() {
        let table = [
            ("0 0 2 * * *", "2026-01-31T01:59:59.9Z", "2026-01-31T02:00:00Z"),
            ("0 0 2 * * *", "2026-01-31T02:00:00Z", "2026-02-01T02:00:00Z"),
            ("0 2 * * *", "2026-01-31T02:00:00.5Z", "2026-02-01T02:00:00Z"),
            ("*/15 * * * *", "2026-01-31T02:00:00Z", "2026-01-31T02:15:00Z"),
            ("0 0 3 * * SUN", "2026-01-31T02:00:00Z", "2026-02-01T03:00:00Z"),
            ("@daily", "2026-01-31T02:00:00Z", "2026-02-01T00:00:00Z"),
        ];
        for (pattern, after, expected) in table {
            let found = next(pattern, iso::unix_nano(after).expect("a time")).expect("a pattern");
            assert_eq!(found.map(iso::text).as_deref(), Some(expected), "{pattern} after {after}");
        }
    }

    #[test]
    fn a_day_that_never_comes_is_no_moment() {
        assert_eq!(next("0 0 30 2 *", 0), Ok(None));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_an_example() {
        for pattern in ["", "at two", "0 25 * * *", "* * *", "0 0 2 * * * 2026"] {
            let error = next(pattern, 0).expect_err("no pattern");
            assert!(error.message.contains(pattern), "{error}");
            assert!(error.hint.contains("0 2 * * *"), "{error}");
        }
    }
}
