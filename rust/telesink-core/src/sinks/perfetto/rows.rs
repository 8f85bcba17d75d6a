//! On which track of its trace a span lies: slices of one track have to lie side by side or within one another, and spans
//! that run at the same time do neither.

use std::collections::{HashMap, VecDeque};

/// Traces whose tracks are remembered; the spans of an older one begin new tracks.
const TRACES_MAX: usize = 1_024;

/// Slices of one track that are looked at; a trace with more begins a new track.
const SLICES_MAX: usize = 256;

/// Spans of one trace that run at the same time without being part of each other.
const ROWS_MAX: usize = 64;

/// Spreads numbers over 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A track, and whether it is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) uuid: u64,
    pub(super) is_new: bool,
}

/// The tracks of all traces lately.
#[derive(Debug, Default)]
pub(super) struct Rows {
    traces: HashMap<[u8; 16], Vec<Row>>,
    order: VecDeque<[u8; 16]>,
    /// Tracks that were begun.
    begun: u64,
}

#[derive(Debug, Default)]
struct Row {
    uuid: u64,
    slices: Vec<(u64, u64)>,
}

impl Row {
    fn takes(&self, start: u64, end: u64) -> bool {
        // Where two moments are the same, readers go by the order in the file, in which the known slice stands first.
        let fits = |&(from, to): &(u64, u64)| {
            to <= start || end < from || (from <= start && end < to) || (start < from && to <= end)
        };
        self.slices.len() < SLICES_MAX && self.slices.iter().all(fits)
    }
}

impl Rows {
    /// The track of a span.
    pub(super) fn track(&mut self, trace_id: [u8; 16], start: u64, end: u64) -> Track {
        if !self.traces.contains_key(&trace_id) {
            self.order.push_back(trace_id);
            if self.order.len() > TRACES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.traces.remove(&oldest);
            }
        }
        let rows = self.traces.entry(trace_id).or_default();
        if let Some(row) = rows.iter_mut().find(|row| row.takes(start, end)) {
            row.slices.push((start, end));
            return Track { uuid: row.uuid, is_new: false };
        }
        self.begun += 1;
        let mut low = [0; 8];
        low.copy_from_slice(&trace_id[8..]);
        let uuid = u64::from_be_bytes(low) ^ self.begun.wrapping_mul(SPREAD);
        if rows.len() >= ROWS_MAX {
            rows.remove(0);
        }
        rows.push(Row { uuid, slices: vec![(start, end)] });
        Track { uuid, is_new: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: [u8; 16] = [7; 16];

    #[test]
    fn spans_beside_or_within_one_another_share_a_track_and_those_that_cross_do_not() {
        let mut rows = Rows::default();

        let inner = rows.track(TRACE, 10, 20);
        let later = rows.track(TRACE, 20, 30);
        let around = rows.track(TRACE, 5, 40);
        let crossing = rows.track(TRACE, 15, 25);
        let another = rows.track([8; 16], 10, 20);

        let same_start = rows.track(TRACE, 5, 50);

        assert_ne!(same_start.uuid, inner.uuid, "the inner one would be shown around the outer one");
        assert!(inner.is_new && !later.is_new && !around.is_new && crossing.is_new && another.is_new);
        assert_eq!((later.uuid, around.uuid), (inner.uuid, inner.uuid));
        assert_ne!(crossing.uuid, inner.uuid);
        assert_ne!(another.uuid, inner.uuid);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut rows = Rows::default();

        for number in 0..3 * TRACES_MAX as u128 {
            rows.track(number.to_be_bytes(), 1, 2);
        }
        for number in 0..100_000 {
            rows.track(TRACE, number, number + 50_000);
        }

        assert!(rows.traces.len() <= TRACES_MAX);
        assert!(rows.traces[&TRACE].len() <= ROWS_MAX);
        assert!(rows.traces[&TRACE].iter().all(|row| row.slices.len() <= SLICES_MAX));
    }
}
