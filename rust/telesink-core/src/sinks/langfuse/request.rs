//! Spans as one request: an OTLP `ExportTraceServiceRequest`.

use super::event::Event;
use super::span::{Defaults, put_span};
use crate::record::Signal;
use crate::record::wire::{begin_nested, end_nested, put_bytes, put_varint};
use crate::sinks::Batch;

/// Encodes entries of a batch until `bytes_max` is passed, in the place of what `out` held; answers how many, one at
/// least. Spans that came as such are not encoded again.
pub(super) fn encode(batch: &Batch<'_>, defaults: &Defaults, bytes_max: usize, out: &mut Vec<u8>) -> usize {
    let (scopes, resources) = (batch.tables.scopes(), batch.tables.resources());
    out.clear();
    let mut open: Option<((u32, u32), usize, usize)> = None;
    let mut count = 0;
    for entry in batch.entries {
        let header = entry.record.header();
        let key = (header.resource, header.scope);
        if open.is_none_or(|(known, _, _)| known != key) {
            close(out, open.take());
            let resource = begin_nested(out, 0x0a);
            if let Some(known) = resources.get(header.resource as usize) {
                put_bytes(out, 0x0a, &known.encoded);
            }
            let scope = begin_nested(out, 0x12);
            if let Some(known) = scopes.get(header.scope as usize) {
                put_bytes(out, 0x0a, &known.encoded);
            }
            open = Some((key, resource, scope));
        }
        if header.signal == Signal::Span {
            let [body, appended] = entry.message();
            out.push(0x12);
            put_varint(out, (body.len() + appended.len()) as u64);
            out.extend_from_slice(body);
            out.extend_from_slice(appended);
        } else if let Some(event) = Event::of_entry(entry) {
            put_span(out, &event, defaults);
        }
        count += 1;
        if out.len() >= bytes_max {
            break;
        }
    }
    close(out, open);
    count
}

fn close(out: &mut [u8], open: Option<((u32, u32), usize, usize)>) {
    if let Some((_, resource, scope)) = open {
        end_nested(out, scope);
        end_nested(out, resource);
    }
}
