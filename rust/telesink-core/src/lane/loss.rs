//! Loss markers: ordinary records that tell, in the sink itself, what never reached it.

use super::budget::Ticket;
use crate::record::encode::RecordBuilder;
use crate::record::id::IdSource;
use crate::record::value::Scalar;
use crate::record::{Header, Record, Signal, flag, level};
use crate::stats::DropCause;
use std::time::{Duration, Instant};

/// At most one round of markers a second: an overload of hours must not fill the table with notes about itself.
const INTERVAL: Duration = Duration::from_secs(1);

/// The logger that markers come from.
pub(super) const LOGGER: &str = "telesink";

/// The event name of a marker.
pub(super) const EVENT_NAME: &str = "telesink.loss";

/// The ticket of a record that telesink wrote itself: outside all accounts.
pub(super) const NO_TICKET: Ticket = 0;

/// Records lost for one cause since the last marker.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    count: u64,
    seq_from: u64,
    seq_to: u64,
}

/// What has to be told.
#[derive(Debug)]
pub(super) struct Losses {
    /// Totals already told, for causes that are counted outside the worker.
    queue_full_told: u64,
    evicted_told: u64,
    expired: Lost,
    told_at: Option<Instant>,
    ids: IdSource,
}

/// Totals of the causes that are counted outside the worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    pub(super) queue_full: u64,
    pub(super) evicted: u64,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self {
            queue_full_told: 0,
            evicted_told: 0,
            expired: Lost::default(),
            told_at: None,
            ids: IdSource::new(),
        }
    }

    /// Notes a record that had its number already.
    pub(super) fn expired(&mut self, seq: u64) {
        if self.expired.count == 0 {
            self.expired.seq_from = seq;
        }
        self.expired.count += 1;
        self.expired.seq_to = self.expired.seq_to.max(seq);
    }

    /// When the next markers may be made: `None` if there is nothing to tell.
    pub(super) fn due_at(&self, totals: Totals, now: Instant) -> Option<Instant> {
        let is_open = totals.queue_full > self.queue_full_told
            || totals.evicted > self.evicted_told
            || self.expired.count > 0;
        is_open.then(|| self.told_at.map_or(now, |at| at + INTERVAL))
    }

    /// Makes the markers. Records that were lost before they had a number are given numbers now, by moving
    /// `next_seq` on, so that gaps in `seq` are exactly the records lost.
    pub(super) fn tell(
        &mut self,
        totals: Totals,
        now: Instant,
        unix_nano: u64,
        scope: u32,
        next_seq: &mut u64,
    ) -> Vec<(u64, Record)> {
        self.told_at = Some(now);
        let mut markers = Vec::new();
        let unnumbered = [
            ("queue_full", totals.queue_full - self.queue_full_told),
            (DropCause::Evicted.name(), totals.evicted - self.evicted_told),
        ];
        self.queue_full_told = totals.queue_full;
        self.evicted_told = totals.evicted;
        for (cause, count) in unnumbered {
            if count > 0 {
                let lost = Lost { count, seq_from: *next_seq, seq_to: *next_seq + count - 1 };
                *next_seq += count;
                markers.push((*next_seq, self.marker(cause, lost, unix_nano, scope)));
                *next_seq += 1;
            }
        }
        let expired = std::mem::take(&mut self.expired);
        if expired.count > 0 {
            markers.push((*next_seq, self.marker(DropCause::Expired.name(), expired, unix_nano, scope)));
            *next_seq += 1;
        }
        markers
    }

    fn marker(&self, cause: &str, lost: Lost, unix_nano: u64, scope: u32) -> Record {
        let levelno = 30;
        let severity = level::severity_of(levelno);
        let mut builder = RecordBuilder::new();
        builder.start(4096);
        builder.severity(severity, "WARN");
        builder.body(&format!("{} records lost: {cause}", lost.count));
        builder.event_name(EVENT_NAME);
        builder.attribute("lost", Scalar::Int(lost.count as i64));
        builder.attribute("cause", Scalar::Str(cause));
        builder.attribute("seq_from", Scalar::Int(lost.seq_from as i64));
        builder.attribute("seq_to", Scalar::Int(lost.seq_to as i64));
        let header = Header {
            signal: Signal::Log,
            severity,
            flags: flag::LOSS_MARKER,
            time_unix_nano: unix_nano,
            observed_unix_nano: unix_nano,
            id: self.ids.next_uuid7(unix_nano, 0),
            trace_id: [0; 16],
            span_id: [0; 8],
            resource: 0,
            scope,
            levelno,
        };
        builder.finish(header, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn lost_records_take_their_numbers_in_front_of_the_marker() {
        let mut losses = Losses::new();
        let mut next_seq = 11;

        let markers =
            losses.tell(Totals { queue_full: 5, evicted: 2 }, clock::monotonic(), 1, 0, &mut next_seq);

        let seqs: Vec<u64> = markers.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, [16, 19]);
        assert_eq!(next_seq, 20);
    }

    #[test]
    fn nothing_is_told_twice() {
        let mut losses = Losses::new();
        let (totals, now) = (Totals { queue_full: 5, evicted: 0 }, clock::monotonic());
        losses.tell(totals, now, 1, 0, &mut 1);

        assert_eq!(losses.due_at(totals, now), None);
        assert!(losses.due_at(Totals { queue_full: 6, evicted: 0 }, now).is_some_and(|at| at > now));
    }
}
