//! `memory://`: a ring of the most recent records, for tests and for looking at the last minutes of a process.

use super::{Batch, Entry, Outcome, Route, Sink, SinkFactory, SinkPlan};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::record::Record;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Records kept unless `records_max` says otherwise.
const RECORDS_DEFAULT: u64 = 1_000;

/// The records behind a `memory://` sink. Reading takes nothing away.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    records_max: usize,
    ring: Arc<Mutex<VecDeque<Entry>>>,
}

impl MemoryStore {
    /// An empty ring of `records_max` records.
    pub fn new(records_max: usize) -> Self {
        Self { records_max, ring: Arc::default() }
    }

    /// The records kept now, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, entries: &[Entry]) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            if ring.len() == self.records_max {
                ring.pop_front();
            }
            ring.push_back(entry.clone());
        }
    }
}

struct MemorySink {
    store: MemoryStore,
}

impl Sink for MemorySink {
    fn route(&self, _record: &Record) -> Option<Route> {
        Some(Route::All)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        self.store.push(batch.entries);
        Ok(Outcome::default())
    }
}

/// Plans the sink. Option: `records_max` (1 to 1 000 000).
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let records_max = dsn.take_integer("records_max", 1..=1_000_000)?.unwrap_or(RECORDS_DEFAULT);
    let store = MemoryStore::new(records_max as usize);
    let for_factory = store.clone();
    let factory: SinkFactory = Arc::new(move |_| Box::new(MemorySink { store: for_factory.clone() }));
    let plan = SinkPlan::new("memory", dsn.masked(), factory);
    Ok(SinkPlan { linger_default: Duration::from_millis(5), memory: Some(store), ..plan })
}
