//! When a file is rotated, what is kept of it, and what else the options of the DSN say.

use crate::dsn::{Dsn, units, wrong_value};
use crate::error::ConfigError;
use std::time::Duration;

/// Rotation and retention. Defaults and bounds are those of the files that these replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// Largest file, in bytes; none for files of any size.
    pub(super) rotate_bytes: Option<u64>,
    /// A file ends where a multiple of this since 1970 begins, in UTC: a day ends at midnight.
    pub(super) rotate_period: Option<Duration>,
    /// Rotated files kept of each signal of each service.
    pub(super) keep_files: Option<u64>,
    /// Longest time that a rotated file is kept.
    pub(super) keep_age: Option<Duration>,
    /// Most bytes of all files in the folder together; rotated ones are deleted, the oldest first.
    pub(super) keep_bytes: Option<u64>,
    pub(super) is_gzip: bool,
    /// Whether a file is made durable before it is rotated away.
    pub(super) is_durable: bool,
}

/// Rotation by size unless the options say otherwise: 100 MB.
const ROTATE_BYTES_DEFAULT: u64 = 100_000_000;

/// Largest size of a file that can be asked for: 2^20 MB.
const ROTATE_BYTES_MAX: u64 = 1_000_000 << 20;

/// Shortest period: files of less are more names than lines.
const ROTATE_PERIOD_MIN: Duration = Duration::from_secs(1);

const KEEP_FILES_DEFAULT: u64 = 5;
const KEEP_FILES_MAX: u64 = 1_024;

const DAY: Duration = Duration::from_hours(24);
const KEEP_AGE_DEFAULT: Duration = Duration::from_hours(7 * 24);
const KEEP_AGE_MAX: Duration = Duration::from_hours(3_650 * 24);

const ROTATE_EXPECTED: &str = "\"never\", or a size or a duration, or both with a comma, as in \"100 MB, 1 day\"; \
                               sizes up to 1_048_576 MB, durations of a second and more";

const KEEP_EXPECTED: &str = "\"all\", or with commas a number of files (\"5 files\", up to 1024), an age (\"10 days\", \
                             up to 3650) and a size of the whole folder (\"5 GiB\")";

impl Default for Rules {
    fn default() -> Self {
        Self {
            rotate_bytes: Some(ROTATE_BYTES_DEFAULT),
            rotate_period: None,
            keep_files: Some(KEEP_FILES_DEFAULT),
            keep_age: Some(KEEP_AGE_DEFAULT),
            keep_bytes: None,
            is_gzip: true,
            is_durable: false,
        }
    }
}

impl Rules {
    /// Takes `rotate`, `keep` and `compress`.
    pub(super) fn take_from(dsn: &mut Dsn) -> Result<Self, ConfigError> {
        let mut rules = Self::default();
        if let Some((text, source)) = dsn.take_raw("rotate") {
            let wrong = || wrong_value("option", "rotate", &text, source.text(), ROTATE_EXPECTED);
            (rules.rotate_bytes, rules.rotate_period) = rotation(&text).ok_or_else(wrong)?;
        }
        if let Some((text, source)) = dsn.take_raw("keep") {
            let wrong = || wrong_value("option", "keep", &text, source.text(), KEEP_EXPECTED);
            (rules.keep_files, rules.keep_age, rules.keep_bytes) = kept(&text).ok_or_else(wrong)?;
        }
        if let Some(choice) = dsn.take_choice("compress", &["gzip", "none"])? {
            rules.is_gzip = choice == "gzip";
        }
        Ok(rules)
    }
}

/// What one word of an option means.
enum Word {
    Bytes(u64),
    Duration(Duration),
    Count(u64),
}

fn word(text: &str) -> Option<Word> {
    if let Some(count) = text.strip_suffix("files").or_else(|| text.strip_suffix("file")) {
        return units::parse_integer(count.trim()).map(Word::Count);
    }
    if let Some(count) = units::parse_integer(text) {
        return Some(Word::Count(count));
    }
    match text {
        "hourly" => Some(Word::Duration(Duration::from_hours(1))),
        "daily" => Some(Word::Duration(DAY)),
        "weekly" => Some(Word::Duration(7 * DAY)),
        _ => units::parse_bytes(text)
            .map(Word::Bytes)
            .or_else(|| units::parse_duration(text).map(Word::Duration)),
    }
}

fn rotation(text: &str) -> Option<(Option<u64>, Option<Duration>)> {
    let (mut bytes, mut period) = (None, None);
    if text.trim() == "never" {
        return Some((bytes, period));
    }
    for part in text.split(',') {
        match word(part.trim())? {
            // A bare number is bytes, as everywhere.
            Word::Bytes(size) | Word::Count(size)
                if (1..=ROTATE_BYTES_MAX).contains(&size) && bytes.is_none() =>
            {
                bytes = Some(size);
            }
            Word::Duration(length) if length >= ROTATE_PERIOD_MIN && period.is_none() => {
                period = Some(length);
            }
            _ => return None,
        }
    }
    Some((bytes, period))
}

type Kept = (Option<u64>, Option<Duration>, Option<u64>);

fn kept(text: &str) -> Option<Kept> {
    let (mut files, mut age, mut bytes) = (None, None, None);
    if text.trim() == "all" {
        return Some((files, age, bytes));
    }
    for part in text.split(',') {
        match word(part.trim())? {
            Word::Count(count) if (1..=KEEP_FILES_MAX).contains(&count) && files.is_none() => {
                files = Some(count);
            }
            Word::Duration(length) if !length.is_zero() && length <= KEEP_AGE_MAX && age.is_none() => {
                age = Some(length);
            }
            Word::Bytes(size) if size > 0 && bytes.is_none() => bytes = Some(size),
            _ => return None,
        }
    }
    Some((files, age, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_2_without_options_files_of_100_mb_are_rotated_and_five_kept_for_seven_days_compressed() {
        let rules = Rules::default();

        assert_eq!(rules.rotate_bytes, Some(100_000_000));
        assert_eq!((rules.keep_files, rules.keep_age), (Some(5), Some(7 * DAY)));
        assert!(rules.is_gzip && rules.rotate_period.is_none() && rules.keep_bytes.is_none());
    }

    #[test]
    fn rotation_and_retention_are_said_in_words() {
        assert_eq!(rotation("100 MB"), Some((Some(100_000_000), None)));
        assert_eq!(rotation("1 day"), Some((None, Some(DAY))));
        assert_eq!(rotation("10 MiB, daily"), Some((Some(10 << 20), Some(DAY))));
        assert_eq!(rotation("4096"), Some((Some(4_096), None)));
        assert_eq!(rotation("never"), Some((None, None)));
        assert_eq!(kept("10 days"), Some((None, Some(10 * DAY), None)));
        assert_eq!(kept("3 files, 2 weeks, 5 GiB"), Some((Some(3), Some(14 * DAY), Some(5 << 30))));
        assert_eq!(kept("7"), Some((Some(7), None, None)));
        assert_eq!(kept("all"), Some((None, None, None)));
    }

    #[test]
    fn s4_4_what_is_out_of_bounds_or_said_twice_is_refused() {
        for wrong in ["", "0", "-1", "0 MB", "10 ms", "1 MB, 2 MB", "1048577 MB", "sometimes", "1 day,"] {
            assert_eq!(rotation(wrong), None, "{wrong}");
        }
        for wrong in
            ["", "0", "0 files", "1025 files", "3651 days", "-1 days", "1 day, 2 days", "0 GB", "some"]
        {
            assert_eq!(kept(wrong), None, "{wrong}");
        }
    }
}
