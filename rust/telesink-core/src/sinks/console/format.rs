//! The three layouts. Pure: record, time zone and style in, text out.
//!
//! In the two layouts for people a record is one line, followed only by the moved-in lines of its stack traces.
//! `json` is one line always.

use super::style::{Ink, Style};
use super::text::{cut, make_json_safe, push, push_escaped, push_token};
use super::trace::write_trace;
use crate::record::json::{write_hex, write_object, write_str, write_value};
use crate::record::value::Value;
use crate::record::view::LogView;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Longest value that the pretty layout shows, in characters; the other layouts cut nothing.
pub(super) const VALUE_CHARS_MAX: usize = 200;

/// Columns that a level takes at least: as many as the longest of OTLP's short names.
const LEVEL_CHARS: usize = 5;

/// Attributes whose names begin like this say where a record came from, not what it says; only `json` has them.
const HIDDEN_PREFIXES: [&str; 5] = ["code.", "thread.", "process.", "exception.", "telesink."];

/// Exceptions from [`HIDDEN_PREFIXES`]: they say that the line does not show everything.
const SHOWN: [&str; 2] = ["telesink.format_error", "telesink.truncated_from"];

/// Attribution that says "nobody in particular" with the value [`NOBODY`] is not shown to people.
const ATTRIBUTION: [&str; 6] = ["user_id", "session_id", "task_id", "trace_id", "context_id", "client_id"];

/// The value that stands for records of the program itself.
const NOBODY: &str = "system";

/// A record as text.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// For a terminal: local time of day, symbol, colours, long values cut.
    Pretty {
        /// The zone that times are shown in.
        zone: TimeZone,
        /// Colours and symbols.
        style: Style,
    },
    /// For files that people read: date and time in UTC, no colour, nothing cut.
    Plain,
    /// For programs: one JSON object with `ts`, `level`, `logger`, `msg`, then `event_name`, `trace_id` and
    /// `span_id` where there are any, and `attributes`, none of them hidden.
    Json,
}

impl Layout {
    /// Appends the record, line end included.
    pub(super) fn write(&self, out: &mut Vec<u8>, view: &LogView<'_>, logger: &str) {
        match self {
            Layout::Pretty { zone, style } => write_pretty(out, view, logger, zone, *style),
            Layout::Plain => write_plain(out, view, logger),
            Layout::Json => write_json(out, view, logger),
        }
    }
}

fn write_pretty(out: &mut Vec<u8>, view: &LogView<'_>, logger: &str, zone: &TimeZone, style: Style) {
    let time = zone.to_datetime(time_of(view));
    let ink = Ink::of_severity(view.header.severity);
    style.paint(out, Ink::Dim, |out| push_clock(out, time));
    out.push(b' ');
    style.paint(out, ink, |out| {
        push(out, style.symbol(ink));
        out.push(b' ');
        push_level(out, view.level());
    });
    if !logger.is_empty() {
        out.push(b' ');
        style.paint(out, Ink::Dim, |out| push_escaped(out, logger));
    }
    push_message(out, view);
    if extras(view).next().is_some() {
        out.push(b' ');
        let limit = Limit { chars_max: VALUE_CHARS_MAX, ellipsis: style.ellipsis() };
        style.paint(out, Ink::Dim, |out| push_pairs(out, extras(view), limit));
    }
    out.push(b'\n');
    push_traces(out, view, style);
}

fn write_plain(out: &mut Vec<u8>, view: &LogView<'_>, logger: &str) {
    let time = TimeZone::UTC.to_datetime(time_of(view));
    push(out, time.date());
    out.push(b'T');
    push_clock(out, time);
    out.extend_from_slice(b"Z ");
    push_level(out, view.level());
    if !logger.is_empty() {
        out.push(b' ');
        push_escaped(out, logger);
    }
    push_message(out, view);
    if extras(view).next().is_some() {
        out.push(b' ');
        push_pairs(out, extras(view), Limit { chars_max: usize::MAX, ellipsis: "" });
    }
    out.push(b'\n');
    push_traces(out, view, Style { has_color: false, has_unicode: true });
}

fn write_json(out: &mut Vec<u8>, view: &LogView<'_>, logger: &str) {
    let start = out.len();
    push(out, format_args!("{{\"ts\":\"{:.9}\",\"level\":", time_of(view)));
    write_str(out, view.level());
    out.extend_from_slice(b",\"logger\":");
    write_str(out, logger);
    out.extend_from_slice(b",\"msg\":");
    write_value(out, view.body);
    if !view.event_name.is_empty() {
        out.extend_from_slice(b",\"event_name\":");
        write_str(out, view.event_name);
    }
    push_hex_field(out, "trace_id", &view.header.trace_id);
    push_hex_field(out, "span_id", &view.header.span_id);
    out.extend_from_slice(b",\"attributes\":");
    // An object of their own: an attribute called `level` must not replace the level.
    write_object(out, view.attributes());
    out.push(b'}');
    make_json_safe(out, start);
    out.push(b'\n');
}

pub(super) fn push_hex_field(out: &mut Vec<u8>, name: &str, id: &[u8]) {
    if id.iter().any(|&byte| byte != 0) {
        push(out, format_args!(",\"{name}\":\""));
        write_hex(out, id);
        out.push(b'"');
    }
}

/// The record's own time; when it has none, the time at which it was taken.
fn time_of(view: &LogView<'_>) -> Timestamp {
    let own = view.header.time_unix_nano;
    let nanoseconds = if own == 0 { view.header.observed_unix_nano } else { own };
    // 64 bits end in the year 2554, which the type can hold.
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default()
}

pub(super) fn push_clock(out: &mut Vec<u8>, time: DateTime) {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    push(out, format_args!("{hour:02}:{minute:02}:{second:02}.{:03}", time.millisecond()));
}

pub(super) fn push_level(out: &mut Vec<u8>, level: &str) {
    push_escaped(out, level);
    for _ in level.chars().count()..LEVEL_CHARS {
        out.push(b' ');
    }
}

fn push_message(out: &mut Vec<u8>, view: &LogView<'_>) {
    if view.body == Value::Null || view.body == Value::Str("") {
        return; // An event may be its name and attributes alone.
    }
    out.push(b' ');
    push_escaped(out, &view.message());
}

/// How much of a value is shown.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) chars_max: usize,
    pub(super) ellipsis: &'static str,
}

/// What is shown behind the message.
fn extras<'a>(view: &LogView<'a>) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
    let event = (!view.event_name.is_empty()).then_some(("event_name", Value::Str(view.event_name)));
    event.into_iter().chain(view.attributes().filter(|(key, value)| is_shown(key, *value)))
}

fn is_shown(key: &str, value: Value<'_>) -> bool {
    if value == Value::Str(NOBODY) && ATTRIBUTION.contains(&key) {
        return false;
    }
    let is_hidden =
        key == "asyncio.task.name" || HIDDEN_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
    !is_hidden || SHOWN.contains(&key)
}

/// Writes pairs as `key=value`.
pub(super) fn push_pairs<'a>(
    out: &mut Vec<u8>,
    pairs: impl Iterator<Item = (&'a str, Value<'a>)>,
    limit: Limit,
) {
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        push_token(out, key, "");
        out.push(b'=');
        push_value(out, value, limit);
    }
}

fn push_value(out: &mut Vec<u8>, value: Value<'_>, limit: Limit) {
    if let Value::Str(text) = value {
        let (shown, is_cut) = cut(text, limit.chars_max);
        push_token(out, shown, if is_cut { limit.ellipsis } else { "" });
        return;
    }
    // JSON shows its own end, so lists and maps need no quotes around them.
    let start = out.len();
    write_value(out, value);
    make_json_safe(out, start);
    let json = std::str::from_utf8(&out[start..]).unwrap_or_default();
    let (shown, is_cut) = cut(json, limit.chars_max);
    if is_cut {
        let end = start + shown.len();
        out.truncate(end);
        out.extend_from_slice(limit.ellipsis.as_bytes());
    }
}

/// Writes what belongs below the line: where the call was made (`stack_info=True`), and the exception.
fn push_traces(out: &mut Vec<u8>, view: &LogView<'_>, style: Style) {
    let text =
        |name: &str| view.attribute(name).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
    if let Some(stack) = text("code.stacktrace") {
        write_trace(out, stack, style);
    }
    if let Some(trace) = text("exception.stacktrace") {
        write_trace(out, trace, style);
        return;
    }
    // Without a trace the type and the text still say what happened; CPython joins them in the same way.
    match (text("exception.type"), text("exception.message")) {
        (Some(kind), Some(message)) => write_trace(out, &format!("{kind}: {message}"), style),
        (Some(only), None) | (None, Some(only)) => write_trace(out, only, style),
        (None, None) => {}
    }
}
