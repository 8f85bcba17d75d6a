//! The bound on memory: records and bytes admitted, as monotone totals.
//!
//! There is no counter that goes up and down: occupancy is "in minus out", with `out` read first, so it can be
//! over-stated for a moment but never underflow and never wedge.

use crate::sync::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// Share of a lane's bounds that only severe records may use: one tenth.
const RESERVE_DIVISOR: u64 = 10;

/// Admission under two bounds.
///
/// The two sides stand on cache lines of their own: callers write one, the worker the other.
#[derive(Debug)]
pub(super) struct Budget {
    admitted: CachePadded<Totals>,
    released: CachePadded<Totals>,
    records_max: u64,
    bytes_max: u64,
    keeps_reserve: bool,
}

/// Monotone totals of one side.
#[derive(Debug)]
struct Totals {
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Totals {
    fn new() -> Self {
        Self { records: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

/// The number of an admitted record: dense from 1, in order of admission.
pub(super) type Ticket = u64;

/// What became of a request for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// There was room.
    Admitted(Ticket),
    /// There is no room, and nothing was counted.
    Full,
    /// Another thread took the room first: the ticket exists and its owner must give it back.
    Refund(Ticket),
}

impl Budget {
    /// A budget; with `keeps_reserve` a tenth of both bounds is left to severe records.
    pub(super) fn new(records_max: u64, bytes_max: u64, keeps_reserve: bool) -> Self {
        Self {
            admitted: CachePadded::new(Totals::new()),
            released: CachePadded::new(Totals::new()),
            records_max,
            bytes_max,
            keeps_reserve,
        }
    }

    /// Asks for room for one record of `bytes`.
    #[inline]
    pub(super) fn admit(&self, bytes: u64, is_severe: bool) -> Admission {
        let (records_max, bytes_max) = self.bounds(is_severe);
        // `out` first: a release between the two reads makes us see more room than we count, never less than none.
        let records_out = self.released.records.load(Ordering::Acquire);
        let bytes_out = self.released.bytes.load(Ordering::Acquire);
        let fits = |records_in: u64, bytes_in: u64| {
            records_in.saturating_sub(records_out) <= records_max
                && bytes_in.saturating_sub(bytes_out) <= bytes_max
        };
        if !fits(
            self.admitted.records.load(Ordering::Relaxed) + 1,
            self.admitted.bytes.load(Ordering::Relaxed) + bytes,
        ) {
            return Admission::Full;
        }
        let ticket = self.admitted.records.fetch_add(1, Ordering::AcqRel) + 1;
        let bytes_in = self.admitted.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        if fits(ticket, bytes_in) { Admission::Admitted(ticket) } else { Admission::Refund(ticket) }
    }

    /// Gives room back: settled, evicted or refunded.
    #[inline]
    pub(super) fn release(&self, records: u64, bytes: u64) {
        self.released.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.released.records.fetch_add(records, Ordering::AcqRel);
    }

    /// Tickets given out so far.
    pub(super) fn tickets(&self) -> Ticket {
        self.admitted.records.load(Ordering::Acquire)
    }

    /// Bytes inside the bound now; may over-state while others release.
    pub(super) fn bytes_held(&self) -> u64 {
        let out = self.released.bytes.load(Ordering::Acquire);
        self.admitted.bytes.load(Ordering::Acquire).saturating_sub(out)
    }

    #[inline]
    fn bounds(&self, is_severe: bool) -> (u64, u64) {
        if self.keeps_reserve && !is_severe {
            let kept = |bound: u64| bound - bound / RESERVE_DIVISOR;
            (kept(self.records_max), kept(self.bytes_max))
        } else {
            (self.records_max, self.bytes_max)
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_left_to_severe_records() {
        let budget = Budget::new(10, 1_000, true);
        for _ in 0..9 {
            assert!(matches!(budget.admit(1, false), Admission::Admitted(_)));
        }

        assert_eq!(budget.admit(1, false), Admission::Full);
        assert_eq!(budget.admit(1, true), Admission::Admitted(10));
        assert_eq!(budget.admit(1, true), Admission::Full);
    }

    #[test]
    fn bytes_are_bounded_as_well_as_records() {
        let budget = Budget::new(100, 100, false);

        assert_eq!(budget.admit(60, false), Admission::Admitted(1));
        assert_eq!(budget.admit(60, false), Admission::Full);
        budget.release(1, 60);
        assert_eq!(budget.admit(60, false), Admission::Admitted(2));
    }
}
