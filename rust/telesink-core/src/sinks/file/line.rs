//! A log record as one line: an object of JSON, or logfmt.

use super::glog::{self, Glog};
use super::text::{LINE_BYTES_MAX, push_bounded, push_text};
use crate::record::iso::write_utc;
use crate::record::json::{append_attributes, write_hex, write_object, write_str, write_value};
use crate::record::value::Value;
use crate::record::view::LogView;
use crate::sinks::console::text::push_token;
use std::borrow::Cow;

/// How log records are written.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// An object a line: `ts`, `level`, `msg`, the attributes, then where it comes from.
    Json,
    /// A `LogsData` of OTLP a line, each with many records.
    Otlp,
    /// `ts=... level=... msg="..." key=value`.
    Logfmt,
    /// Google's form, as glog and klog write it.
    Glog(Glog),
}

/// Names that each object has; an attribute of such a name is written with [`RENAMED`] in front, so that no reader finds
/// a name twice and nothing is lost.
const OWN: [&str; 3] = ["ts", "level", "msg"];

const RENAMED: &str = "attr.";

/// Writes the record without the end of the line.
pub(super) fn write(out: &mut Vec<u8>, layout: &Layout, view: &LogView<'_>, logger: &str) {
    match layout {
        Layout::Json | Layout::Otlp => write_json(out, view, logger),
        Layout::Logfmt => push_bounded(out, LINE_BYTES_MAX, |out| write_logfmt(out, view, logger)),
        Layout::Glog(glog) => push_bounded(out, LINE_BYTES_MAX, |out| glog::write(out, glog, view)),
    }
}

fn write_json(out: &mut Vec<u8>, view: &LogView<'_>, logger: &str) {
    out.extend_from_slice(b"{\"ts\":\"");
    write_utc(out, view.header.time_unix_nano);
    out.extend_from_slice(b"\",\"level\":");
    write_str(out, view.level());
    out.extend_from_slice(b",\"msg\":");
    write_str(out, &view.message());
    let origin = Origin::of(view);
    let own = origin.pairs(view, logger);
    let mut places = ["", "", "", "", "", "", ""];
    let names = OWN.into_iter().chain(own.clone().map(|(name, _)| name));
    let count = places.iter_mut().zip(names).map(|(place, name)| *place = name).count();
    let taken = &places[..count];
    if append_attributes(out, view, taken) {
        for (name, value) in own {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            write_value(out, value);
        }
        out.push(b'}');
        return;
    }
    let renamed = |key| -> Cow<'_, str> {
        if taken.contains(&key) { format!("{RENAMED}{key}").into() } else { key.into() }
    };
    let mut pairs: Vec<(Cow<'_, str>, Value<'_>)> =
        view.attributes().map(|(key, value)| (renamed(key), value)).collect();
    pairs.extend(own.map(|(name, value)| (name.into(), value)));
    let start = out.len();
    write_object(out, pairs.iter().map(|(key, value)| (key.as_ref(), *value)));
    // A further part of the object that was begun: there is at least one attribute in it.
    out[start] = b',';
}

/// Ids as text, for the pairs that say where a record comes from.
struct Origin {
    trace_id: String,
    span_id: String,
}

impl Origin {
    fn of(view: &LogView<'_>) -> Self {
        Self { trace_id: hex(&view.header.trace_id), span_id: hex(&view.header.span_id) }
    }

    fn pairs<'a>(
        &'a self,
        view: &LogView<'a>,
        logger: &'a str,
    ) -> impl Iterator<Item = (&'a str, Value<'a>)> + Clone + use<'a> {
        let pairs = [
            ("logger", logger),
            ("event_name", view.event_name),
            ("trace_id", self.trace_id.as_str()),
            ("span_id", self.span_id.as_str()),
        ];
        pairs.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, Value::Str(text)))
    }
}

/// Hex digits; nothing for an id of zeros.
fn hex(id: &[u8]) -> String {
    if id.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    let mut digits = Vec::with_capacity(2 * id.len());
    write_hex(&mut digits, id);
    String::from_utf8(digits).unwrap_or_default()
}

fn write_logfmt(out: &mut Vec<u8>, view: &LogView<'_>, logger: &str) {
    out.extend_from_slice(b"ts=");
    write_utc(out, view.header.time_unix_nano);
    out.extend_from_slice(b" level=");
    push_token(out, view.level(), "");
    out.extend_from_slice(b" msg=");
    push_token(out, &view.message(), "");
    let origin = Origin::of(view);
    let own = origin.pairs(view, logger);
    for (key, value) in own.clone() {
        push_pair(out, key, value);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in view.attributes() {
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        if OWN.contains(&key) || own.clone().any(|(name, _)| name == key) {
            push_pair(out, &format!("{RENAMED}{key}"), value);
        } else {
            push_pair(out, key, value);
        }
    }
}

fn push_pair(out: &mut Vec<u8>, key: &str, value: Value<'_>) {
    out.push(b' ');
    push_token(out, key, "");
    out.push(b'=');
    push_token(out, &push_text(value), "");
}
