//! `otlp://` and `otlps://`: an OTLP receiver over HTTP. The bytes of the records go on the wire as they are; only the
//! groups around them (resource, scope) are written here.

mod environment;
mod json;
mod options;
mod reply;
pub(in crate::sinks) mod request;
mod signal;
#[cfg(test)]
mod tests;

use super::{Batch, Limits, Outcome, Refusal, Route, Sink, SinkFactory, SinkPlan};
use crate::dsn::Dsn;
use crate::dsn::variables::Variables;
use crate::error::{ConfigError, WriteError};
use crate::http::{Action, Client, Reply, Request, StatusTable, gzip};
use crate::record::{Record, Signal};
use options::Options;
use signal::SignalOptions;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What a receiver's status means. OTLP names exactly four that may be tried again; where it says that nothing may be,
/// the records take the way of those that are refused, where none vanishes unseen.
pub const STATUSES: StatusTable = StatusTable {
    rows: &[
        (200..=299, Action::Accept),
        (300..=399, Action::Hold),
        (401..=401, Action::Hold),
        (403..=405, Action::Hold),
        (407..=407, Action::Hold),
        (410..=410, Action::Hold),
        (415..=415, Action::Hold),
        (429..=429, Action::Retry),
        (502..=504, Action::Retry),
    ],
    other: Action::Reject,
};

/// Different texts of a receiver that are told; one that makes a new one for each request is told no more.
const TEXTS_MAX: usize = 32;

/// Plans the sink. See the module `options` for its options.
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    plan_in(dsn, &Variables::of_process())
}

fn plan_in(dsn: &mut Dsn, variables: &Variables) -> Result<SinkPlan, ConfigError> {
    let options = Arc::new(Options::take_from(dsn, variables)?);
    let target = options.shown(dsn);
    let batch_bytes_max = Some(options.request_bytes_max as u64);
    let stores_logs = options.takes(Signal::Log);
    let factory: SinkFactory = Arc::new(move |limits| Box::new(OtlpSink::new(Arc::clone(&options), limits)));
    let plan = SinkPlan::new("otlp", target, factory);
    Ok(SinkPlan { linger_default: Duration::from_millis(200), batch_bytes_max, stores_logs, ..plan })
}

/// The sink of one lane.
struct OtlpSink {
    options: Arc<Options>,
    limits: Limits,
    logs: Way,
    traces: Way,
    metrics: Way,
    /// Texts of receivers that were told.
    told: HashSet<String>,
}

/// The way to one receiver, and what is known of it.
#[derive(Default)]
struct Way {
    client: Option<Client>,
    /// The bytes of the last request, kept for their room.
    body: Vec<u8>,
    compressed: Vec<u8>,
    compression: Compression,
}

/// Whether a receiver understands gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Compression {
    #[default]
    Untried,
    Works,
    Refused,
}

impl OtlpSink {
    fn new(options: Arc<Options>, limits: Limits) -> Self {
        let [logs, traces, metrics] = [Way::default(), Way::default(), Way::default()];
        Self { options, limits, logs, traces, metrics, told: HashSet::new() }
    }

    fn write_signal(&mut self, signal: Signal, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let options = self.options.signal(signal);
        let way = match signal {
            Signal::Log => &mut self.logs,
            Signal::Span => &mut self.traces,
            Signal::Metric => &mut self.metrics,
        };
        let built =
            request::build(signal, options.encoding, batch, self.options.request_bytes_max, &mut way.body);
        if built.count == 0 {
            let unsent = batch.entries.len().saturating_sub(1);
            return Ok(Outcome { refused: vec![too_large()], unsent, ..Outcome::default() });
        }
        let reply = way.send(options, self.limits)?;
        let text = reply::error_text(&reply);
        STATUSES.judge(&reply, &text)?;
        let mut outcome = reply::outcome(signal, &reply, built.count);
        outcome.unsent = batch.entries.len() - built.count;
        outcome.notice =
            outcome.notice.filter(|text| self.told.len() < TEXTS_MAX && self.told.insert(text.clone()));
        Ok(outcome)
    }
}

/// A record that no receiver takes: the specification sets the limit for the sender.
fn too_large() -> Refusal {
    let text = format!(
        "the record is larger than {} bytes, which OTLP sets as the limit of a request",
        request::BYTES_LIMIT
    );
    Refusal { index: 0, code: "too_large".to_owned(), text }
}

impl Way {
    /// Sends the body, compressed if that is wanted and understood.
    fn send(&mut self, options: &SignalOptions, limits: Limits) -> Result<Reply, WriteError> {
        let is_gzip = options.is_gzip && self.compression != Compression::Refused;
        if !is_gzip {
            return self.post(options, limits, false);
        }
        gzip(&self.body, &mut self.compressed);
        let reply = self.post(options, limits, true)?;
        let is_refused = match reply.status {
            415 => true,
            // What could not be read may be what was compressed.
            400 => self.compression == Compression::Untried,
            _ => false,
        };
        if !is_refused {
            if STATUSES.action(reply.status) == Action::Accept {
                self.compression = Compression::Works;
            }
            return Ok(reply);
        }
        let plain = self.post(options, limits, false)?;
        if STATUSES.action(plain.status) == Action::Accept {
            self.compression = Compression::Refused;
        }
        Ok(plain)
    }

    fn post(&mut self, options: &SignalOptions, limits: Limits, is_gzip: bool) -> Result<Reply, WriteError> {
        let client = self.client.get_or_insert_with(|| {
            let total = options.total(limits.write);
            Client::new(options.transport.clone(), limits.connect.min(total), total)
        });
        client.send(&Request {
            endpoint: &options.endpoint,
            content_type: options.encoding.content_type(),
            headers: &options.headers,
            body: Some(if is_gzip { &self.compressed } else { &self.body }),
            is_gzip,
        })
    }
}

impl Sink for OtlpSink {
    fn route(&self, record: &Record) -> Option<Route> {
        let signal = record.header().signal;
        self.options.takes(signal).then_some(match signal {
            Signal::Log => Route::Logs,
            Signal::Span => Route::Traces,
            Signal::Metric => Route::Metrics,
        })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        if batch.entries.is_empty() {
            // A request without a record is not sent.
            return Ok(Outcome::default());
        }
        let signal = match batch.route {
            Route::Traces => Signal::Span,
            Route::Metrics => Signal::Metric,
            Route::Logs | Route::All | Route::Scores => Signal::Log,
        };
        self.write_signal(signal, batch)
    }

    fn close(&mut self) -> Result<(), WriteError> {
        for way in [&mut self.logs, &mut self.traces, &mut self.metrics] {
            way.client = None;
        }
        Ok(())
    }
}
