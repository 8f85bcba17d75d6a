//! Times as ISO 8601 text, as events have them.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;

static PARSER: DateTimeParser = DateTimeParser::new();

/// Nanoseconds since the Unix epoch; `None` if it is no time with an offset, or lies before 1970 or after 2262.
pub fn unix_nano(text: &str) -> Option<u64> {
    usual(text.as_bytes()).or_else(|| any_form(text))
}

/// `2026-01-31T12:00:00.123456Z`, or with `+00:00` at its end, as nearly all programs write it: a tenth of what reading
/// any form takes. `None` for other forms.
fn usual(text: &[u8]) -> Option<u64> {
    let (date, rest) = text.split_first_chunk::<19>()?;
    if [date[4], date[7], date[10], date[13], date[16]] != *b"--T::" {
        return None;
    }
    let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..10])?);
    let (hour, minute, second) = (number(&date[11..13])?, number(&date[14..16])?, number(&date[17..])?);
    // Leap days and the lengths of months are left to the library, as are leap seconds.
    let is_usual = (1970..2262).contains(&year) && (1..=12).contains(&month) && (1..=28).contains(&day);
    if !is_usual || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match rest {
        b"Z" | b"+00:00" => 0,
        [b'.', fraction @ .., b'Z'] | [b'.', fraction @ .., b'+', b'0', b'0', b':', b'0', b'0']
            if (1..=9).contains(&fraction.len()) =>
        {
            number(fraction)? * POWERS_OF_TEN[9 - fraction.len()]
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + fraction)
}

const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// At most nine digits. Looks at all of them without a branch.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    let (mut number, mut is_number) = (0, true);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        is_number &= digit <= 9;
        number = number * 10 + u64::from(digit);
    }
    is_number.then_some(number)
}

/// Days from 1970-01-01, by the usual trick: a year that begins in March has its leap day at the end.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

fn any_form(text: &str) -> Option<u64> {
    let parsed = PARSER.parse_timestamp(text).ok()?;
    i64::try_from(parsed.as_nanosecond()).ok().and_then(|nanos| u64::try_from(nanos).ok())
}

/// The time in UTC, with as many digits as it needs.
pub fn text(unix_nano: u64) -> String {
    Timestamp::from_nanosecond(i128::from(unix_nano)).map(|time| time.to_string()).unwrap_or_default()
}

/// Appends a time in UTC with six digits of a second: texts of the same length have the order of times.
pub fn write_utc_micros(out: &mut Vec<u8>, unix_nano: u64) {
    write_utc(out, unix_nano);
    // Three digits and the Z.
    out.truncate(out.len().saturating_sub(4));
    out.push(b'Z');
}

/// Appends the time in UTC with all nine digits, `2026-01-31T12:00:00.123456789Z`, as a line of a log has it.
pub fn write_utc(out: &mut Vec<u8>, unix_nano: u64) {
    let (seconds, nanos) = (unix_nano / 1_000_000_000, unix_nano % 1_000_000_000);
    let (year, month, day) = date(seconds / 86_400);
    let in_day = seconds % 86_400;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    put(&mut text[..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], in_day / 3_600);
    put(&mut text[14..16], in_day / 60 % 60);
    put(&mut text[17..19], in_day % 60);
    put(&mut text[20..29], nanos);
    out.extend_from_slice(&text);
}

/// Writes a number into all of `digits`, with zeros in front.
fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01: the way back of [`days`].
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let in_era = days % 146_097;
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (era * 400 + year + u64::from(is_next_year), if is_next_year { month - 9 } else { month + 3 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_an_offset_are_read_to_the_nanosecond() {
        assert_eq!(unix_nano("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
        assert_eq!(unix_nano("1970-01-01T01:00:00.5+01:00"), Some(500_000_000));
        assert_eq!(
            unix_nano("2024-05-06T07:08:09.123456+00:00").map(text).as_deref(),
            Some("2024-05-06T07:08:09.123456Z")
        );
    }

    #[test]
    fn the_usual_form_is_read_as_the_library_reads_it() {
        use proptest::prelude::*;
        let clock = (0_u64..24, 0_u64..60, 0_u64..60, 0_u64..1_000_000_000, 1_usize..10);
        proptest!(|(year in 1970_u64..2262, month in 1_u64..13, day in 1_u64..29, clock in clock)| {
            let (hour, minute, second, nano, digits) = clock;
            let fraction = &format!("{nano:09}")[..digits];
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z");
            prop_assert!(usual(text.as_bytes()).is_some());
            prop_assert_eq!(usual(text.as_bytes()), any_form(&text));
        });
    }

    #[test]
    fn a_time_is_written_as_the_library_writes_it_and_read_back_the_same() {
        use proptest::prelude::*;
        proptest!(|(nanos in 0_u64..i64::MAX as u64)| {
            let mut out = Vec::new();
            write_utc(&mut out, nanos);
            let written = String::from_utf8(out).expect("ascii");
            let library = Timestamp::from_nanosecond(i128::from(nanos)).expect("a time");
            prop_assert_eq!(&written, &format!("{library:.9}"));
            prop_assert_eq!(any_form(&written), Some(nanos));
        });
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for odd in [
            "",
            "yesterday",
            "2024-05-06",
            "2024-05-06T07:08:09",
            "1969-12-31T23:59:59Z",
            "2300-01-01T00:00:00Z",
        ] {
            assert_eq!(unix_nano(odd), None, "{odd}");
        }
    }
}
