//! Sinks: one destination each, used by one thread. A sink knows nothing of queues, retries or threads.

pub mod console;
#[cfg(unix)]
pub mod file;
#[cfg(not(unix))]
mod file {
    use crate::dsn::Dsn;
    use crate::error::ConfigError;
    use crate::sinks::SinkPlan;

    pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
        let message = format!("{}:// needs a Unix system: it opens files relative to folders", dsn.scheme());
        Err(ConfigError::new(message, "use sqlite:///app.db"))
    }
}
#[cfg(not(unix))]
use file as perfetto;
pub mod inspect;
pub mod langfuse;
mod mapped;
pub mod memory;
mod merge;
pub mod null;
pub mod otlp;
mod partial_success;
#[cfg(unix)]
mod perfetto;
mod points;
pub mod postgres;
pub mod prune;
pub mod select;
mod spent;
pub mod sqlite;

pub use merge::{CoalescePlan, GroupKey, MemberKey, Merge, Part};
pub use spent::Spent;

use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::fork;
use crate::record::tables::Tables;
use crate::record::view::{LogView, MetricView, SpanView};
use crate::record::{Record, Signal};
use std::sync::Arc;
use std::time::Duration;

/// Where in a sink a record goes. All records of one batch have one route; the lane groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Records of every kind together: the sink stores them in one step, so that one step of a ledger covers them.
    All,
    /// Log records and events.
    Logs,
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Scores (Langfuse).
    Scores,
}

/// One record of a batch.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The lane's number for it: dense from 1, given on dequeue. Gaps are losses, and each has a loss marker.
    pub seq: u64,
    /// The record, shared with other lanes.
    pub record: Record,
    /// Attribute fields added on the lane's thread (the rendered stack trace); usually empty.
    pub appended: Option<Arc<[u8]>>,
    /// For the lane's books; 0 for what telesink wrote itself.
    pub(crate) ticket: u64,
    /// Tickets of the other records that were joined into this one; nearly always none.
    pub(crate) more_tickets: Vec<u64>,
    /// What it and they cost of the lane's memory.
    pub(crate) bytes: u64,
    /// When the lane took it, on the lane's own clock.
    pub(crate) taken_nano: u64,
}

impl Entry {
    /// A numbered record that is in nobody's books.
    pub fn new(seq: u64, record: Record) -> Self {
        Self { seq, record, appended: None, ticket: 0, more_tickets: Vec::new(), bytes: 0, taken_nano: 0 }
    }

    /// Settles the sources of another entry along with its own.
    pub(crate) fn absorb(&mut self, other: &Entry) {
        self.more_tickets.push(other.ticket);
        self.more_tickets.extend_from_slice(&other.more_tickets);
        self.bytes += other.bytes;
    }

    /// How many records of the program it stands for.
    pub(crate) fn sources(&self) -> u64 {
        1 + self.more_tickets.len() as u64
    }

    /// The tickets of all of them.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = u64> + Clone {
        std::iter::once(self.ticket).chain(self.more_tickets.iter().copied())
    }

    /// The record as a log record.
    pub fn log(&self) -> LogView<'_> {
        LogView::new(&self.record, self.appended.as_deref().unwrap_or(&[]))
    }

    /// The record as a span.
    pub fn span(&self) -> SpanView<'_> {
        SpanView::new(&self.record, self.appended.as_deref().unwrap_or(&[]))
    }

    /// The record as a metric.
    pub fn metric(&self) -> MetricView<'_> {
        MetricView::new(&self.record)
    }

    /// The OTLP message of the record in two parts: as it was captured, and what the lane's thread added.
    pub fn message(&self) -> [&[u8]; 2] {
        [self.record.body(), self.appended.as_deref().unwrap_or(&[])]
    }
}

/// What a sink is given: records of one route with increasing `seq`.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Identifies the pipeline in this process; new after a fork.
    pub instance: [u8; 16],
    /// Index of the lane in its pipeline.
    pub lane: u32,
    /// The last `seq` that this lane has stored, 0 at first. A ledger compares with it.
    pub previous_seq: u64,
    /// Where the records go.
    pub route: Route,
    /// The records.
    pub entries: &'a [Entry],
    /// Names of loggers and the resource.
    pub tables: &'a Tables,
    /// Wall-clock time of this attempt, nanoseconds since the Unix epoch.
    pub now_unix_nano: u64,
    /// The records of the batch before, to be freed while the destination works.
    pub spent: &'a Spent,
}

/// A record that the destination refused although the write as a whole succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Index into the batch.
    pub index: usize,
    /// Short machine-readable cause, for example an `SQLite` result name.
    pub code: String,
    /// Why, for people.
    pub text: String,
}

/// What became of a batch that was written. Records that are neither refused nor to be retried are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records the destination refused; each costs only itself.
    pub refused: Vec<Refusal>,
    /// Indexes of records to offer again (a receiver's partial success).
    pub retry: Vec<usize>,
    /// Records that an earlier attempt had already stored; they are delivered, once.
    pub duplicates_suppressed: u64,
    /// Sequence numbers that the destination had once confirmed and no longer has (a server restored from the past).
    pub rolled_back: u64,
    /// So many entries at the end of the batch were not offered to the destination yet, because the encoded batch was
    /// more than one request may hold: they are offered next, without a pause. Indexes above name none of them.
    pub unsent: usize,
    /// Indexes of records that the sink does not keep, because it was told not to; counted as `switched_off`.
    pub switched_off: Vec<usize>,
    /// Indexes of records that nobody is said to have caused, where that was asked for; counted as `unattributed`.
    pub unattributed: Vec<usize>,
    /// Records of which the destination holds something else than was said: text cut to its column, an id that was none.
    pub mended: u64,
    /// The destination took the rest of the batch as a whole, and says that it rejected so many of its records
    /// without saying which.
    pub rejected_by_server: usize,
    /// What the sink has to tell although the batch is stored; the lane says it now and then, and keeps it as its last
    /// error.
    pub notice: Option<String>,
}

/// One destination, used by one thread.
pub trait Sink: Send {
    /// Which records this sink takes; `None` is counted as `unrouted`.
    fn route(&self, record: &Record) -> Option<Route> {
        (record.header().signal == Signal::Log).then_some(Route::Logs)
    }

    /// Stores the batch and says what became of it. May block within the sink's own limits. A `Reject` promises
    /// that nothing of the batch was stored. After any error the sink is ready for the next call: reconnecting is
    /// its own business.
    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError>;

    /// Makes stored records durable and lets go of the destination. Calling it twice is harmless.
    fn close(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
}

/// How long a sink may wait, at most; those that nothing keeps waiting have no use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, with all that belongs to it, per address.
    pub connect: Duration,
    /// For the destination to take or answer anything.
    pub write: Duration,
}

/// Makes a sink for a lane with these limits; called on the lane's thread, and again after a panic. Must not touch
/// the outside world: connecting belongs to the first `write`, where it is retried.
pub type SinkFactory = Arc<dyn Fn(Limits) -> Box<dyn Sink> + Send + Sync>;

/// A sink that a DSN asked for, checked but not opened.
#[derive(Clone)]
pub struct SinkPlan {
    /// Short name of the kind, for threads and statistics: `sqlite`, `console`.
    pub kind: &'static str,
    /// The target without secrets, for messages.
    pub target: String,
    /// Linger used when the settings leave it open.
    pub linger_default: Duration,
    /// Most bytes in a batch, below what the settings say; `None` leaves it to them.
    pub batch_bytes_max: Option<u64>,
    /// Whether log records are kept by it (loss markers are written only where they are).
    pub stores_logs: bool,
    /// Makes the sink.
    pub factory: SinkFactory,
    /// How records that belong together are joined before they are batched; `None` leaves them as they come.
    pub coalesce: Option<CoalescePlan>,
    /// The store behind a `memory://` sink, for those who read it.
    pub memory: Option<memory::MemoryStore>,
}

impl SinkPlan {
    /// A plan of a sink that stores log records and lingers for 20 ms, for those that are on this machine.
    pub fn new(kind: &'static str, target: String, factory: SinkFactory) -> Self {
        Self {
            kind,
            target,
            linger_default: Duration::from_millis(20),
            batch_bytes_max: None,
            stores_logs: true,
            factory,
            coalesce: None,
            memory: None,
        }
    }
}

impl std::fmt::Debug for SinkPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkPlan")
            .field("kind", &self.kind)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Reads a sink's own options from the DSN and plans it.
type Planner = fn(&mut Dsn) -> Result<SinkPlan, ConfigError>;

/// The table from scheme to planner. A new sink is one module above and one row here.
const SINKS: [(&str, Planner); 11] = [
    ("sqlite", sqlite::plan),
    ("file", file::plan),
    ("perfetto", perfetto::plan),
    ("postgresql", postgres::plan),
    ("console", console::plan),
    ("memory", memory::plan),
    ("null", null::plan),
    ("otlp", otlp::plan),
    ("otlps", otlp::plan),
    ("langfuse", langfuse::plan),
    ("langfuses", langfuse::plan),
];

/// The schemes that can be opened, for error messages.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    SINKS.iter().map(|(scheme, _)| *scheme)
}

/// The process may end without closing its sinks: whatever must not be left to that is done now.
pub(crate) fn rest() {
    // In an unsound process nothing is open, and locks may be held by nobody.
    if !fork::is_unsound() {
        let _inside = fork::enter();
        sqlite::settle_moved();
    }
}

/// Plans the sink that `dsn` asks for. Takes the sink's own options out of the DSN; the caller takes the
/// settings and then calls [`Dsn::finish`], which refuses whatever is left.
///
/// # Errors
/// An unknown scheme, or an option value that the sink does not take.
pub fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let found = SINKS.iter().find(|(scheme, _)| *scheme == dsn.scheme());
    match found {
        Some((_, planner)) => planner(dsn),
        None => Err(dsn.unknown_scheme(schemes())),
    }
}
