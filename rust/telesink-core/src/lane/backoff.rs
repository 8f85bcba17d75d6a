//! How long to wait before the next attempt: exponential with full jitter.

use std::time::Duration;

/// Longest delay that a destination can ask for: a mistake of its own must not silence a lane for a day.
const ASKED_MAX: Duration = Duration::from_mins(5);

/// The delays of one outage.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    initial: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Delays from `initial` on, doubling up to `longest`.
    pub(super) fn new(initial: Duration, longest: Duration) -> Self {
        Self { initial, longest: longest.max(initial), attempts: 0 }
    }

    /// The next delay. `random` spreads it over the whole range (full jitter), so that many processes that lost
    /// the same server do not come back together. `asked`, what the destination asked for, goes before it: all that
    /// were asked at once would come back at once as well.
    pub(super) fn next(&mut self, random: u64, asked: Option<Duration>) -> Duration {
        let ceiling = self.initial.saturating_mul(1 << self.attempts.min(20)).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        asked.map_or(Duration::ZERO, |asked| asked.min(ASKED_MAX)) + ceiling.mul_f64(share)
    }

    /// Failures since the last success.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Only a delivered batch ends an outage; a mere connection does not.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_delay_and_a_success_resets_it() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

        let ceilings: Vec<u128> = (0..6).map(|_| backoff.next(u64::MAX, None).as_millis()).collect();
        backoff.reset();

        assert_eq!(ceilings, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.next(u64::MAX, None).as_millis(), 100);
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));

        assert_eq!(backoff.next(0, None), Duration::ZERO);
        assert_eq!(backoff.next(1 << 63, None), Duration::from_millis(500));
    }

    #[test]
    fn a_destination_that_asks_for_ten_years_gets_five_minutes() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));

        let delay = backoff.next(0, Some(Duration::from_hours(87_600)));

        assert_eq!(delay, Duration::from_mins(5));
    }

    #[test]
    fn h2_those_that_were_asked_to_wait_do_not_come_back_together() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));

        let delay = backoff.next(1 << 63, Some(Duration::from_secs(3)));

        assert_eq!(delay, Duration::from_millis(3_500));
    }
}
