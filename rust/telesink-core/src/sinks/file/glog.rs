//! Lines as glog writes them: `[job 7]I0131 12:00:00.123456 shop.py:12] paid, invoice: 7`.

use super::text::push_text;
use crate::record::value::Value;
use crate::record::view::LogView;
use crate::sinks::console::text::{push, push_escaped};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the lines of one sink have in common.
#[derive(Debug, Clone)]
pub(super) struct Glog {
    /// The value of the environment variable that was named; `-` without one.
    pub(super) prefix: String,
    pub(super) zone: TimeZone,
}

/// The attribute that stands in front of the message.
const SUBJECT: &str = "subject";

/// Attributes that are told by the place in front.
const FILE: &str = "code.file.path";
const LINE: &str = "code.line.number";

pub(super) fn write(out: &mut Vec<u8>, glog: &Glog, view: &LogView<'_>) {
    out.push(b'[');
    push_escaped(out, &glog.prefix);
    out.push(b']');
    out.push(letter(view.header.severity));
    let nanos = i128::from(view.header.time_unix_nano);
    let time = Timestamp::from_nanosecond(nanos).unwrap_or_default().to_zoned(glog.zone.clone());
    push(out, time.strftime("%m%d %H:%M:%S"));
    push(out, format_args!(".{:06} ", time.subsec_nanosecond() / 1_000));
    let (mut file, mut line, mut subject) = ("unknown", 0, None);
    for (key, value) in view.attributes() {
        match (key, value) {
            (FILE, Value::Str(path)) => file = path.rsplit(['/', '\\']).next().unwrap_or(path),
            (LINE, Value::Int(number)) => line = number,
            (SUBJECT, value) if subject.is_none() => subject = Some(push_text(value)),
            _ => {}
        }
    }
    push_escaped(out, file);
    push(out, format_args!(":{line}] "));
    if let Some(subject) = subject {
        push_escaped(out, &subject);
        out.push(b' ');
    }
    let message = view.message();
    push_escaped(out, if view.body == Value::Null || message.is_empty() { "event" } else { &message });
    let mut seen = vec![FILE, LINE, SUBJECT];
    for (key, value) in view.attributes() {
        if !seen.contains(&key) {
            seen.push(key);
            out.extend_from_slice(b", ");
            push_escaped(out, key);
            out.extend_from_slice(b": ");
            push_escaped(out, &push_text(value));
        }
    }
}

/// The first letter of the level, by OTLP's severity.
fn letter(severity: u8) -> u8 {
    match severity {
        1..=4 => b'T',
        5..=8 => b'D',
        13..=16 => b'W',
        17.. => b'E',
        _ => b'I',
    }
}
