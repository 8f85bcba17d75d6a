//! Python values to OTLP values: any value in, a bounded and marked representation out.

use super::names::Names;
use super::numbers::{is_number_like, long_integer, non_finite, number};
use super::text::{self, REPR_BYTES_MAX};
use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PyMappingProxy, PySet,
    PyString, PyTuple,
};
use std::borrow::Cow;
use std::sync::Arc;
use telesink_core::record::encode::{KEY_BYTES_MAX, RecordBuilder};
use telesink_core::record::flag;
use telesink_core::record::value::{
    DEPTH_MAX, Scalar, begin_list, begin_map, begin_pair, end_container, put_pair, put_scalar,
};
use telesink_core::record::wire::end_nested;
use telesink_core::redact::{REDACTED, Redaction};

/// Most values in one record, at all depths: bounds the time of a call.
pub(super) const NODES_MAX: usize = 10_000;

/// Reads values for one record.
///
/// Nested values are nested calls, up to [`DEPTH_MAX`] on a stack that may have no more than 64 KiB: whatever does not
/// call back is kept out of line, so that its variables take no room in each of them.
pub(crate) struct ValueReader<'r> {
    pub(super) redaction: &'r Arc<Redaction>,
    /// Names met before; without them each is looked at anew.
    pub(super) names: Option<&'r mut Names>,
    /// Whether texts are searched for secrets, or only names looked at.
    pub(super) scans_texts: bool,
    pub(super) nodes: usize,
    /// The containers being read, outermost first: a cycle is a container inside itself.
    open: Vec<usize>,
    /// Whether NaN and the infinities stay numbers.
    keeps_non_finite: bool,
}

impl<'r> ValueReader<'r> {
    pub(crate) fn new(redaction: &'r Arc<Redaction>) -> Self {
        Self {
            redaction,
            names: None,
            scans_texts: true,
            nodes: 0,
            open: Vec::new(),
            keeps_non_finite: false,
        }
    }

    /// A reader that remembers names.
    pub(crate) fn with_names(self, names: &'r mut Names) -> Self {
        Self { names: Some(names), ..self }
    }

    /// A reader for what comes from OpenTelemetry, whose doubles may be NaN or infinite: OTLP can say that, and its own
    /// exporters do.
    pub(crate) fn exact(redaction: &'r Arc<Redaction>) -> Self {
        Self { keeps_non_finite: true, ..Self::new(redaction) }
    }

    /// A reader that hides by names alone: prompts are long, and are kept for what stands in them.
    pub(crate) fn of_names(redaction: &'r Arc<Redaction>) -> Self {
        Self { scans_texts: false, ..Self::new(redaction) }
    }

    /// Writes one attribute that a caller gave.
    ///
    /// # Errors
    /// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
    #[inline]
    pub(crate) fn attribute(
        &mut self,
        builder: &mut RecordBuilder,
        key: &str,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let key = &*text::callers_name(key, builder);
        if let Ok(text) = value.cast_exact::<PyString>() {
            if self.redaction.hides_name(key) {
                builder.attribute(key, Scalar::Str(REDACTED));
            } else {
                let room = builder.room();
                let text = text::read(text, room, builder);
                builder.attribute(key, Scalar::Str(&self.shown(&text)));
            }
            return Ok(());
        }
        if let Some(scalar) = number(value) {
            builder.attribute(key, scalar);
            return Ok(());
        }
        self.other_attribute(builder, key, value)
    }

    fn other_attribute(
        &mut self,
        builder: &mut RecordBuilder,
        key: &str,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if value.is_none() {
            builder.attribute(key, Scalar::Null);
            return Ok(());
        }
        if self.redaction.hides_name(key) && !is_number_like(value) {
            builder.attribute(key, Scalar::Str(REDACTED));
            return Ok(());
        }
        if builder.room() < key.len() + 64 {
            builder.drop_attribute();
            return Ok(());
        }
        let key = builder.fit(key, KEY_BYTES_MAX).into_owned();
        let tag = builder.attribute_tag();
        let pair = begin_pair(builder.buffer(), tag, &key);
        let written = self.value(builder, 0x12, value);
        end_nested(builder.buffer(), pair);
        written
    }

    /// Writes a pair whose value is text, the usual one, at once; false if it is something else or hidden.
    #[inline(never)]
    pub(super) fn text_pair(&self, builder: &mut RecordBuilder, key: &str, value: &Bound<'_, PyAny>) -> bool {
        let Ok(text) = value.cast_exact::<PyString>() else { return false };
        if self.scans_texts || key.len() > KEY_BYTES_MAX || self.redaction.hides_name(key) {
            return false;
        }
        let room = builder.room();
        let text = text::read(text, room, builder);
        let text = builder.fit(&text, room);
        put_pair(builder.buffer(), 0x0a, key, Scalar::Str(&text));
        true
    }

    /// Writes an `AnyValue` under `tag`.
    pub(super) fn value(
        &mut self,
        builder: &mut RecordBuilder,
        tag: u8,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.nodes += 1;
        if let Some(scalar) = number(value) {
            put_scalar(builder.buffer(), tag, scalar);
        } else if value.is_none() {
            put_scalar(builder.buffer(), tag, Scalar::Null);
        } else if let Ok(text) = value.cast::<PyString>() {
            self.text(builder, tag, text);
        } else if let Ok(bytes) = value.cast::<PyBytes>() {
            put_bytes(builder, tag, bytes.as_bytes());
        } else if let Ok(bytes) = value.cast::<PyByteArray>() {
            put_byte_array(builder, tag, bytes);
        } else if let Ok(dict) = value.cast::<PyDict>() {
            return self.container(builder, tag, value, |reader, builder| reader.map(builder, tag, dict));
        } else if let Some(dict) = named_fields(value) {
            return self.container(builder, tag, value, |reader, builder| reader.map(builder, tag, &dict));
        } else if let Some(items) = text::unless_failed(value.py(), elements(value))?.flatten() {
            return self.container(builder, tag, value, |reader, builder| reader.list(builder, tag, &items));
        } else {
            return self.object(builder, tag, value);
        }
        Ok(())
    }

    #[inline(never)]
    fn text(&self, builder: &mut RecordBuilder, tag: u8, text: &Bound<'_, PyString>) {
        let room = builder.room();
        let text = text::read(text, room, builder);
        let text = self.shown(&text);
        let text = builder.fit(&text, room);
        put_scalar(builder.buffer(), tag, Scalar::Str(&text));
    }

    pub(super) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.scans_texts { self.redaction.redact_text(text) } else { Cow::Borrowed(text) }
    }

    /// Guards a list or map against cycles, depth and sheer size.
    fn container(
        &mut self,
        builder: &mut RecordBuilder,
        tag: u8,
        value: &Bound<'_, PyAny>,
        read: impl FnOnce(&mut Self, &mut RecordBuilder) -> PyResult<()>,
    ) -> PyResult<()> {
        let identity = value.as_ptr() as usize;
        let marker = if self.open.contains(&identity) {
            "<cycle>"
        } else if self.open.len() >= DEPTH_MAX {
            "<too deep>"
        } else if self.is_exhausted(builder) {
            "<too large>"
        } else {
            self.open.push(identity);
            let done = read(self, builder);
            self.open.pop();
            return done;
        };
        builder.mark(flag::SANITISED);
        put_scalar(builder.buffer(), tag, Scalar::Str(marker));
        Ok(())
    }

    pub(super) fn is_exhausted(&self, builder: &RecordBuilder) -> bool {
        self.nodes >= NODES_MAX || builder.room() < 256
    }

    fn list(&mut self, builder: &mut RecordBuilder, tag: u8, items: &[Bound<'_, PyAny>]) -> PyResult<()> {
        let list = begin_list(builder.buffer(), tag);
        let mut done = Ok(());
        for item in items {
            if self.is_exhausted(builder) {
                builder.drop_attribute();
                break;
            }
            done = self.value(builder, 0x0a, item);
            if done.is_err() {
                break;
            }
        }
        end_container(builder.buffer(), list);
        done
    }

    fn map(&mut self, builder: &mut RecordBuilder, tag: u8, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let map = begin_map(builder.buffer(), tag);
        let written = self.plain_pairs(builder, dict);
        let mut done = Ok(());
        // The rest as a snapshot: a value's own code may change the dict while it is read.
        for (key, value) in ffi::pairs_from(dict, written, NODES_MAX - written) {
            if self.is_exhausted(builder) {
                builder.drop_attribute();
                break;
            }
            done = self.pair(builder, &key, &value);
            if done.is_err() {
                break;
            }
        }
        end_container(builder.buffer(), map);
        done
    }

    /// Writes a pair of a map.
    pub(super) fn pair(
        &mut self,
        builder: &mut RecordBuilder,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let key = text::key(builder, key)?;
        if self.text_pair(builder, &key, value) {
            self.nodes += 1;
            return Ok(());
        }
        let pair = begin_pair(builder.buffer(), 0x0a, &key);
        let written = if self.redaction.hides_name(&key) && !value.is_none() && !is_number_like(value) {
            self.nodes += 1;
            put_scalar(builder.buffer(), 0x12, Scalar::Str(REDACTED));
            Ok(())
        } else {
            self.value(builder, 0x12, value)
        };
        end_nested(builder.buffer(), pair);
        written
    }

    /// Whatever is none of the above: numbers that are no `int` or `float`, dates, and things with a `repr`.
    #[inline(never)]
    fn object(&mut self, builder: &mut RecordBuilder, tag: u8, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(integer) = value.cast::<PyInt>() {
            let text = long_integer(builder, integer)?;
            put_scalar(builder.buffer(), tag, Scalar::Str(&text));
            return Ok(());
        }
        if let Ok(float) = value.cast::<PyFloat>() {
            if self.keeps_non_finite {
                put_scalar(builder.buffer(), tag, Scalar::Double(float.value()));
                return Ok(());
            }
            builder.mark(flag::SANITISED);
            put_scalar(builder.buffer(), tag, Scalar::Str(non_finite(float.value())));
            return Ok(());
        }
        let module = module_of(value);
        if module == "numpy"
            && let Some(item) = text::unless_failed(value.py(), value.call_method0("item"))?
            // Arrays of objects may hold one another, and each hop would be one deeper on the stack.
            && module_of(&item) != "numpy"
        {
            return self.value(builder, tag, &item);
        }
        let text = match module.as_str() {
            "datetime" => text::render(value, builder, |value| {
                let form = if value.hasattr("isoformat")? {
                    value.call_method0("isoformat")?
                } else {
                    value.str()?.into_any()
                };
                form.cast_into::<PyString>().map_err(PyErr::from)
            })?,
            "decimal" | "uuid" | "pathlib" | "pathlib._local" | "fractions" | "ipaddress" => {
                text::render(value, builder, pyo3::types::PyAnyMethods::str)?
            }
            _ => text::render(value, builder, pyo3::types::PyAnyMethods::repr)?,
        };
        let text = text::read(&text, REPR_BYTES_MAX, builder);
        let text = self.shown(&text);
        let text = builder.fit(&text, REPR_BYTES_MAX).into_owned();
        put_scalar(builder.buffer(), tag, Scalar::Str(&text));
        Ok(())
    }
}

/// The module of a value's class; empty if it has none that is text.
fn module_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().module().map(|module| module.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The fields of a named tuple by name: what a name hides must be hidden here too. And what a read-only view of a dict
/// (`types.MappingProxyType`) shows.
#[inline(never)]
pub(super) fn named_fields<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    if value.is_exact_instance_of::<PyMappingProxy>() {
        let dict = PyDict::new(value.py());
        dict.update(value.cast::<PyMapping>().ok()?).ok()?;
        return Some(dict);
    }
    let tuple = value.cast::<PyTuple>().ok()?;
    if tuple.is_exact_instance_of::<PyTuple>() {
        return None;
    }
    let names = value.get_type().getattr_opt("_fields").ok()??.cast_into::<PyTuple>().ok()?;
    if names.len() != tuple.len() {
        return None;
    }
    let dict = PyDict::new(value.py());
    for (name, item) in names.iter().zip(tuple.iter()) {
        dict.set_item(name.cast::<PyString>().ok()?, item).ok()?;
    }
    Some(dict)
}

/// The elements of a list, tuple or set, as a snapshot; `None` for anything else.
fn elements<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    let items = if let Ok(list) = value.cast::<PyList>() {
        list.iter().take(NODES_MAX).collect()
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        tuple.iter().take(NODES_MAX).collect()
    } else if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        members(value)?.iter().take(NODES_MAX).collect()
    } else {
        return Ok(None);
    };
    Ok(Some(items))
}

/// A copy of a set, made by CPython without asking the class of the set: other threads may change it between two steps
/// of an iteration, and a subclass may answer anything when it is iterated.
pub(super) fn members<'py>(set: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyFrozenSet>> {
    set.py().get_type::<PyFrozenSet>().call1((set,))?.cast_into().map_err(PyErr::from)
}

/// Copies no more than fits: the array may be of any size, and may change once other code runs.
fn put_byte_array(builder: &mut RecordBuilder, tag: u8, bytes: &Bound<'_, PyByteArray>) {
    let length = bytes.len();
    let kept = length.min(builder.room());
    if kept < length {
        builder.note_truncation(length as u64);
    }
    put_scalar(builder.buffer(), tag, Scalar::Bytes(&ffi::first_bytes(bytes, kept)));
}

fn put_bytes(builder: &mut RecordBuilder, tag: u8, bytes: &[u8]) {
    let kept = bytes.len().min(builder.room());
    if kept < bytes.len() {
        builder.note_truncation(bytes.len() as u64);
    }
    put_scalar(builder.buffer(), tag, Scalar::Bytes(&bytes[..kept]));
}
