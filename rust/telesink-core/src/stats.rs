//! The ledger of outcomes: every record ends in exactly one counter.
//!
//! Two identities hold, exactly at quiescence and with `pending` over-stated at most in a live snapshot:
//! `offered = accepted + Σ rejected` and, per lane, `routed = delivered + Σ dropped + pending`. All totals are
//! monotone; `pending` is counted where the records are, never by subtraction.

use std::fmt;

/// Declares a cause enum with its names and its number of members.
macro_rules! causes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All causes, in the order of their counters.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name of the cause, as it stands in statistics and loss markers.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

causes! {
    /// Why a call's record was not taken.
    RejectCause {
        /// The bound on records or bytes was reached, also after waiting under `block`.
        QueueFull => "queue_full",
        /// Not even a fallback representation could be made.
        EncodeError => "encode_error",
        /// Logged from inside telesink's own reading of another record, deeper than the guard allows.
        Reentrant => "reentrant",
        /// Offered after `close`.
        Closed => "closed",
        /// An event that no server would take: no type, no body, a malformed id or time.
        InvalidEvent => "invalid_event",
        /// An event of a trace that is not part of the sample.
        SampledOut => "sampled_out",
        /// A panic on the caller's path, caught.
        Panic => "panic",
    }
}

causes! {
    /// Why an accepted record will never be delivered to a lane's sink.
    DropCause {
        /// Pushed out by newer records under `drop_oldest`.
        Evicted => "evicted",
        /// Older than `max_age_seconds`.
        Expired => "expired",
        /// The destination refused this very record; it is in the dead-letter file if there is one.
        Poison => "poison",
        /// Refused, and the dead-letter file was full or could not be written.
        DeadLetterFull => "dead_letter_full",
        /// Still in memory when the deadline of a close passed.
        ExitDeadline => "exit_deadline",
        /// Being written when the deadline of a close passed: may or may not be stored.
        ExitUnresolved => "exit_unresolved",
        /// The sink panicked over this very record, twice.
        SinkPanic => "sink_panic",
        /// The destination took the batch and says that it rejected so many of its records, not which ones.
        RejectedByServer => "rejected_by_server",
        /// The sink takes no records of this kind.
        Unrouted => "unrouted",
        /// The sink was told not to keep it: no loss, and told nowhere else.
        SwitchedOff => "switched_off",
        /// Nobody is said to have caused it, and `require_attribution` asks for that.
        Unattributed => "unattributed",
        /// Anything else: by definition a bug.
        Internal => "internal",
    }
}

/// What a lane is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing to do; no thread, or a parked one.
    Idle,
    /// Writing batches.
    Running,
    /// The last write failed in a way that may pass.
    Retrying,
    /// Somebody has to mend the configuration or the destination.
    Held,
    /// Closed; takes nothing.
    Closed,
}

impl State {
    /// The name as it stands in statistics.
    pub fn name(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Running => "running",
            State::Retrying => "retrying",
            State::Held => "held",
            State::Closed => "closed",
        }
    }
}

/// Counters of one cause enum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Counters in the order of the cause enum.
    pub fn from_pairs(pairs: impl Iterator<Item = (&'static str, u64)>) -> Self {
        Self(pairs.collect())
    }

    /// The causes that have happened.
    pub fn nonzero(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied().filter(|(_, count)| *count > 0)
    }

    /// The count of one cause, by name.
    pub fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(cause, _)| *cause == name).map_or(0, |(_, count)| *count)
    }

    /// The sum over all causes.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Adds another set of counters, cause by cause.
    pub fn add(&mut self, other: &Counts) {
        for (name, count) in &other.0 {
            match self.0.iter_mut().find(|(own, _)| own == name) {
                Some((_, own)) => *own += count,
                None => self.0.push((name, *count)),
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.nonzero().enumerate() {
            write!(f, "{}{name} {count}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A lane's counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStats {
    /// The lane's name in its pipeline.
    pub name: String,
    /// The target without secrets.
    pub target: String,
    /// Records that passed the lane's filters: `routed` plus `rejected`.
    pub offered: u64,
    /// Records the lane took.
    pub routed: u64,
    /// Records the lane did not take, by cause.
    pub rejected: Counts,
    /// Records the sink has confirmed.
    pub delivered: u64,
    /// Records given up, by cause.
    pub dropped: Counts,
    /// Records in queue, batch and in flight.
    pub pending: u64,
    /// Their bytes.
    pub bytes_pending: u64,
    /// Attempts repeated after a failure.
    pub retries: u64,
    /// Batches confirmed by the sink.
    pub batches: u64,
    /// Records that an earlier, unresolved attempt had stored already.
    pub duplicates_suppressed: u64,
    /// Records of which the destination holds something else than was said, to fit its columns.
    pub mended: u64,
    /// Records the destination had confirmed and lost again.
    pub rolled_back: u64,
    /// Loss markers written.
    pub loss_markers: u64,
    /// Panics of the sink, each caught.
    pub sink_panics: u64,
    /// What the lane is doing.
    pub state: State,
    /// The last failure, without secrets; empty if there was none.
    pub last_error: String,
}

impl LaneStats {
    /// Adds the counters of another lane; name, target and state stay.
    pub fn add(&mut self, other: &LaneStats) {
        self.offered += other.offered;
        self.routed += other.routed;
        self.rejected.add(&other.rejected);
        self.delivered += other.delivered;
        self.dropped.add(&other.dropped);
        self.pending += other.pending;
        self.bytes_pending += other.bytes_pending;
        self.retries += other.retries;
        self.batches += other.batches;
        self.duplicates_suppressed += other.duplicates_suppressed;
        self.mended += other.mended;
        self.rolled_back += other.rolled_back;
        self.loss_markers += other.loss_markers;
        self.sink_panics += other.sink_panics;
        if !other.last_error.is_empty() {
            self.last_error.clone_from(&other.last_error);
        }
    }
}

/// A pipeline's counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineStats {
    /// Records handed to the pipeline.
    pub offered: u64,
    /// Records that at least one lane took, or that wait for the first lane.
    pub accepted: u64,
    /// Records that no lane took, by cause.
    pub rejected: Counts,
    /// Those of the rejected records that came to no lane and stand in no lane's account: the pipeline was closed, or
    /// they could not be captured, or too many waited for the first lane.
    pub turned_away: Counts,
    /// Records waiting for the first lane.
    pub late_pending: u64,
    /// Records in which something had to be replaced.
    pub sanitised: u64,
    /// Records in which something was cut.
    pub truncated: u64,
    /// Records whose message could not be formatted with its arguments.
    pub format_errors: u64,
    /// The lanes.
    pub lanes: Vec<LaneStats>,
    /// The sum over the lanes that were removed, so that totals stay true; `None` if none was.
    pub removed: Option<LaneStats>,
}

/// What a flush achieved for the records that were pending when it was called.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Receipt {
    /// Confirmed by their sinks while the flush waited.
    pub delivered: u64,
    /// Given up while the flush waited, by cause.
    pub dropped: Counts,
    /// Still not settled.
    pub pending: u64,
    /// How long it waited.
    pub seconds: f64,
}

impl Receipt {
    /// Whether nothing is pending any more.
    pub fn is_complete(&self) -> bool {
        self.pending == 0
    }

    /// Joins the receipts of several lanes.
    pub fn add(&mut self, other: &Receipt) {
        self.delivered += other.delivered;
        self.dropped.add(&other.dropped);
        self.pending += other.pending;
        self.seconds = self.seconds.max(other.seconds);
    }
}
