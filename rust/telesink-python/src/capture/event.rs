//! An event in the form of Langfuse's ingestion API becomes a record.
//!
//! What a server would refuse as a whole is refused here: the caller hears of it, and no other event suffers. Everything
//! else is kept as it is; `telesink.Ingest.validate` says more.

use super::Workbench;
use super::mapping::{Snapshot, as_dict};
use super::record::{CaptureSettings, Captured, level_flags};
use super::sampling::Sample;
use super::text;
use super::values::{NODES_MAX, ValueReader};
use crate::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::borrow::Cow;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::{ATTRIBUTE_TAG, RecordBuilder};
use telesink_core::record::event::{
    ENVELOPE_ID, ENVELOPE_METADATA, ENVELOPE_TIMESTAMP, EventType, Role, SCOPE, event_type, is_envelope_id,
    span_id_of, trace_id_of,
};
use telesink_core::record::value::{Scalar, begin_map, begin_pair, end_container, put_pair};
use telesink_core::record::wire::end_nested;
use telesink_core::record::{Header, Signal, iso, level};
use telesink_core::stats::RejectCause;

/// The level of an event that names none: INFO.
const LEVEL_DEFAULT: i32 = 20;

/// Captures an event and hands it to `offer`. Answers without calling it, and says why, if the event is refused; with
/// `None` if no lane wants it.
///
/// # Errors
/// What the event's own code raises while it is read.
pub(crate) fn capture_event<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    event: &Bound<'_, PyAny>,
    sample: Sample<'_>,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Result<Option<T>, RejectCause>> {
    let observed = clock::unix_nano();
    let id = bench.ids.next_uuid7(observed, settings.generation);
    let Some(envelope) = Envelope::read(event)? else { return Ok(Err(RejectCause::InvalidEvent)) };
    let levelno = envelope.levelno()?;
    if !view.wants(levelno, SCOPE) {
        return Ok(Ok(None));
    }
    bench.builder.start(settings.record_bytes_max);
    bench.builder.severity(level::severity_of(levelno), level::name_of(levelno));
    let mut reader = ValueReader::of_names(view.redaction()).with_names(&mut bench.names);
    let mut body = Body::new(envelope.kind);
    if !body.write(&mut bench.builder, &mut reader, &envelope.body)? {
        return Ok(Err(RejectCause::InvalidEvent));
    }
    let Some((trace_id, span_id)) = body.ids(id) else { return Ok(Err(RejectCause::InvalidEvent)) };
    // An update that names no trace belongs to that of its create, and a score to that of its observation.
    let is_known = body.trace.is_some() || !matches!(envelope.kind.role, Role::Update | Role::Score);
    if !sample.keeps(Some(trace_id).filter(|trace| is_known && *trace != [0; 16]), span_id) {
        return Ok(Err(RejectCause::SampledOut));
    }
    bench.builder.event_name(envelope.kind.name);
    let Some(time) = envelope.write(&mut bench.builder, &mut reader)? else {
        return Ok(Err(RejectCause::InvalidEvent));
    };
    let header = Header {
        signal: Signal::Log,
        severity: level::severity_of(levelno),
        flags: level_flags(levelno, settings),
        time_unix_nano: time.unwrap_or(observed),
        observed_unix_nano: observed,
        id,
        trace_id,
        span_id,
        resource: 0,
        scope: bench.scope(pipeline, SCOPE),
        levelno,
    };
    let record = bench.builder.finish(header, &[]);
    Ok(Ok(Some(offer(Captured { record, levelno, logger: Cow::Borrowed(SCOPE) }))))
}

/// The parts of an event, not yet looked into.
struct Envelope<'py> {
    kind: &'static EventType,
    body: Bound<'py, PyDict>,
    id: Option<Bound<'py, PyAny>>,
    timestamp: Option<Bound<'py, PyAny>>,
    metadata: Option<Bound<'py, PyAny>>,
}

impl<'py> Envelope<'py> {
    /// Reads the keys of an event; `None` if it has no known type, or no mapping as its body.
    fn read(event: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let py = event.py();
        let Some(dict) = plain(event)? else { return Ok(None) };
        let Some(name) = dict.get_item(intern!(py, "type"))? else { return Ok(None) };
        let Ok(name) = name.cast::<PyString>() else { return Ok(None) };
        let Some(kind) = name.to_str().ok().and_then(event_type) else { return Ok(None) };
        let Some(body) = dict.get_item(intern!(py, "body"))? else { return Ok(None) };
        let Some(body) = plain(&body)? else { return Ok(None) };
        let part = |name| Ok::<_, PyErr>(dict.get_item(name)?.filter(|value| !value.is_none()));
        Ok(Some(Self {
            kind,
            body,
            id: part(intern!(py, "id"))?,
            timestamp: part(intern!(py, "timestamp"))?,
            metadata: part(intern!(py, "metadata"))?,
        }))
    }

    /// The level of an observation as `logging` counts levels.
    fn levelno(&self) -> PyResult<i32> {
        let Some(found) = self.body.get_item(intern!(self.body.py(), "level"))? else {
            return Ok(LEVEL_DEFAULT);
        };
        let name = found.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
        Ok(match name {
            Some("DEBUG") => 10,
            Some("WARNING") => 30,
            Some("ERROR") => level::ERROR,
            _ => LEVEL_DEFAULT,
        })
    }

    /// Writes what stands beside the body. Answers the event's time, if it has one; `None` if something is malformed.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether the event is well-formed, the inner its time"
    )]
    fn write(
        &self,
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
    ) -> PyResult<Option<Option<u64>>> {
        if let Some(id) = &self.id {
            let Some(id) = as_text(id) else { return Ok(None) };
            if !is_envelope_id(id) {
                return Ok(None);
            }
            builder.attribute(ENVELOPE_ID, Scalar::Str(id));
        }
        let mut time = None;
        if let Some(timestamp) = &self.timestamp {
            let Some(text) = moment(timestamp)? else { return Ok(None) };
            time = iso::unix_nano(&text);
            builder.attribute(ENVELOPE_TIMESTAMP, Scalar::Str(&text));
        }
        if let Some(metadata) = &self.metadata {
            let pair = begin_pair(builder.buffer(), ATTRIBUTE_TAG, ENVELOPE_METADATA);
            let written = reader.value(builder, 0x12, metadata);
            end_nested(builder.buffer(), pair);
            written?;
        }
        Ok(Some(time))
    }
}

/// What became of a pair of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    /// Malformed, and the event with it.
    Refused,
    /// To be read with the help of Python.
    Left,
}

/// The ids of a body, found while it is written.
struct Body<'py> {
    kind: &'static EventType,
    id: Option<Bound<'py, PyAny>>,
    trace: Option<Bound<'py, PyAny>>,
    observation: Option<Bound<'py, PyAny>>,
}

impl<'py> Body<'py> {
    fn new(kind: &'static EventType) -> Self {
        Self { kind, id: None, trace: None, observation: None }
    }

    /// Writes the body; false if a key is no text, or an id or time is malformed.
    fn write(
        &mut self,
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
        body: &Bound<'py, PyDict>,
    ) -> PyResult<bool> {
        let map = begin_map(builder.buffer(), 0x2a);
        let (mut read, mut is_refused) = (0, false);
        ffi::walk_dict_while(body, |_, key, value| {
            let step = self.at_once(builder, reader, &key, &value);
            read += usize::from(step == Step::Done);
            is_refused = step == Step::Refused;
            step == Step::Done && read < NODES_MAX
        });
        if is_refused {
            return Ok(false);
        }
        // The rest as a snapshot: values run Python code while they are read.
        let rest = ffi::pairs_from(body, read, NODES_MAX - read);
        builder.drop_attributes(body.len().saturating_sub(read + rest.len()));
        for (key, value) in rest {
            let is_taken = match self.at_once(builder, reader, &key, &value) {
                Step::Done => true,
                Step::Refused => false,
                Step::Left => Self::pair(builder, reader, &key, &value)?,
            };
            if !is_taken {
                return Ok(false);
            }
        }
        end_container(builder.buffer(), map);
        Ok(true)
    }

    /// Writes what is plain, and what has a meaning of its own. Lets no Python code run, unless the pair is refused or
    /// left.
    #[inline]
    fn at_once(
        &mut self,
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> Step {
        let Some(name) = as_text(key) else {
            return Step::Left;
        };
        // What is absent is never sent as null.
        if value.is_none() {
            return Step::Done;
        }
        let slot = match name {
            "id" => Some(&mut self.id),
            "traceId" => Some(&mut self.trace),
            "observationId" => Some(&mut self.observation),
            _ => None,
        };
        if slot.is_some()
            || name == "parentObservationId"
            || name == "sessionId" && self.kind.role == Role::Score
        {
            let Some(id) = as_text(value).filter(|id| is_envelope_id(id)) else { return Step::Refused };
            put_pair(builder.buffer(), 0x0a, name, Scalar::Str(id));
            if let Some(slot) = slot {
                *slot = Some(value.clone());
            }
            return Step::Done;
        }
        if is_moment(name) {
            let Ok(text) = value.cast_exact::<PyString>() else { return Step::Left };
            let Some(text) = text.to_str().ok().filter(|text| iso::unix_nano(text).is_some()) else {
                return Step::Refused;
            };
            put_pair(builder.buffer(), 0x0a, name, Scalar::Str(text));
            return Step::Done;
        }
        if reader.plain_pair(builder, key, value) { Step::Done } else { Step::Left }
    }

    /// Writes any other pair; false if its key is no text, or it should be a time and is none.
    fn pair(
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let Ok(name) = key.cast::<PyString>() else { return Ok(false) };
        if value.is_none() {
            return Ok(true);
        }
        match name.to_str() {
            Ok(name) if is_moment(name) => {
                let Some(text) = moment(value)? else { return Ok(false) };
                put_pair(builder.buffer(), 0x0a, name, Scalar::Str(&text));
            }
            Ok(name) if reader.text_pair(builder, name, value) => {}
            // Among them is half of a character: no field of ours, and mended like other names.
            _ => reader.pair(builder, key, value)?,
        }
        Ok(true)
    }

    /// The ids of trace and span that the event is about; `None` if it names nothing that it could be about. What has no
    /// id gets one from the record's own.
    fn ids(&self, record: [u8; 16]) -> Option<([u8; 16], [u8; 8])> {
        let id = self.id.as_ref().and_then(as_text);
        let trace = self.trace.as_ref().and_then(as_text).map(trace_id_of);
        match self.kind.role {
            Role::Trace => Some((id.map_or(record, trace_id_of), [0; 8])),
            Role::Update if self.id.is_none() => None,
            Role::Create | Role::Update | Role::Event => {
                let span = id.map_or_else(|| last_half(record), span_id_of);
                // Without a trace, an observation is one of its own.
                Some((trace.unwrap_or_else(|| id.map_or(record, trace_id_of)), span))
            }
            Role::Score => {
                let span = self.observation.as_ref().and_then(as_text).map(span_id_of);
                Some((trace.unwrap_or_default(), span.unwrap_or_default()))
            }
            Role::SdkLog => Some(([0; 16], [0; 8])),
        }
    }
}

/// The random half of an id.
fn last_half(id: [u8; 16]) -> [u8; 8] {
    (u128::from_be_bytes(id) as u64).to_be_bytes()
}

/// A dict as it is, another mapping as a copy; `None` for anything else.
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        return Ok(Some(dict.clone()));
    }
    let copied = as_dict(value).map(|Snapshot { dict, .. }| dict);
    text::unless_failed(value.py(), copied)
}

/// Whether a field of this name is a time.
fn is_moment(name: &str) -> bool {
    matches!(name, "startTime" | "endTime" | "completionStartTime" | "timestamp")
}

/// A text that is UTF-8.
fn as_text<'t>(value: &'t Bound<'_, PyAny>) -> Option<&'t str> {
    value.cast::<PyString>().ok()?.to_str().ok()
}

/// A moment as text: ISO 8601 with an offset, or something with an `isoformat` that makes one. `None` for anything else.
fn moment<'t>(value: &'t Bound<'_, PyAny>) -> PyResult<Option<Cow<'t, str>>> {
    let text = if let Some(text) = as_text(value) {
        Cow::Borrowed(text)
    } else {
        let made = value.call_method0(intern!(value.py(), "isoformat"));
        let Some(made) = text::unless_failed(value.py(), made)? else { return Ok(None) };
        let Some(text) = as_text(&made) else { return Ok(None) };
        Cow::Owned(text.to_owned())
    };
    Ok(iso::unix_nano(&text).is_some().then_some(text))
}
