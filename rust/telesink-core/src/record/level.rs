//! Levels: Python's numbers, OTLP's severities, and the names people use for both.

/// Python's `logging.ERROR`; records at or above it may use the reserve of a full queue.
pub const ERROR: i32 = 40;

/// What spans and metrics have instead of a level: above every level that a lane can ask for.
pub const ALWAYS: i32 = i32::MAX - 1;

/// Named levels that options accept, in the spelling shown in error messages.
const NAMES: [(&str, i32); 10] = [
    ("NOTSET", 0),
    ("TRACE", 5),
    ("DEBUG", 10),
    ("INFO", 20),
    ("WARNING", 30),
    ("WARN", 30),
    ("ERROR", 40),
    ("CRITICAL", 50),
    ("FATAL", 50),
    ("SUCCESS", 25),
];

/// The OTLP severity number of a Python level (`reference`: OpenTelemetry's Python convention, with one
/// difference: 1 to 9 become TRACE instead of "unspecified", so that loguru's TRACE is not lost).
#[inline]
pub fn severity_of(levelno: i32) -> u8 {
    match levelno {
        i32::MIN..=0 => 0,
        1..=9 => 1 + ((levelno - 1) / 3).min(3) as u8,
        10..=49 => {
            let band = levelno / 10 * 4 + 1;
            (band + (levelno % 10).min(3)) as u8
        }
        50..=53 => 21 + (levelno - 50) as u8,
        _ => 24,
    }
}

/// The name stored for a level: OTLP's short names for Python's two long ones, others as they are.
#[inline]
pub fn text_of(name: &str) -> &str {
    match name {
        "WARNING" => "WARN",
        "CRITICAL" => "FATAL",
        other => other,
    }
}

/// The name for a level number that came without one.
pub fn name_of(levelno: i32) -> &'static str {
    match levelno {
        i32::MIN..=9 => "TRACE",
        10..=19 => "DEBUG",
        20..=29 => "INFO",
        30..=39 => "WARN",
        40..=49 => "ERROR",
        _ => "FATAL",
    }
}

/// The Python level of an OTLP severity number, for records that came with the latter only.
pub fn levelno_of(severity: u8) -> i32 {
    match severity {
        0 => 0,
        1..=4 => 5,
        5..=8 => 10,
        9..=12 => 20,
        13..=16 => 30,
        17..=20 => 40,
        _ => 50,
    }
}

/// Reads a level given as a name (any case) or a number.
pub fn parse(text: &str) -> Option<i32> {
    let trimmed = text.trim();
    if let Ok(number) = trimmed.parse::<i32>() {
        return (number >= 0).then_some(number);
    }
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed)).map(|(_, level)| *level)
}

/// The names that [`parse`] knows, for error messages.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_levels_map_to_the_bands_of_opentelemetry() {
        let table = [
            (-5, 0),
            (0, 0),
            (1, 1),
            (4, 2),
            (5, 2),
            (9, 3),
            (10, 5),
            (13, 8),
            (19, 8),
            (20, 9),
            (25, 12),
            (30, 13),
            (35, 16),
            (40, 17),
            (45, 20),
            (50, 21),
            (53, 24),
            (54, 24),
            (i32::MAX, 24),
        ];
        for (levelno, severity) in table {
            assert_eq!(severity_of(levelno), severity, "{levelno}");
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_are_refused() {
        assert_eq!(parse("warning"), Some(30));
        assert_eq!(parse(" Critical "), Some(50));
        assert_eq!(parse("35"), Some(35));
        assert_eq!(parse("err"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("-1"), None);
    }
}
