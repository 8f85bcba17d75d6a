//! The pipeline: capture once, filter per lane, hand the shared record to each lane's queue.

mod closing;
mod coming_and_going;
mod flush;
mod removed;
mod view;

pub use closing::{Closing, Removal};
pub use flush::Flush;
pub use view::View;

use crate::clock;
use crate::diagnostics::Diagnostics;
use crate::lane::{Groups, Lane, Patience, Shared};
use crate::record::id::new_instance;
use crate::record::tables::{Resource, Tables};
use crate::record::{Record, flag};
use crate::redact::Redaction;
use crate::stats::{Counts, PipelineStats, RejectCause};
use arc_swap::ArcSwap;
use removed::Removed;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records kept for the first lane of a pipeline that has none yet.
pub const LATE_RECORDS_MAX: usize = 1_000;

/// Bytes kept for the first lane of a pipeline that has none yet.
pub const LATE_BYTES_MAX: usize = 1 << 20;

/// Level of a pipeline that no lane listens to: nothing is worth capturing.
const NOBODY_LISTENS: i32 = i32::MAX;

/// Records that wait for the first lane.
#[derive(Debug, Default)]
struct Late {
    records: VecDeque<(i32, String, Record)>,
    bytes: usize,
    /// Set with the first lane: from then on records go to lanes only.
    is_over: bool,
    /// Records given to the first lane's filters that none of them wanted.
    next_index: u32,
}

/// One or more lanes behind one door.
#[derive(Debug)]
pub struct Pipeline {
    shared: Shared,
    view: ArcSwap<View>,
    version: AtomicU64,
    is_closed: AtomicBool,
    offered: AtomicU64,
    accepted: AtomicU64,
    rejected: [AtomicU64; RejectCause::ALL.len()],
    turned_away: [AtomicU64; RejectCause::ALL.len()],
    sanitised: AtomicU64,
    truncated: AtomicU64,
    format_errors: AtomicU64,
    late: Mutex<Late>,
    removed: Mutex<Removed>,
}

impl Pipeline {
    /// A pipeline without lanes.
    pub fn new(resource: Resource, redaction: Arc<Redaction>) -> Self {
        Self {
            shared: Shared {
                instance: new_instance(clock::unix_nano()),
                tables: Arc::new(Tables::new(resource)),
                redaction: Arc::new(ArcSwap::new(Arc::clone(&redaction))),
                diagnostics: Arc::new(Diagnostics::new()),
                groups: Arc::default(),
            },
            view: ArcSwap::from_pointee(View {
                lanes: Arc::default(),
                redaction,
                level: 0,
                has_lanes: false,
                has_filters: false,
            }),
            version: AtomicU64::new(1),
            is_closed: AtomicBool::new(false),
            offered: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
            turned_away: std::array::from_fn(|_| AtomicU64::new(0)),
            sanitised: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            format_errors: AtomicU64::new(0),
            late: Mutex::new(Late::default()),
            removed: Mutex::new(Removed::default()),
        }
    }

    /// The pipeline in this process; new after a fork.
    pub fn instance(&self) -> [u8; 16] {
        self.shared.instance
    }

    /// Scopes and the resource.
    pub fn tables(&self) -> &Tables {
        &self.shared.tables
    }

    /// Calls that hand over several records.
    pub fn groups(&self) -> &Arc<Groups> {
        &self.shared.groups
    }

    /// Replaces the program that the records come from. Answers false once there has been a lane: lanes store it once.
    pub fn set_resource(&self, resource: Resource) -> bool {
        let late = self.late();
        if !late.is_over {
            self.shared.tables.set_resource(resource);
        }
        !late.is_over
    }

    /// Replaces what is hidden, as one set, from the next record on.
    pub fn set_redaction(&self, redaction: Arc<Redaction>) {
        let _guard = self.late();
        self.shared.redaction.store(Arc::clone(&redaction));
        let view = self.view.load_full();
        self.publish(View { redaction, lanes: Arc::clone(&view.lanes), ..*view });
    }

    /// Changes with everything that [`Pipeline::view`] shows.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What callers need, as it is now. Ask for [`Pipeline::version`] first and keep both.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Least level that any lane wants; 0 before there is a lane.
    pub fn level(&self) -> i32 {
        self.view.load().level
    }

    /// Offers a record to every lane that wants it. Answers whether anybody took it.
    pub fn offer(&self, levelno: i32, logger: &str, record: &Record, patience: &dyn Patience) -> bool {
        self.offer_through(&self.view(), levelno, logger, record.clone(), patience)
    }

    /// Offers a record through a view that the caller keeps.
    #[inline]
    pub fn offer_through(
        &self,
        view: &View,
        levelno: i32,
        logger: &str,
        record: Record,
        patience: &dyn Patience,
    ) -> bool {
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.count_marks(&record);
        if self.is_closed.load(Ordering::Relaxed) {
            return self.turned_away(RejectCause::Closed);
        }
        if !view.has_lanes {
            if let Some(is_kept) = self.keep_late(levelno, logger, &record) {
                return is_kept;
            }
            // The first lane came while the record was on its way.
            let lanes = self.lanes();
            return self.offer_to(&lanes, levelno, logger, record, patience);
        }
        self.offer_to(&view.lanes, levelno, logger, record, patience)
    }

    #[inline]
    fn offer_to(
        &self,
        lanes: &[Arc<Lane>],
        levelno: i32,
        logger: &str,
        record: Record,
        patience: &dyn Patience,
    ) -> bool {
        let mut refused = None;
        let mut is_taken = false;
        let mut record = Some(record);
        let mut wanting = lanes.iter().filter(|lane| lane.filter().admits(levelno, logger)).peekable();
        while let Some(lane) = wanting.next() {
            // The last lane gets the record itself: a reference count less for the usual pipeline of one lane.
            let shared = if wanting.peek().is_some() { record.clone() } else { record.take() };
            let Some(shared) = shared else { break };
            match lane.take(shared, patience) {
                Ok(()) => is_taken = true,
                Err(cause) => refused = Some(cause),
            }
        }
        match refused {
            Some(cause) if !is_taken => self.rejected(cause),
            // Also when no lane wanted it in the end (a filter changed meanwhile): it was taken and routed nowhere.
            _ => {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                true
            }
        }
    }

    /// Counts a record that was offered and could not be captured.
    pub fn reject(&self, cause: RejectCause) {
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.turned_away(cause);
    }

    #[inline]
    fn count_marks(&self, record: &Record) {
        let flags = record.flags();
        if flags & (flag::SANITISED | flag::TRUNCATED | flag::FORMAT_ERROR) != 0 {
            let add = |counter: &AtomicU64, bit| {
                if flags & bit != 0 {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            };
            add(&self.sanitised, flag::SANITISED);
            add(&self.truncated, flag::TRUNCATED);
            add(&self.format_errors, flag::FORMAT_ERROR);
        }
    }

    fn rejected(&self, cause: RejectCause) -> bool {
        self.rejected[cause as usize].fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Counts a record that comes to no lane, and so stands in no lane's account.
    fn turned_away(&self, cause: RejectCause) -> bool {
        self.turned_away[cause as usize].fetch_add(1, Ordering::Relaxed);
        self.rejected(cause)
    }

    /// Keeps a record for the first lane and answers whether there was room; `None` if there is a lane by now.
    #[cold]
    fn keep_late(&self, levelno: i32, logger: &str, record: &Record) -> Option<bool> {
        let mut late = self.late();
        if late.is_over {
            return None;
        }
        if late.records.len() >= LATE_RECORDS_MAX || late.bytes + record.cost_bytes() > LATE_BYTES_MAX {
            return Some(self.turned_away(RejectCause::QueueFull));
        }
        late.bytes += record.cost_bytes();
        late.records.push_back((levelno, logger.to_owned(), record.clone()));
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Some(true)
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_lanes(&self, lanes: Vec<Arc<Lane>>) {
        let level = lanes.iter().map(|lane| lane.filter().level()).min().unwrap_or(NOBODY_LISTENS);
        let has_filters = lanes.iter().any(|lane| lane.filter().names_loggers());
        let redaction = self.shared.redaction.load_full();
        self.publish(View { lanes: Arc::new(lanes), redaction, level, has_lanes: true, has_filters });
    }

    fn publish(&self, view: View) {
        self.view.store(Arc::new(view));
        // After the view: whoever sees the new version finds the new view.
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// The lanes now.
    pub fn lanes(&self) -> Arc<Vec<Arc<Lane>>> {
        Arc::clone(&self.view.load().lanes)
    }

    /// Starts a flush: a barrier made of counters, complete once every record admitted until now is settled.
    pub fn begin_flush(&self) -> Flush {
        let lanes = self.lanes_with_leaving();
        Flush {
            started: clock::monotonic(),
            lanes: lanes.iter().map(|lane| (Arc::clone(lane), lane.begin_flush())).collect(),
            late_pending: self.late().records.len() as u64,
        }
    }

    /// Lets go without waiting: nothing more is taken, and the threads end once they have settled what they have.
    pub fn retire(&self) {
        self.is_closed.store(true, Ordering::Release);
        for lane in self.lanes().iter() {
            lane.begin_close(clock::monotonic() + lane.spec().settings.exit_timeout, true);
        }
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The counters now.
    pub fn stats(&self) -> PipelineStats {
        let (lanes, removed) = {
            // Under the lock under which lanes come and go, so that each is counted once.
            let _guard = self.late();
            let lanes = self.lanes().iter().map(|lane| lane.stats()).collect();
            (lanes, self.removed().stats())
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = |counters: &[AtomicU64]| {
            Counts::from_pairs(
                RejectCause::ALL.iter().map(|cause| (cause.name(), count(&counters[*cause as usize]))),
            )
        };
        PipelineStats {
            rejected: counts(&self.rejected),
            turned_away: counts(&self.turned_away),
            accepted: count(&self.accepted),
            offered: count(&self.offered),
            late_pending: self.late().records.len() as u64,
            sanitised: count(&self.sanitised),
            truncated: count(&self.truncated),
            format_errors: count(&self.format_errors),
            lanes,
            removed,
        }
    }
}
