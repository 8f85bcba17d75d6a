//! The only place that reads the clocks; everything else takes the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock: for deadlines and delays, untouched by steps of the wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock: nanoseconds since the Unix epoch, 0 for a clock before it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn unix_nano() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
