//! The sink of one lane: sorts a batch by service and signal, and appends each part to its file.

use super::active::Lines;
use super::files::Files;
use super::route::service_of_resource;
use super::services::SERVICES_MAX;
use super::switches::index_of;
use super::{Options, SIGNALS, line};
use crate::error::{WriteError, WriteErrorKind};
use crate::record::{Record, Signal};
use crate::sinks::otlp::request::{self, Encoding};
use crate::sinks::{Batch, Entry, Outcome, Refusal, Route, Sink};
use line::Layout;
use std::collections::HashMap;
use std::io;

/// Text is appended in pieces of this size: it is still in the cache when the system copies it.
const PIECE_BYTES: usize = 256 * 1024;

/// Longest line of OTLP's JSON, unless one record alone is longer: kind to readers.
const OTLP_LINE_BYTES_MAX: usize = 1 << 20;

/// Buffers above this are given back, so that one huge record does not pin its size for ever.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Appends lines; see the module.
pub(super) struct FileSink {
    files: Files,
    lines: Lines,
    /// Records that went to the default service because there are too many others.
    rerouted: u64,
}

/// Entries of one batch that go to one file.
struct Part {
    service: usize,
    signal: Signal,
    indexes: Vec<usize>,
}

impl FileSink {
    pub(super) fn new(options: Options) -> Self {
        Self { files: Files::new(options, &SIGNALS), lines: Lines::default(), rerouted: 0 }
    }

    /// Sorts a batch. Records of one service mostly come together, and mostly there is but one.
    fn split(&mut self, batch: &Batch<'_>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut places: HashMap<(usize, usize), usize> = HashMap::new();
        let mut of_resources: HashMap<u32, usize> = HashMap::new();
        for (index, entry) in batch.entries.iter().enumerate() {
            let signal = entry.record.signal();
            let service = self.service_of(batch, entry, &mut of_resources);
            let place = *places.entry((service, index_of(signal))).or_insert_with(|| {
                parts.push(Part { service, signal, indexes: Vec::new() });
                parts.len() - 1
            });
            parts[place].indexes.push(index);
        }
        parts
    }

    fn service_of(
        &mut self,
        batch: &Batch<'_>,
        entry: &Entry,
        of_resources: &mut HashMap<u32, usize>,
    ) -> usize {
        let named = self.files.options.keys.service_of(entry);
        let is_known =
            |name: &str| self.files.options.services.as_ref().is_none_or(|known| known.contains(name));
        if let Some(name) = named.filter(|name| is_known(name)) {
            if let Some(number) = self.files.services.number(&name) {
                return number;
            }
            self.rerouted += 1;
            return self.default_service(batch);
        }
        if self.files.options.service.is_some() {
            return self.default_service(batch);
        }
        let header = entry.record.header();
        if let Some(number) = of_resources.get(&header.resource) {
            return *number;
        }
        let Some(number) = self.files.services.number(&service_of_resource(batch, &header)) else {
            self.rerouted += 1;
            return self.default_service(batch);
        };
        of_resources.insert(header.resource, number);
        number
    }

    fn default_service(&mut self, batch: &Batch<'_>) -> usize {
        match &self.files.options.service {
            Some(service) => self.files.services.number_of_default(service),
            None => self.files.services.number_of_default(&batch.tables.resource().service_name),
        }
    }

    /// Appends the entries of one part. Answers how many from its front are stored, and why not all are.
    fn append(
        &mut self,
        batch: &Batch<'_>,
        part: &Part,
        outcome: &mut Outcome,
    ) -> (usize, Option<io::Error>) {
        let as_otlp = part.signal != Signal::Log || matches!(self.files.options.layout, Layout::Otlp);
        let result =
            if as_otlp { self.append_otlp(batch, part, outcome) } else { self.append_lines(batch, part) };
        self.lines.clear();
        self.lines.text.shrink_to(BUFFER_BYTES_KEPT);
        result
    }

    /// Appends a part. What somebody has to mend in the place of one service must not keep the others waiting: its records
    /// go to the default service until then, and that is told.
    fn append_or_reroute(
        &mut self,
        batch: &Batch<'_>,
        part: &Part,
        outcome: &mut Outcome,
    ) -> (usize, Option<WriteError>) {
        let (count, error) = self.append(batch, part, outcome);
        let Some(error) = error else { return (count, None) };
        let error = self.files.judge(part.service, index_of(part.signal), &error);
        let service = self.default_service(batch);
        if error.kind != WriteErrorKind::Hold || service == part.service {
            return (count, Some(error));
        }
        let rest = Part { service, signal: part.signal, indexes: part.indexes[count..].to_vec() };
        let (more, failed) = self.append(batch, &rest, outcome);
        outcome.notice = Some(format!(
            "{}; its records go to the files of {}",
            error.full_text(),
            self.files.services.name(service)
        ));
        let failed = failed.map(|failed| self.files.judge(service, index_of(part.signal), &failed));
        (count + more, failed)
    }

    fn append_lines(&mut self, batch: &Batch<'_>, part: &Part) -> (usize, Option<io::Error>) {
        let scopes = batch.tables.scopes();
        let mut stored = 0;
        for (place, index) in part.indexes.iter().enumerate() {
            let entry = &batch.entries[*index];
            let logger = scopes.get(entry.record.header().scope as usize).map_or("", |scope| &scope.name);
            line::write(&mut self.lines.text, &self.files.options.layout, &entry.log(), logger);
            self.lines.end();
            let is_last = place + 1 == part.indexes.len();
            if is_last || self.lines.text.len() >= PIECE_BYTES {
                let (count, error) = self.put(part, batch.now_unix_nano);
                stored += count;
                if error.is_some() {
                    return (stored, error);
                }
            }
        }
        (stored, None)
    }

    /// A line of OTLP holds as many records as are allowed in one.
    fn append_otlp(
        &mut self,
        batch: &Batch<'_>,
        part: &Part,
        outcome: &mut Outcome,
    ) -> (usize, Option<io::Error>) {
        let entries: Vec<Entry> = part.indexes.iter().map(|index| batch.entries[*index].clone()).collect();
        let mut stored = 0;
        while stored < entries.len() {
            let rest = Batch { entries: &entries[stored..], ..*batch };
            let mut line = std::mem::take(&mut self.lines.text);
            let built = request::build(part.signal, Encoding::Json, &rest, OTLP_LINE_BYTES_MAX, &mut line);
            self.lines.text = line;
            if built.count == 0 {
                outcome.refused.push(Refusal {
                    index: part.indexes[stored],
                    code: "too_large".to_owned(),
                    text: "its line would be larger than OTLP allows a message to be".to_owned(),
                });
                self.lines.clear();
                stored += 1;
                continue;
            }
            self.lines.end();
            let (lines, error) = self.put(part, batch.now_unix_nano);
            if lines > 0 {
                stored += built.count;
            }
            if error.is_some() {
                return (stored, error);
            }
        }
        (stored, None)
    }

    /// Appends the lines that are ready, and empties them. Answers how many are stored.
    fn put(&mut self, part: &Part, now_unix_nano: u64) -> (usize, Option<io::Error>) {
        let result = self.files.append(part.service, index_of(part.signal), &self.lines, now_unix_nano);
        self.lines.clear();
        result
    }
}

impl Sink for FileSink {
    fn route(&self, _record: &Record) -> Option<Route> {
        Some(Route::All)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let mut outcome = Outcome { notice: self.files.prepare(), ..Outcome::default() };
        let rerouted_before = self.rerouted;
        let mut first_error = None;
        let mut stored = 0;
        for part in self.split(batch) {
            if !self.files.switches.is_on(self.files.services.name(part.service), part.signal) {
                outcome.switched_off.extend(part.indexes);
                continue;
            }
            let (count, error) = self.append_or_reroute(batch, &part, &mut outcome);
            stored += count;
            outcome.retry.extend_from_slice(&part.indexes[count..]);
            first_error = first_error.or(error);
        }
        outcome.retry.sort_unstable();
        if self.rerouted > rerouted_before {
            outcome.notice = Some(format!(
                "{} records of more services than {SERVICES_MAX} are in the files of the default service",
                self.rerouted
            ));
        }
        match first_error {
            None => Ok(outcome),
            Some(error) if stored == 0 && outcome.retry.len() == batch.entries.len() => Err(error),
            Some(error) => {
                // Some are stored: only the others are offered again.
                outcome.notice = Some(error.full_text());
                Ok(outcome)
            }
        }
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.files.close()
    }
}
