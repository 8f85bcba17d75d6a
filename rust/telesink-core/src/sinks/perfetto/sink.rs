//! The sink of one lane: a file, and the tracks in it.

use super::packet::{Kind, Packets};
use super::place::Place;
use super::rows::Rows;
use super::{Mode, Options};
use crate::error::WriteError;
use crate::record::value::Value;
use crate::record::view::{LogView, SpanView};
use crate::record::{Record, Signal};
use crate::sinks::file::{failure, folder_name};
use crate::sinks::{Batch, Outcome, Route, Sink};
use std::collections::HashSet;

/// The least severity of log records that `user` keeps: INFO.
const SEVERITY_MIN: u8 = 9;

/// Packets are appended in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;

/// Threads whose tracks are remembered; a program with more begins some of them twice, which readers do not mind.
const THREADS_MAX: usize = 4_096;

/// The track of log records that belong to no thread.
const LOGS: u64 = 2;

/// The track of the process.
const PROCESS: u64 = 1;

/// Writes packets; see the module.
pub(super) struct PerfettoSink {
    options: Options,
    place: Option<Place>,
    packets: Packets,
    rows: Rows,
    threads: HashSet<u64>,
    /// Whether the file says whose it is, and knows the tracks and texts that are remembered here.
    is_described: bool,
    /// The number of the next file.
    next: u64,
}

impl PerfettoSink {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            place: None,
            packets: Packets::default(),
            rows: Rows::default(),
            threads: HashSet::new(),
            is_described: false,
            next: 0,
        }
    }

    /// Opens a file if there is none, and says in it whose it is.
    fn open(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        let resource = batch.tables.resource();
        let pid = std::process::id();
        if !self.place.as_ref().is_some_and(Place::is_sound) {
            let attribute = |name: &str| {
                let mut attributes = crate::record::view::resource_attributes(&resource.encoded);
                let found = attributes.find(|(key, _)| *key == name);
                found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
            };
            let execution = folder_name(&attribute("telesink.execution.id"));
            let name = format!("{}-{pid}", folder_name(&resource.service_name));
            let made = Place::make(&self.options.root, &execution, &name, &mut self.next);
            self.place = Some(made.map_err(|error| failure::judge(&self.options.target, &name, &error))?);
            self.is_described = false;
        }
        if !self.is_described {
            self.packets.begin_anew();
            (self.rows, self.threads) = (Rows::default(), HashSet::new());
            self.packets.process(PROCESS, pid, &resource.service_name, batch.now_unix_nano);
            self.packets.track(LOGS, PROCESS, "logs");
            self.is_described = true;
        }
        Ok(())
    }

    fn write_span(&mut self, span: &SpanView<'_>, scope: &str) {
        let (start, end) = (span.header.time_unix_nano, span.end_unix_nano.max(span.header.time_unix_nano));
        let track = self.rows.track(span.header.trace_id, start, end);
        if track.is_new {
            // All of one name: the UI shows them together, and keeps apart what runs at the same time.
            self.packets.track(track.uuid, PROCESS, "spans");
        }
        let status = match span.status_code {
            2 => Some(("status", Value::Str("error"))),
            1 => Some(("status", Value::Str("ok"))),
            _ => None,
        };
        let message = Some(("status.message", Value::Str(span.status_message)));
        let message = message.filter(|_| !span.status_message.is_empty());
        let annotations = span.attributes().chain(status).chain(message);
        self.packets.event(Kind::Begin, start, track.uuid, (scope, span.name), annotations);
        for event in span.events() {
            let at = event.time_unix_nano.clamp(start, end);
            self.packets.event(Kind::Instant, at, track.uuid, (scope, event.name), event.attributes());
        }
        self.packets.end(end, track.uuid);
    }

    fn write_log(&mut self, log: &LogView<'_>, scope: &str) {
        let thread = match log.attribute("thread.id") {
            Some(Value::Int(number)) if number > 0 => number as u64,
            _ => LOGS,
        };
        // Above the tracks that are numbered by hand.
        let track = if thread == LOGS { LOGS } else { thread.wrapping_shl(8) | 3 };
        if track != LOGS && self.threads.insert(track) {
            if self.threads.len() > THREADS_MAX {
                self.threads.clear();
            }
            let name = log.attribute("thread.name").and_then(|name| name.as_str()).unwrap_or_default();
            self.packets.thread(track, std::process::id(), thread, name);
        }
        let message = log.message();
        let name = if message.is_empty() { log.event_name } else { &message };
        let level = [("level", Value::Str(log.level()))];
        let annotations = log.attributes().chain(level);
        self.packets.event(Kind::Instant, log.header.time_unix_nano, track, (scope, name), annotations);
    }

    fn is_full(&self) -> bool {
        let bytes = self.place.as_ref().map_or(0, |place| place.bytes) + self.packets.bytes.len() as u64;
        bytes >= self.options.size_max
    }

    /// Begins the next file if this one is full; the one behind the last entry with the next batch.
    fn go_on(&mut self, batch: &Batch<'_>, is_last: bool) -> Result<(), WriteError> {
        if self.is_full() {
            self.place = None;
            if !is_last {
                return self.open(batch);
            }
        }
        Ok(())
    }

    /// Appends what is ready.
    fn put(&mut self) -> Result<(), WriteError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        let result = place.append(&self.packets.bytes);
        self.packets.bytes.clear();
        if let Err(error) = result {
            // What was cut off had tracks and numbers of texts.
            self.is_described = false;
            return Err(failure::judge(&self.options.target, "trace file", &error));
        }
        Ok(())
    }
}

impl Sink for PerfettoSink {
    fn route(&self, record: &Record) -> Option<Route> {
        match record.signal() {
            Signal::Span => Some(Route::All),
            Signal::Log => {
                let is_kept = self.options.mode == Mode::Dev || record.header().severity >= SEVERITY_MIN;
                is_kept.then_some(Route::All)
            }
            Signal::Metric => None,
        }
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let outcome = Outcome::default();
        if batch.entries.is_empty() {
            return Ok(outcome);
        }
        self.open(batch)?;
        let scopes = batch.tables.scopes();
        let mut stored = 0;
        for (index, entry) in batch.entries.iter().enumerate() {
            let header = entry.record.header();
            let scope = scopes.get(header.scope as usize).map_or("", |scope| &scope.name);
            match header.signal {
                Signal::Span => self.write_span(&entry.span(), scope),
                Signal::Log | Signal::Metric => self.write_log(&entry.log(), scope),
            }
            let is_last = index + 1 == batch.entries.len();
            if is_last || self.is_full() || self.packets.bytes.len() >= PIECE_BYTES {
                if let Err(error) = self.put() {
                    return some_stored(outcome, stored, batch.entries.len(), error);
                }
                stored = index + 1;
                if let Err(error) = self.go_on(batch, is_last) {
                    return some_stored(outcome, stored, batch.entries.len(), error);
                }
            }
        }
        Ok(outcome)
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.place = None;
        Ok(())
    }
}

/// What became of a batch of which only the first entries are in a file: the others are offered again.
fn some_stored(
    mut outcome: Outcome,
    stored: usize,
    count: usize,
    error: WriteError,
) -> Result<Outcome, WriteError> {
    if stored == 0 {
        return Err(error);
    }
    outcome.retry = (stored..count).collect();
    outcome.notice = Some(error.full_text());
    Ok(outcome)
}
