//! What the tests share: a sink that follows a script, records, pipelines, and waits that end.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub(crate) mod authority;
pub(crate) mod contract;
pub(crate) mod http;
#[cfg(unix)]
pub(crate) mod postgres;
pub(crate) mod records;
pub(crate) mod script;

use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::lane::{Impatient, LaneSpec, Patience};
use telesink_core::pipeline::Pipeline;
use telesink_core::record::Record;
use telesink_core::record::tables::Resource;
use telesink_core::redact::Redaction;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::sinks::{self, SinkPlan};
use telesink_core::stats::{DropCause, LaneStats, PipelineStats, Receipt, RejectCause};

/// The longest that a test waits for what must happen; reached only when it does not.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A linger or pause that no test lives to see the end of.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

/// The name of the lane in tests that have one.
pub(crate) const LANE: &str = "only";

/// Settings that write at once and retry within milliseconds.
pub(crate) fn eager() -> Settings {
    Settings {
        linger: Some(Duration::ZERO),
        retry_initial: Duration::from_millis(1),
        retry_max: Duration::from_millis(4),
        ..Settings::documented()
    }
}

/// Settings under which a batch is written when it holds `records`, and not before.
pub(crate) fn batches_of(records: usize) -> Settings {
    Settings { linger: Some(NEVER), batch_records_max: records, ..eager() }
}

/// Settings of a queue of `records` that are written one by one.
pub(crate) fn queue_of(records: usize, when_full: WhenFull) -> Settings {
    Settings { queue_records_max: records, batch_records_max: 1, when_full, ..eager() }
}

/// A pipeline without lanes.
pub(crate) fn empty_pipeline() -> Pipeline {
    keep_the_output_readable();
    let resource = Resource::new(&[("service.name".to_owned(), "shop".to_owned())]);
    Pipeline::new(resource, Arc::new(Redaction::off()))
}

/// A pipeline with one lane.
pub(crate) fn pipeline(plan: SinkPlan, settings: Settings) -> Pipeline {
    let pipeline = empty_pipeline();
    pipeline.add_lane(spec(LANE, plan, settings)).expect("a fresh name");
    pipeline
}

/// A lane that takes everything.
pub(crate) fn spec(name: &str, plan: SinkPlan, settings: Settings) -> LaneSpec {
    LaneSpec {
        name: name.to_owned(),
        index: 0,
        plan,
        settings,
        level: 0,
        include: Vec::new(),
        exclude: Vec::new(),
    }
}

/// The sink of a DSN, as the binding plans it.
pub(crate) fn plan(dsn: &str) -> SinkPlan {
    let mut dsn = Dsn::parse(dsn, &[], Path::new("/")).expect("a valid dsn");
    let plan = sinks::plan(&mut dsn).expect("a known sink");
    dsn.finish().expect("no option is left");
    plan
}

/// Offers a record without waiting for room.
pub(crate) fn offer(pipeline: &Pipeline, record: &Record) -> bool {
    offer_with(pipeline, record, &Impatient)
}

/// Offers a record with some patience.
pub(crate) fn offer_with(pipeline: &Pipeline, record: &Record, patience: &dyn Patience) -> bool {
    pipeline.offer(record.header().levelno, records::LOGGER, record, patience)
}

/// Offers an INFO record for each body.
pub(crate) fn offer_all<B: AsRef<str>>(pipeline: &Pipeline, bodies: impl IntoIterator<Item = B>) {
    for body in bodies {
        assert!(offer(pipeline, &records::info(body.as_ref())), "refused {:?}", body.as_ref());
    }
}

/// Waits until everything offered so far is settled.
pub(crate) fn flush(pipeline: &Pipeline) -> Receipt {
    let flush = pipeline.begin_flush();
    assert!(flush.wait(LIMIT), "not settled in time: {:?}", pipeline.stats());
    flush.finish()
}

/// Closes for good; nothing may be left by then.
pub(crate) fn close(pipeline: &Pipeline) -> Receipt {
    let receipt = pipeline.close(clock::monotonic() + LIMIT, true);
    assert!(receipt.is_complete(), "not closed in time: {receipt:?}");
    receipt
}

/// The counters of the only lane.
pub(crate) fn lane(pipeline: &Pipeline) -> LaneStats {
    pipeline.stats().lanes.into_iter().next().expect("a lane")
}

/// The counters of the lane called `name`.
pub(crate) fn lane_named(pipeline: &Pipeline, name: &str) -> LaneStats {
    pipeline.stats().lanes.into_iter().find(|lane| lane.name == name).expect("a lane of that name")
}

/// Asserts that `count` records, and not none, were dropped for `cause`. The list of causes is checked against
/// calls of this.
#[track_caller]
pub(crate) fn assert_dropped(lane: &LaneStats, cause: DropCause, count: u64) {
    assert!(count > 0, "asserting that nothing happened proves nothing");
    assert_eq!(lane.dropped.get(cause.name()), count, "{}; dropped: {}", cause.name(), lane.dropped);
}

/// Asserts that `count` records, and not none, were rejected by the pipeline for `cause`. See [`assert_dropped`].
#[track_caller]
pub(crate) fn assert_rejected(stats: &PipelineStats, cause: RejectCause, count: u64) {
    assert!(count > 0, "asserting that nothing happened proves nothing");
    assert_eq!(stats.rejected.get(cause.name()), count, "{}; rejected: {}", cause.name(), stats.rejected);
}

/// Asserts the two identities, which are exact once nothing moves any more.
#[track_caller]
pub(crate) fn assert_balanced(stats: &PipelineStats) {
    assert_eq!(stats.offered, stats.accepted + stats.rejected.total(), "{stats:?}");
    for lane in &stats.lanes {
        assert_eq!(lane.offered, lane.routed + lane.rejected.total(), "{lane:?}");
        assert_eq!(lane.routed, lane.delivered + lane.dropped.total() + lane.pending, "{lane:?}");
        assert_eq!(lane.pending == 0, lane.bytes_pending == 0, "{lane:?}");
    }
}

/// Waits until `condition` holds. Only for what cannot be waited for by an event: counters seen from outside.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = clock::monotonic() + LIMIT;
    while !condition() {
        assert!(clock::monotonic() < end, "never came true: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs `work` on a named thread.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().name("test helper".to_owned()).spawn(work).expect("a thread")
}

/// Keeps what the tests provoke out of their output: panics that a script asked for, and telesink's own lines on
/// standard error, which go to a file in the target directory. Failures are told on standard output.
fn keep_the_output_readable() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        redirect_standard_error();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().copied();
            if text != Some(script::PANIC_TEXT) {
                usual(info);
            }
        }));
    });
}

#[cfg(unix)]
fn redirect_standard_error() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!(env!("CARGO_CRATE_NAME"), ".stderr"));
    let file = std::fs::File::create(path).expect("a file for what telesink says");
    rustix::stdio::dup2_stderr(&file).expect("redirected");
}

#[cfg(not(unix))]
fn redirect_standard_error() {}
