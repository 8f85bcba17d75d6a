//! A mapping given to `enqueue` becomes a record.

use super::record::{CaptureSettings, Captured, level_flags};
use super::values::{NODES_MAX, ValueReader};
use super::{Workbench, context, message, otel, text, workflow};
use crate::ffi;
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyInt, PyString, PyType};
use std::borrow::Cow;
use std::sync::Arc;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Signal, iso, level};
use telesink_core::redact::Redaction;

/// The keys with a meaning of their own; all others become attributes.
const KEYS: [&str; 8] =
    ["body", "level", "logger", "time", "event_name", "trace_id", "span_id", "attributes"];

/// The level of a record that names none.
const LEVEL_DEFAULT: i32 = 20;

/// The logger of a record that names none.
const LOGGER_DEFAULT: &str = "root";

/// Longest text of a wrong value in an error, in characters.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// Captures a mapping and hands it to `offer`.
///
/// # Errors
/// The argument is no mapping, has neither `body` nor `type`, or one of the keys with a meaning has a value that
/// cannot have that meaning. Attributes never fail.
pub(crate) fn capture_mapping<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    mapping: &Bound<'_, PyAny>,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Option<T>> {
    let py = mapping.py();
    let Snapshot { dict, is_cut } = as_dict(mapping)?;
    let logger = match present(&dict, "logger")? {
        Some(name) => expect_text(&name, "logger")?.to_string_lossy().into_owned(),
        None => LOGGER_DEFAULT.to_owned(),
    };
    let event = workflow::Event::of(&dict)?;
    let levelno = level_of(&dict, event.as_ref().map_or(LEVEL_DEFAULT, workflow::Event::level))?;
    if !view.wants(levelno, &logger) {
        return Ok(None);
    }
    let observed = clock::unix_nano();
    let time = time_of(&dict)?.unwrap_or(observed);
    let (trace_id, span_id) = (id_of(&dict, "trace_id")?, id_of(&dict, "span_id")?);
    let event_type = present(&dict, "type")?;
    let Some(body) = present(&dict, "body")?.or_else(|| event_type.clone()) else {
        return Err(missing_body(&dict));
    };
    if let Some(event) = &event {
        event.check(&dict)?;
    }
    bench.builder.start(settings.record_bytes_max);
    let redaction = view.redaction();
    let scope = bench.scope(pipeline, &logger);
    bench.builder.severity(level::severity_of(levelno), level::name_of(levelno));
    let shown = text::render(&body, &mut bench.builder, pyo3::types::PyAnyMethods::str)?;
    let room = bench.builder.room();
    let shown = text::read(&shown, room, &mut bench.builder);
    bench.builder.body(&message::clean(&shown, redaction));
    let event_name = present(&dict, "event_name")?.or(event_type);
    if let Some(name) = event_name {
        let name = text::render(&name, &mut bench.builder, pyo3::types::PyAnyMethods::str)?;
        let name = text::read(&name, 256, &mut bench.builder);
        let name = text::callers_name(&name, &mut bench.builder);
        bench.builder.event_name(&name);
    }
    if is_cut {
        bench.builder.drop_attribute();
    }
    write_attributes(bench, &dict, redaction, event.is_some(), py)?;
    if event.is_some() {
        write_foreign_ids(bench, &dict, [("trace_id", trace_id.is_some()), ("span_id", span_id.is_some())])?;
    }
    let ids = match (trace_id, span_id) {
        (None, None) => otel::current(py),
        (trace_id, span_id) => {
            otel::Ids { trace_id: trace_id.unwrap_or_default(), span_id: span_id.unwrap_or_default() }
        }
    };
    let header = Header {
        signal: Signal::Log,
        severity: level::severity_of(levelno),
        flags: level_flags(levelno, settings),
        time_unix_nano: time,
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(observed, settings.generation),
        trace_id: ids.trace_id,
        span_id: ids.span_id,
        resource: 0,
        scope,
        levelno,
    };
    if scope == 0 {
        bench.builder.attribute("logger.name", Scalar::Str(&logger));
    }
    let record = bench.builder.finish(header, &[]);
    Ok(Some(offer(Captured { record, levelno, logger: Cow::Owned(logger) })))
}

/// The two errors that `enqueue` has for a record which cannot be meant; one that a key or a mapping of the program's
/// own raised stands behind the one that is raised.
pub(crate) fn as_refusal(py: Python<'_>, error: PyErr) -> PyErr {
    let is_ordinary = error.is_instance_of::<PyException>(py);
    if !is_ordinary || error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py) {
        return error;
    }
    let refusal = PyValueError::new_err("the record cannot be read: see the error behind this one");
    refusal.set_cause(py, Some(error));
    refusal
}

/// A mapping as it was: values run Python code while they are read.
pub(super) struct Snapshot<'py> {
    pub(super) dict: Bound<'py, PyDict>,
    /// Whether it went on after as many keys as there may be values.
    is_cut: bool,
}

pub(super) fn as_dict<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Snapshot<'py>> {
    let whole = |dict| Snapshot { dict, is_cut: false };
    if let Ok(dict) = mapping.cast::<PyDict>() {
        if dict.is_exact_instance_of::<PyDict>() {
            return dict.copy().map(whole);
        }
        let copy = PyDict::new(mapping.py());
        for (key, value) in ffi::pairs(dict, usize::MAX) {
            copy.set_item(key, value)?;
        }
        return Ok(whole(copy));
    }
    // Asked here: an error of a hostile `__class__` is an answer, and nothing for standard error.
    let is_mapping = mapping_class(mapping.py()).map(|class| mapping.is_instance(class));
    if text::unless_failed(mapping.py(), is_mapping.flatten())?.unwrap_or(false) {
        return walk(mapping);
    }
    let found = text::type_name(mapping);
    Err(PyTypeError::new_err(format!(
        "enqueue takes a mapping such as {{\"body\": \"paid\", \"level\": \"INFO\"}}, found {found}"
    )))
}

/// `collections.abc.Mapping`.
fn mapping_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "collections.abc", "Mapping")
}

/// A mapping of the program's own, which may go on for ever: so many steps, also where the same key comes again.
fn walk<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Snapshot<'py>> {
    let dict = PyDict::new(mapping.py());
    let keys = mapping.call_method0(intern!(mapping.py(), "keys"))?;
    for (step, key) in keys.try_iter()?.enumerate() {
        if step == NODES_MAX {
            return Ok(Snapshot { dict, is_cut: true });
        }
        let key = key?;
        let value = mapping.get_item(&key)?;
        dict.set_item(key, value)?;
    }
    Ok(Snapshot { dict, is_cut: false })
}

/// The start of `str(value)`, for an error.
pub(super) fn shown(value: &Bound<'_, PyAny>) -> String {
    let start = value.str().and_then(|text| ffi::start_of(&text, SHOWN_CHARACTERS_MAX));
    start.map_or_else(
        |_| format!("a {} that cannot be shown", text::type_name(value)),
        |start| start.to_string_lossy().into_owned(),
    )
}

fn missing_body(dict: &Bound<'_, PyDict>) -> PyErr {
    let names = dict.keys().iter().take(8).map(|key| shown(&key)).collect::<Vec<_>>().join(", ");
    PyValueError::new_err(format!(
        "a record needs a `body` (or a `type`, if it is an event); found only: {}",
        if names.is_empty() { "nothing" } else { &names }
    ))
}

pub(super) fn present<'py>(dict: &Bound<'py, PyDict>, key: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(dict.get_item(key)?.filter(|value| !value.is_none()))
}

fn expect_text<'a, 'py>(value: &'a Bound<'py, PyAny>, key: &str) -> PyResult<&'a Bound<'py, PyString>> {
    value
        .cast::<PyString>()
        .map_err(|_| PyValueError::new_err(format!("`{key}` is a {}, expected text", text::type_name(value))))
}

fn level_of(dict: &Bound<'_, PyDict>, default: i32) -> PyResult<i32> {
    let Some(value) = present(dict, "level")? else { return Ok(default) };
    let parsed = if value.is_instance_of::<PyBool>() {
        // An int to Python, and a slip of the pen here.
        None
    } else if let Ok(number) = value.cast::<PyInt>() {
        number.extract::<i32>().ok().filter(|number| *number >= 0)
    } else {
        expect_text(&value, "level")?.to_str().ok().and_then(level::parse)
    };
    parsed.ok_or_else(|| {
        let names = level::names().collect::<Vec<_>>().join(", ");
        PyValueError::new_err(format!(
            "`level` is {}, expected a number from 0 on or one of {names}",
            shown(&value)
        ))
    })
}

/// `time`: nanoseconds since the epoch, a datetime (a naive one is local time, as in the standard library), or a text in
/// the form of RFC 3339.
fn time_of(dict: &Bound<'_, PyDict>) -> PyResult<Option<u64>> {
    let Some(value) = present(dict, "time")? else { return Ok(None) };
    if !value.is_instance_of::<PyBool>()
        && let Ok(number) = value.cast::<PyInt>()
    {
        return number
            .extract::<i64>()
            .ok()
            .and_then(|nanos| u64::try_from(nanos).ok())
            .map(Some)
            .ok_or_else(|| {
                PyValueError::new_err(format!(
                    "`time` is {}, expected nanoseconds since 1970 (before 2262)",
                    shown(&value)
                ))
            });
    }
    if let Ok(text) = value.cast::<PyString>() {
        let nanos = text.to_str().ok().and_then(iso::unix_nano);
        return nanos.map(Some).ok_or_else(|| {
            PyValueError::new_err(format!(
                "`time` is {}, expected a time such as 2026-01-31T12:00:00.5Z, from 1970 to 2262",
                shown(&value)
            ))
        });
    }
    let py = value.py();
    let Some(timestamp) = value.getattr_opt(intern!(py, "timestamp"))? else {
        let found = text::type_name(&value);
        return Err(PyValueError::new_err(format!(
            "`time` is a {found}, expected a datetime or nanoseconds since the epoch as an int"
        )));
    };
    let seconds: f64 = timestamp.call0()?.extract()?;
    // The float holds microseconds exactly enough until 2255; the digits below come from the field itself.
    let micros = (seconds * 1e6).round();
    if (0.0..9.2e15).contains(&micros) {
        Ok(Some(micros as u64 * 1_000))
    } else {
        Err(PyValueError::new_err(format!("`time` is {}, expected a time from 1970 to 2262", shown(&value))))
    }
}

fn id_of<const N: usize>(dict: &Bound<'_, PyDict>, key: &str) -> PyResult<Option<[u8; N]>> {
    let Some(value) = present(dict, key)? else { return Ok(None) };
    // Malformed ids are dropped and the record is kept: they come from other systems' headers.
    Ok(otel::parse_hex(&value))
}

/// Ids of an event that are none of W3C's: other systems have others, and tables have room for them.
fn write_foreign_ids(
    bench: &mut Workbench,
    dict: &Bound<'_, PyDict>,
    ids: [(&str, bool); 2],
) -> PyResult<()> {
    for (name, is_known) in ids {
        if !is_known && let Some(id) = present(dict, name)? {
            let id = text::render(&id, &mut bench.builder, pyo3::types::PyAnyMethods::str)?;
            let id = text::read(&id, 256, &mut bench.builder).into_owned();
            bench.builder.attribute(name, Scalar::Str(&id));
        }
    }
    Ok(())
}

fn write_attributes(
    bench: &mut Workbench,
    dict: &Bound<'_, PyDict>,
    redaction: &Arc<Redaction>,
    is_event: bool,
    py: Python<'_>,
) -> PyResult<()> {
    let mut reader = ValueReader::new(redaction);
    let mut names: Vec<String> = Vec::new();
    let nested = present(dict, "attributes")?;
    let nested = match &nested {
        Some(value) => {
            let Snapshot { dict, is_cut } = as_dict(value).map_err(|_| {
                let found = text::type_name(value);
                PyValueError::new_err(format!("`attributes` is a {found}, expected a mapping"))
            })?;
            if is_cut {
                bench.builder.drop_attribute();
            }
            Some(dict)
        }
        None => None,
    };
    let own = dict.iter().filter(|(key, _)| {
        !key.cast::<PyString>()
            .is_ok_and(|key| key.to_str().is_ok_and(|key| KEYS.contains(&key) || is_event && key == "type"))
    });
    let nested = nested.iter().flat_map(pyo3::types::PyDictMethods::iter);
    let pairs: Vec<_> = if is_event { workflow::in_order(own, nested)? } else { nested.chain(own).collect() };
    for (key, value) in pairs {
        let key = text::render(&key, &mut bench.builder, pyo3::types::PyAnyMethods::str)?;
        let key = text::read(&key, 256, &mut bench.builder).into_owned();
        if is_event && workflow::is_id(&key) && !value.is_none() {
            // As it was checked, whatever it is an object of.
            let id = text::render(&value, &mut bench.builder, pyo3::types::PyAnyMethods::str)?;
            let id = text::read(&id, 256, &mut bench.builder).into_owned();
            bench.builder.attribute(&key, Scalar::Str(&id));
        } else {
            // What models were told and said is long, and kept for what stands in it: names alone hide.
            reader.scans_texts = !is_event || !workflow::is_long(&key);
            reader.attribute(&mut bench.builder, &key, &value)?;
        }
        names.push(key);
    }
    if let Some(bound) = context::current(py) {
        bound.get().append(py, redaction, &mut bench.builder, |name| {
            names.iter().any(|taken| taken == name) || is_event && workflow::is_own_field(name)
        })?;
    }
    Ok(())
}
