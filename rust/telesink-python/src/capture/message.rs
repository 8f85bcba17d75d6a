//! The message of a log record: formatted by CPython, never failing because of a value.

use super::fields::{Fields, field};
use super::text;
use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::borrow::Cow;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::flag;
use telesink_core::record::value::Scalar;
use telesink_core::redact::{Redaction, strip_ansi};

/// Longest `repr` of one argument kept beside a template that could not be formatted, in bytes.
const ARGUMENT_BYTES_MAX: usize = 256;

/// Longest text of the error kept beside such a template, in bytes.
const ERROR_BYTES_MAX: usize = 4_096;

/// Most arguments kept beside such a template.
const ARGUMENTS_MAX: usize = 16;

/// What the message turned out to be.
pub(crate) enum Message<'py> {
    /// Text.
    Text(Bound<'py, PyString>),
    /// A structured message: structlog's event dict.
    Dict(Bound<'py, PyDict>),
    /// The template and its arguments do not fit; the error's text.
    Broken { template: Bound<'py, PyString>, error: String },
}

/// Renders `msg % args` as `LogRecord.getMessage` does.
pub(crate) fn render<'py>(
    record: &Bound<'py, PyAny>,
    is_plain_record: bool,
    fields: &Fields<'py>,
    builder: &mut RecordBuilder,
) -> PyResult<Message<'py>> {
    let py = record.py();
    let Some(msg) = fields.get(field::MSG) else {
        return Ok(Message::Text(PyString::new(py, "None")));
    };
    let args = match fields.get(field::ARGS) {
        Some(args) if is_something(args)? => Some(args),
        _ => None,
    };
    if is_plain_record {
        match (msg.cast_exact::<PyString>(), args) {
            (Ok(template), None) => return Ok(Message::Text(template.clone())),
            (Ok(template), Some(args)) => {
                let formatted = ffi::format(template, args);
                return settle(template, formatted, builder);
            }
            (Err(_), None) if msg.is_instance_of::<PyDict>() => {
                return Ok(Message::Dict(msg.cast::<PyDict>()?.clone()));
            }
            _ => {}
        }
    }
    let template = text::render(msg, builder, pyo3::types::PyAnyMethods::str)?;
    let formatted = record.call_method0(pyo3::intern!(py, "getMessage"));
    settle(&template, formatted, builder)
}

/// Whether there is anything to format: an empty tuple means "do not", as in the stdlib, and so does all else that is
/// false.
fn is_something(args: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(args) = args.cast_exact::<PyTuple>() {
        return Ok(!args.is_empty());
    }
    // What cannot say so is shown to the formatter, which words the error.
    Ok(text::unless_failed(args.py(), args.is_truthy())?.unwrap_or(true))
}

fn settle<'py>(
    template: &Bound<'py, PyString>,
    formatted: PyResult<Bound<'py, PyAny>>,
    builder: &mut RecordBuilder,
) -> PyResult<Message<'py>> {
    let py = template.py();
    let error = match formatted.and_then(|text| text.cast_into::<PyString>().map_err(PyErr::from)) {
        Ok(text) => return Ok(Message::Text(text)),
        Err(error) => error,
    };
    let value = error.value(py).clone();
    let kind = text::pass_base_exceptions(py, error)?;
    let shown = text::unless_failed(py, value.str())?;
    let text = shown.as_ref().map_or(Cow::Borrowed(""), |shown| text::read(shown, ERROR_BYTES_MAX, builder));
    builder.mark(flag::FORMAT_ERROR);
    Ok(Message::Broken { template: template.clone(), error: format!("{kind}: {text}") })
}

/// Cleans a message: colour codes out, secrets hidden.
pub(crate) fn clean<'t>(text: &'t str, redaction: &Redaction) -> Cow<'t, str> {
    match strip_ansi(text) {
        Cow::Borrowed(text) => redaction.redact_text(text),
        Cow::Owned(text) => Cow::Owned(redaction.redact_text(&text).into_owned()),
    }
}

/// Keeps what could not be formatted: the arguments, one by one, and the error.
pub(crate) fn put_broken(
    builder: &mut RecordBuilder,
    fields: &Fields<'_>,
    error: &str,
    redaction: &Redaction,
) -> PyResult<()> {
    builder.attribute("telesink.format_error", Scalar::Str(&redaction.redact_text(error)));
    let Some(args) = fields.get(field::ARGS) else { return Ok(()) };
    let mut shown = String::new();
    let mut show = |arg: &Bound<'_, PyAny>, builder: &mut RecordBuilder| -> PyResult<()> {
        let rendered = text::render(arg, builder, pyo3::types::PyAnyMethods::repr)?;
        let text = text::read(&rendered, ARGUMENT_BYTES_MAX, builder);
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        shown.push_str(&text[..text.floor_char_boundary(ARGUMENT_BYTES_MAX)]);
        Ok(())
    };
    match args.cast::<PyTuple>() {
        Ok(tuple) => {
            for arg in tuple.iter().take(ARGUMENTS_MAX) {
                show(&arg, builder)?;
            }
        }
        Err(_) => show(args, builder)?,
    }
    builder.attribute("log.args", Scalar::Str(&redaction.redact_text(&shown)));
    Ok(())
}
