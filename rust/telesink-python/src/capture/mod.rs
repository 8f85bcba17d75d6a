//! Python objects to records: the only code that reads Python objects.
//!
//! Nothing here fails because of a value, nothing holds a lock or a half-built record while Python code can run,
//! and everything is copied before the call returns.

pub(crate) mod context;
mod event;
mod exception;
mod fields;
mod mapping;
mod message;
mod names;
mod numbers;
pub(crate) mod opentelemetry;
mod otel;
mod places;
mod plain;
mod record;
mod sampling;
mod site;
mod snapshot;
pub(crate) mod text;
mod values;
mod walk;
mod workflow;

pub(crate) use event::capture_event;
pub(crate) use mapping::{as_refusal, capture_mapping};
pub(crate) use otel::{current_ids, new_span_ids, set_inherited_span, set_span_getter};
pub(crate) use record::{CaptureSettings, Captured, capture_log_record};
pub(crate) use sampling::{LeftOut, Sample};
pub(crate) use workflow::event_problems;

use crate::sources::Process;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::id::IdSource;

/// Deepest nesting of captures on one thread: a record whose value logs while it is read, whose value logs. What
/// nests deeper is counted as `reentrant`.
const DEPTH_MAX: u32 = 3;

/// Scopes remembered per thread; a power of two.
const SCOPES_CACHED: usize = 64;

/// What one thread keeps between records.
pub(crate) struct Workbench {
    pub(crate) builder: RecordBuilder,
    pub(crate) tail: Vec<u8>,
    /// The message, if it is a usual one.
    text: String,
    pub(crate) ids: IdSource,
    scopes: Vec<Option<CachedScope>>,
    pub(crate) sites: site::Sites,
    names: names::Names,
    pub(crate) origins: opentelemetry::Origins,
    pub(crate) members: opentelemetry::Members,
    pub(crate) defaults: opentelemetry::Defaults,
    /// The pipeline this thread has logged to last, as it was then.
    pub(crate) seen: Option<Seen>,
}

/// A process's pipeline and its view, valid as long as both versions stay the same.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) handle: u64,
    pub(crate) handle_version: u64,
    pub(crate) core_version: u64,
    pub(crate) process: Arc<Process>,
    pub(crate) view: Arc<View>,
}

struct CachedScope {
    instance: [u8; 16],
    name: String,
    index: u32,
}

thread_local! {
    static WORKBENCH: RefCell<Option<Box<Workbench>>> = const { RefCell::new(None) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl Workbench {
    fn new() -> Self {
        Self {
            builder: RecordBuilder::new(),
            tail: Vec::new(),
            text: String::new(),
            ids: IdSource::new(),
            scopes: (0..SCOPES_CACHED).map(|_| None).collect(),
            sites: site::Sites::new(),
            names: names::Names::new(),
            origins: opentelemetry::Origins::new(),
            members: opentelemetry::Members::new(),
            defaults: opentelemetry::Defaults::default(),
            seen: None,
        }
    }

    /// The index of the logger called `name`; asks the pipeline's table once per thread and logger.
    #[inline]
    pub(crate) fn scope(&mut self, pipeline: &Pipeline, name: &str) -> u32 {
        let slot = (name.as_ptr() as usize >> 4) % SCOPES_CACHED;
        if let Some(cached) = &self.scopes[slot]
            && cached.name == name
            && cached.instance == pipeline.instance()
        {
            return cached.index;
        }
        let index = pipeline.tables().scope_index(name);
        self.scopes[slot] = Some(CachedScope { instance: pipeline.instance(), name: name.to_owned(), index });
        index
    }
}

/// Lends the thread's workbench to `work`. A nested call gets one of its own, so that nothing half-built is ever
/// seen; `None` if captures are nested too deep.
pub(crate) fn with_workbench<T>(work: impl FnOnce(&mut Workbench) -> T) -> Option<T> {
    // Thread-locals may be gone while a thread ends: then there is nothing to lend from or to give back to.
    let depth = DEPTH.try_with(|depth| depth.replace(depth.get() + 1)).unwrap_or(0);
    let _guard = DepthGuard;
    if depth >= DEPTH_MAX {
        return None;
    }
    let lent = WORKBENCH.try_with(|slot| slot.try_borrow_mut().ok().and_then(|mut slot| slot.take()));
    let mut bench = lent.ok().flatten().unwrap_or_else(|| Box::new(Workbench::new()));
    let answer = work(&mut bench);
    let returned = WORKBENCH.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            *slot = Some(bench);
        }
    });
    // Not returned means that the thread is ending; the bench goes with it.
    let _ending = returned.is_err();
    Some(answer)
}

/// Counts a level of nesting back, also when a panic passes.
struct DepthGuard;

impl Drop for DepthGuard {
    fn drop(&mut self) {
        // A thread-local that is gone needs no counting back.
        let _ending = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1))).is_err();
    }
}
