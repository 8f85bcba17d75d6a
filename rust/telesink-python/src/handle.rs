//! The pipeline as Python sees it: a frozen object around the core's, safe across forks.

use crate::capture::{
    self, CaptureSettings, Captured, Sample, Seen, Workbench, capture_event, capture_log_record,
    capture_mapping,
};
use crate::edge::{edge, reach};
use crate::flush_ticket::{FlushTicket, seconds};
use crate::patience::{Own, wait_until};
use crate::sources::{Process, SinkSource};
use crate::{errors, process, redaction, report};
use arc_swap::{ArcSwap, Guard};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use telesink_core::clock;
use telesink_core::fork;
use telesink_core::record::tables::Resource;
use telesink_core::redact::Redaction;
use telesink_core::stats::RejectCause;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// A native pipeline. See `telesink.Pipeline` for the typed front.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Pipeline {
    process: ArcSwap<Process>,
    /// Tells pipelines apart; never used again.
    number: u64,
    /// Changes with `process`.
    version: AtomicU64,
    resource: ArcSwap<Vec<(String, String)>>,
    redaction: ArcSwap<Redaction>,
}

#[pymethods]
impl Pipeline {
    /// A pipeline without sinks, for a resource given as pairs of text.
    #[new]
    fn new(resource: Vec<(String, String)>, redaction: &redaction::RedactionSet) -> PyResult<Self> {
        edge("Pipeline", || {
            let set = redaction.shared();
            Ok(Self {
                process: ArcSwap::from_pointee(Process::new(
                    &resource,
                    &set,
                    CaptureSettings {
                        record_bytes_max: 1 << 20,
                        urgent_level: 40,
                        process_id: i64::from(std::process::id()),
                        generation: process::generation(),
                    },
                )),
                number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
                version: AtomicU64::new(1),
                resource: ArcSwap::from_pointee(resource),
                redaction: ArcSwap::new(set),
            })
        })
    }

    /// Adds sinks, all or none, and answers their names. Nothing connects and no thread starts.
    fn add_sinks(&self, py: Python<'_>, sinks: Vec<SinkSource>) -> PyResult<Vec<String>> {
        edge("Pipeline.add_sinks", || {
            let process = self.process();
            let added = process.add(&sinks);
            let (names, capture) = added.map_err(|error| errors::config_error(py, &error))?;
            let named: Vec<_> = names.iter().zip(sinks).map(|(name, sink)| sink.named(name)).collect();
            self.publish(|process| {
                process.capture = capture;
                process.sources.extend(named.iter().cloned());
            });
            Ok(names)
        })
    }

    /// Removes a sink after giving it `timeout_seconds` to settle. Answers its last counters, or None.
    fn remove_sink<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        timeout_seconds: f64,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        edge("Pipeline.remove_sink", || {
            let process = self.process();
            let deadline = clock::monotonic() + seconds(timeout_seconds);
            let removal = process.core.begin_removal(name, deadline);
            self.publish(|process| process.sources.retain(|source| source.name.as_deref() != Some(name)));
            let Some(removal) = removal else { return Ok(None) };
            let mut removal = Own::new(removal, process.capture.generation);
            wait_until(py, deadline, |limit| removal.get().is_none_or(|removal| removal.wait(limit)))?;
            let stats = removal.take().map(|removal| py.detach(|| removal.finish(&process.core)));
            stats.map(|stats| report::lane(py, &stats)).transpose()
        })
    }

    /// Changes a sink's level while it runs. Answers whether there is such a sink.
    fn set_level(&self, name: &str, level: i32) -> PyResult<bool> {
        edge("Pipeline.set_level", || {
            let process = self.process();
            let is_known = process.core.set_level(name, level);
            self.publish(|process| {
                let known = process.sources.iter_mut().filter(|source| source.name.as_deref() == Some(name));
                known.for_each(|source| source.level = Some(level));
            });
            Ok(is_known)
        })
    }

    /// Replaces the resource. Answers false once there has been a sink: sinks store it once.
    fn set_resource(&self, resource: Vec<(String, String)>) -> PyResult<bool> {
        edge("Pipeline.set_resource", || {
            let is_set = self.process().core.set_resource(Resource::new(&resource));
            if is_set {
                self.resource.store(Arc::new(resource));
            }
            Ok(is_set)
        })
    }

    /// Replaces what is hidden in records, as one set.
    fn set_redaction(&self, redaction: &redaction::RedactionSet) -> PyResult<()> {
        edge("Pipeline.set_redaction", || {
            self.redaction.store(redaction.shared());
            self.process().core.set_redaction(redaction.shared());
            Ok(())
        })
    }

    /// Least level that any sink wants.
    #[getter]
    fn level(&self) -> PyResult<i32> {
        edge("Pipeline.level", || Ok(self.process().core.level()))
    }

    /// The names of the sinks.
    #[getter]
    fn sinks(&self) -> PyResult<Vec<String>> {
        edge("Pipeline.sinks", || {
            Ok(self.process().core.lanes().iter().map(|lane| lane.name().to_owned()).collect())
        })
    }

    /// Takes a `logging.LogRecord`. Never raises, but for what its values raise to end the program. Answers true, as
    /// `logging.Handler.handle` does for a record that passed its filters.
    fn handle(&self, record: &Bound<'_, PyAny>) -> PyResult<bool> {
        let done = self.guarded(record.py(), |bench, seen, py| {
            reach("Pipeline.handle");
            let process = &seen.process;
            let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
            capture_log_record(bench, &process.core, &seen.view, process.capture, record, offer).map(drop)
        });
        if let Err(error) = done {
            // What could not be read was to be replaced, and even that failed, as for want of memory.
            capture::text::pass_base_exceptions(record.py(), error)?;
            self.process().core.reject(RejectCause::EncodeError);
        }
        Ok(true)
    }

    /// Takes a mapping. Answers whether it was accepted. Raises `TypeError` and `ValueError`.
    pub(crate) fn enqueue(&self, record: &Bound<'_, PyAny>) -> PyResult<bool> {
        let taken = self.guarded(record.py(), |bench, seen, py| {
            reach("Pipeline.enqueue");
            let process = &seen.process;
            let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
            capture_mapping(bench, &process.core, &seen.view, process.capture, record, offer)
        });
        let accepted = taken.map_err(|error| capture::as_refusal(record.py(), error))?;
        // Without an answer the capture itself was refused; a record that no sink wants was not: nobody asked for it.
        Ok(accepted.is_some_and(|taken| taken.unwrap_or(true)))
    }

    /// Takes an event in the form of Langfuse's ingestion API, if its trace is in the sample; never raises, as `handle`.
    fn enqueue_event(&self, event: &Bound<'_, PyAny>, sample_rate: f64) -> PyResult<bool> {
        let taken = self.guarded(event.py(), |bench, seen, py| {
            reach("Pipeline.enqueue_event");
            let process = &seen.process;
            let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
            let sample = Sample { rate: sample_rate, left_out: &process.left_out };
            capture_event(bench, &process.core, &seen.view, process.capture, event, sample, offer)
        });
        let refused = match taken {
            Ok(None) => return Ok(false),
            Ok(Some(Ok(taken))) => return Ok(taken.unwrap_or(true)),
            Ok(Some(Err(cause))) => cause,
            Err(error) => {
                capture::text::pass_base_exceptions(event.py(), error).map(|_| RejectCause::InvalidEvent)?
            }
        };
        self.process().core.reject(refused);
        Ok(false)
    }

    /// Starts a flush.
    fn begin_flush(&self) -> PyResult<FlushTicket> {
        edge("Pipeline.begin_flush", || {
            let process = self.process();
            Ok(FlushTicket::new(process.core.begin_flush(), process.capture.generation))
        })
    }

    /// Asks for an end within `timeout_seconds` without waiting for it; see `close`.
    fn begin_close(&self, timeout_seconds: f64, stop: bool) -> PyResult<()> {
        edge("Pipeline.begin_close", || {
            let process = self.process();
            let deadline = clock::monotonic() + seconds(timeout_seconds);
            for lane in process.core.lanes().iter() {
                lane.begin_close(deadline, stop);
            }
            Ok(())
        })
    }

    /// Settles everything within `timeout_seconds`; with `stop` the pipeline takes nothing more. Answers a receipt.
    /// Interrupted by a signal it raises what the handler raised; the lanes go on, and a later call waits for them.
    fn close<'py>(&self, py: Python<'py>, timeout_seconds: f64, stop: bool) -> PyResult<Bound<'py, PyDict>> {
        edge("Pipeline.close", || {
            let process = self.process();
            let deadline = clock::monotonic() + seconds(timeout_seconds);
            if !stop {
                // The end of the program has a limit of its own, and tells what it could not deliver.
                fork::let_go();
                return report::receipt(py, &py.detach(|| process.core.close(deadline, stop)));
            }
            let mut closing = Own::new(process.core.begin_close(deadline, stop), process.capture.generation);
            wait_until(py, deadline, |limit| closing.get().is_none_or(|closing| closing.wait(limit)))?;
            let receipt = closing.take().map(|closing| py.detach(|| closing.finish()));
            report::receipt(py, &receipt.unwrap_or_default())
        })
    }

    /// Whether `close` was called with `stop`.
    #[getter]
    fn is_closed(&self) -> PyResult<bool> {
        edge("Pipeline.is_closed", || Ok(self.process().core.is_closed()))
    }

    /// The counters now.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("Pipeline.stats", || {
            let process = self.process();
            report::pipeline(py, &process.core.stats())
        })
    }

    /// The records kept by a `memory://` sink, oldest first; None if there is no such sink.
    fn records<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyList>>> {
        edge("Pipeline.records", || {
            let process = self.process();
            let lanes = process.core.lanes();
            let store = lanes
                .iter()
                .find(|lane| lane.name() == name)
                .and_then(|lane| lane.spec().plan.memory.clone());
            store.map(|store| report::records(py, &store.entries(), process.core.tables())).transpose()
        })
    }

    /// The id of this pipeline in this process, as text.
    #[getter]
    fn instance(&self) -> PyResult<String> {
        edge("Pipeline.instance", || Ok(report::uuid(&self.process().core.instance())))
    }
}

impl Pipeline {
    /// The pipeline of this process; built anew after a fork.
    #[inline]
    pub(crate) fn process(&self) -> Guard<Arc<Process>> {
        let process = self.process.load();
        if process.capture.generation == process::generation() {
            return process;
        }
        self.rebuild(&process);
        self.process.load()
    }

    /// After a fork: the parent's pipeline is left where it is, destructors and all, because its locks may be held
    /// by threads that this process does not have. The child's own starts empty and without threads.
    #[cold]
    fn rebuild(&self, inherited: &Arc<Process>) {
        std::mem::forget(Arc::clone(inherited));
        let capture = CaptureSettings {
            process_id: i64::from(std::process::id()),
            generation: process::generation(),
            ..inherited.capture
        };
        let mut resource = Vec::clone(&self.resource.load());
        for (key, value) in &mut resource {
            if key == "process.pid" {
                *value = std::process::id().to_string();
            }
        }
        let mut process = Process::new(&resource, &self.redaction.load_full(), capture);
        for source in &inherited.sources {
            match process.add(std::slice::from_ref(source)) {
                Ok(_) => process.sources.push(source.clone()),
                // It was accepted in the parent; should the child see it differently, the child's log must go on.
                Err(error) => {
                    let name = source.name.as_deref().unwrap_or_default();
                    process.diagnostics.say("fork", || format!("could not reopen sink {name}: {error}"));
                }
            }
        }
        if inherited.core.is_closed() {
            process.core.retire();
        }
        // Should another thread of the child have been faster, its pipeline stays and this one, unused, is let go.
        drop(self.process.compare_and_swap(inherited, Arc::new(process)));
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Changes what the child of a fork would be built from.
    fn publish(&self, change: impl Fn(&mut Process)) {
        self.process.rcu(|current| {
            let mut next = Process::clone(current);
            change(&mut next);
            next
        });
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Runs a capture on the thread's workbench; a panic is caught and counted, because it would otherwise pass
    /// every `except Exception`.
    #[inline]
    pub(crate) fn guarded<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Workbench, &Seen, Python<'_>) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            capture::with_workbench(|bench| {
                let seen = self.seen(bench);
                let done = work(bench, &seen, py);
                bench.seen = Some(seen);
                done
            })
        }));
        match caught {
            Ok(Some(result)) => result.map(Some),
            Ok(None) => {
                self.process().core.reject(RejectCause::Reentrant);
                Ok(None)
            }
            Err(_panic) => {
                let process = self.process();
                process.core.reject(RejectCause::Panic);
                process
                    .diagnostics
                    .say("panic", || "a panic on the caller's path was caught; please report it".to_owned());
                Ok(None)
            }
        }
    }

    /// The pipeline and its view: those that the thread has seen last, if they are still the same.
    #[inline]
    fn seen(&self, bench: &mut Workbench) -> Seen {
        if let Some(seen) = bench.seen.take() {
            if seen.process.capture.generation != process::generation() {
                // It may be the last one to hold a lane that was removed, and locks of a parent's are left alone.
                std::mem::forget(seen);
            } else if seen.handle == self.number
                && seen.handle_version == self.version.load(Ordering::Acquire)
                && seen.core_version == seen.process.core.version()
            {
                return seen;
            }
        }
        self.look()
    }

    #[cold]
    fn look(&self) -> Seen {
        // Versions first: should anything change in between, the next record looks again.
        let handle_version = self.version.load(Ordering::Acquire);
        let process = Arc::clone(&self.process());
        let core_version = process.core.version();
        let view = process.core.view();
        Seen { handle: self.number, handle_version, core_version, process, view }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let process = self.process.load();
        if process.capture.generation == process::generation() {
            // Nobody can offer any more: the threads finish what they have and end by themselves.
            process.core.retire();
        } else {
            std::mem::forget(Arc::clone(&process));
        }
    }
}
