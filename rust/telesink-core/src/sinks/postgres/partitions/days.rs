//! Days in UTC, as partitions are cut.

use super::super::schema::RecordTable;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

/// Seconds of a day; UTC as servers count it has no others.
const DAY_SECONDS: i64 = 86_400;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Day(pub(in super::super) i64);

impl Day {
    /// The day of a moment.
    pub(in super::super) fn of(unix_nano: u64) -> Self {
        Self((unix_nano / 1_000_000_000) as i64 / DAY_SECONDS)
    }

    /// So many days later.
    pub(in super::super) fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Its first moment, seconds since the Unix epoch.
    pub(in super::super) fn start(self) -> f64 {
        (self.0 * DAY_SECONDS) as f64
    }

    /// The name of its partition of a table, without the schema.
    pub(in super::super) fn partition(self, table: RecordTable) -> Option<String> {
        self.date().map(|date| format!("{}_p{}", table.name(), date.strftime("%Y%m%d")))
    }

    /// Its first moment as a literal that means the same in every session.
    pub(in super::super) fn literal(self) -> Option<String> {
        self.date().map(|date| format!("'{date} 00:00:00+00'"))
    }

    fn date(self) -> Option<Date> {
        let moment = Timestamp::from_second(self.0.checked_mul(DAY_SECONDS)?).ok()?;
        Some(moment.to_zoned(TimeZone::UTC).date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_name_and_the_first_moment_of_its_date_in_utc() {
        // 2026-11-21T23:59:59.999999999Z and the next moment.
        let last = 1_795_305_599_999_999_999;

        let (day, next) = (Day::of(last), Day::of(last + 1));

        assert_eq!(day.partition(RecordTable::Logs).as_deref(), Some("telesink_logs_p20261121"));
        assert_eq!(day.partition(RecordTable::Spans).as_deref(), Some("telesink_spans_p20261121"));
        assert_eq!(day.literal().as_deref(), Some("'2026-11-21 00:00:00+00'"));
        assert_eq!(next, day.plus(1));
        assert_eq!(next.literal().as_deref(), Some("'2026-11-22 00:00:00+00'"));
        assert!((next.start() - 1_795_305_600.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_day_beyond_the_calendar_has_no_partition() {
        assert_eq!(Day(i64::MAX).partition(RecordTable::Logs), None);
        assert_eq!(Day(i64::MIN).literal(), None);
    }
}
