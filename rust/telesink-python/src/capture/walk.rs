//! Dicts with usual names and plain values, as nearly all are: written in one walk, without a copy.

use super::numbers::exact_number;
use super::text;
use super::values::{NODES_MAX, ValueReader};
use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use telesink_core::record::encode::{Key, RecordBuilder};
use telesink_core::record::value::{Scalar, begin_list, begin_pair, end_container, put_pair, put_scalar};
use telesink_core::record::wire::end_nested;
use telesink_core::redact::REDACTED;

impl ValueReader<'_> {
    /// Writes the pairs of a dict as attributes, as long as names and values are plain: without a copy of the dict, and
    /// without letting Python code run. Answers how many.
    pub(super) fn plain_attributes(
        &mut self,
        builder: &mut RecordBuilder,
        dict: &Bound<'_, PyDict>,
    ) -> usize {
        let mut written = 0;
        ffi::walk_dict_while(dict, |_, key, value| {
            let is_written = written < NODES_MAX && self.plain_attribute(builder, &key, &value);
            written += usize::from(is_written);
            is_written
        });
        written
    }

    #[inline]
    fn plain_attribute(
        &mut self,
        builder: &mut RecordBuilder,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> bool {
        if let Ok(items) = value.cast_exact::<PyTuple>() {
            return self.plain_list(builder, key, items);
        }
        self.plain(builder, key, value, RecordBuilder::attribute_of)
    }

    /// Writes an attribute that is a list, as OpenTelemetry keeps one: a tuple of texts or of numbers. False, and nothing
    /// is written, if something in it is not plain.
    #[inline(never)]
    fn plain_list(
        &mut self,
        builder: &mut RecordBuilder,
        key: &Bound<'_, PyAny>,
        items: &Bound<'_, PyTuple>,
    ) -> bool {
        let Some(key) = text::plain_key(key) else { return false };
        let is_hidden = self.redaction.hides_name(key.as_str());
        if is_hidden || self.is_exhausted(builder) || builder.room() < key.as_str().len() + 64 {
            return false;
        }
        let (begin, nodes) = (builder.buffer().len(), self.nodes);
        let tag = builder.attribute_tag();
        let pair = begin_pair(builder.buffer(), tag, key.as_str());
        let list = begin_list(builder.buffer(), 0x12);
        // The list is one, too.
        self.nodes += 1;
        for item in items.iter_borrowed() {
            if self.is_exhausted(builder) {
                builder.drop_attribute();
                break;
            }
            if !self.plain_item(builder, &item) {
                builder.buffer().truncate(begin);
                self.nodes = nodes;
                return false;
            }
            self.nodes += 1;
        }
        end_container(builder.buffer(), list);
        end_nested(builder.buffer(), pair);
        true
    }

    #[inline]
    fn plain_item(&self, builder: &mut RecordBuilder, item: &Bound<'_, PyAny>) -> bool {
        if let Some(number) = exact_number(item) {
            put_scalar(builder.buffer(), 0x0a, number);
            return true;
        }
        let room = builder.room();
        let Some(text) = item.cast_exact::<PyString>().ok().and_then(|text| text::plain(text, room)) else {
            return false;
        };
        let text = self.shown(text);
        let text = builder.fit(&text, room);
        put_scalar(builder.buffer(), 0x0a, Scalar::Str(&text));
        true
    }

    /// Writes the pairs of a map, as [`Self::plain_attributes`] does attributes. Answers how many.
    #[inline(never)]
    pub(super) fn plain_pairs(&mut self, builder: &mut RecordBuilder, dict: &Bound<'_, PyDict>) -> usize {
        let mut written = 0;
        ffi::walk_dict_while(dict, |_, key, value| {
            let is_written =
                written < NODES_MAX && !self.is_exhausted(builder) && self.plain_pair(builder, &key, &value);
            written += usize::from(is_written);
            is_written
        });
        written
    }

    /// Writes a pair of a map at once; false, and nothing is written, if name or value is not plain.
    #[inline]
    pub(super) fn plain_pair(
        &mut self,
        builder: &mut RecordBuilder,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> bool {
        let is_written = self.plain(builder, key, value, |builder, key, value| match value {
            Scalar::Str(text) => {
                let room = builder.room().saturating_sub(key.as_str().len());
                let text = builder.fit(text, room);
                put_pair(builder.buffer(), 0x0a, key.as_str(), Scalar::Str(&text));
            }
            number => put_pair(builder.buffer(), 0x0a, key.as_str(), number),
        });
        self.nodes += usize::from(is_written);
        is_written
    }

    /// Hands name and value to `write`; false, without calling it, if one of them is not plain.
    #[inline]
    fn plain(
        &mut self,
        builder: &mut RecordBuilder,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        write: impl Fn(&mut RecordBuilder, Key<'_>, Scalar<'_>),
    ) -> bool {
        let known = self.names.as_deref_mut().and_then(|names| names.find(key, self.redaction));
        let (key, is_hidden) = if let Some(name) = known {
            (name.key.as_key(), name.is_hidden)
        } else {
            let Some(key) = text::plain_key(key) else { return false };
            // The answer costs a look at the name, and only texts are hidden.
            (key, value.is_exact_instance_of::<PyString>() && self.redaction.hides_name(key.as_str()))
        };
        if let Ok(text) = value.cast_exact::<PyString>() {
            if is_hidden {
                write(builder, key, Scalar::Str(REDACTED));
                return true;
            }
            let Some(text) = text::plain(text, builder.room()) else { return false };
            let text = if self.scans_texts { self.redaction.redact_text(text) } else { text.into() };
            write(builder, key, Scalar::Str(&text));
            return true;
        }
        let Some(number) = exact_number(value) else { return false };
        write(builder, key, number);
        true
    }
}
