//! What spans and metric points hold beside their own columns: events, links, buckets. Keys are those of OTLP in the
//! spelling of this crate; ids are hex digits, times integers in nanoseconds since the Unix epoch.

use super::{write_double, write_hex, write_object, write_str};
use crate::record::view::{MetricData, PointView, SpanView};

/// Writes the events of a span as a list. Answers whether it has any; nothing is written if it has none.
pub fn write_events(out: &mut Vec<u8>, view: &SpanView<'_>) -> bool {
    write_list(out, view.events(), |out, event| {
        out.extend_from_slice(b"{\"time_unix_nano\":");
        write_integer(out, event.time_unix_nano);
        out.extend_from_slice(b",\"name\":");
        write_str(out, event.name);
        out.extend_from_slice(b",\"attributes\":");
        write_object(out, event.attributes());
        write_dropped(out, event.dropped_attributes);
        out.push(b'}');
    })
}

/// Writes the links of a span as a list, in the way of [`write_events`].
pub fn write_links(out: &mut Vec<u8>, view: &SpanView<'_>) -> bool {
    write_list(out, view.links(), |out, link| {
        out.extend_from_slice(b"{\"trace_id\":\"");
        write_hex(out, &link.trace_id);
        out.extend_from_slice(b"\",\"span_id\":\"");
        write_hex(out, &link.span_id);
        out.push(b'"');
        if !link.trace_state.is_empty() {
            out.extend_from_slice(b",\"trace_state\":");
            write_str(out, link.trace_state);
        }
        out.extend_from_slice(b",\"attributes\":");
        write_object(out, link.attributes());
        write_dropped(out, link.dropped_attributes);
        out.push(b'}');
    })
}

/// Writes bounds and counts of a distribution, or the quantiles of a summary, as an object. Answers whether the point has
/// any; nothing is written if it has none.
pub fn write_buckets(out: &mut Vec<u8>, point: &PointView<'_>) -> bool {
    match point.kind() {
        MetricData::Histogram => {
            out.extend_from_slice(b"{\"bounds\":");
            // A list without elements stays a list.
            write_all(out, point.buckets().filter_map(|(bound, _)| bound), write_double);
            out.extend_from_slice(b",\"counts\":");
            write_all(out, point.buckets().map(|(_, count)| count), write_integer);
            out.push(b'}');
        }
        MetricData::ExponentialHistogram => write_exponential(out, point),
        MetricData::Summary => {
            out.extend_from_slice(b"{\"quantiles\":");
            write_all(out, point.quantiles(), |out, (quantile, value)| {
                out.extend_from_slice(b"{\"quantile\":");
                write_double(out, quantile);
                out.extend_from_slice(b",\"value\":");
                write_double(out, value);
                out.push(b'}');
            });
            out.push(b'}');
        }
        MetricData::Gauge | MetricData::Sum | MetricData::Unknown => return false,
    }
    true
}

fn write_exponential(out: &mut Vec<u8>, point: &PointView<'_>) {
    let exponential = point.exponential();
    out.extend_from_slice(b"{\"scale\":");
    out.extend_from_slice(itoa::Buffer::new().format(exponential.scale).as_bytes());
    out.extend_from_slice(b",\"zero_count\":");
    write_integer(out, exponential.zero_count);
    out.extend_from_slice(b",\"zero_threshold\":");
    write_double(out, exponential.zero_threshold);
    for (key, half) in [(",\"positive\":", exponential.positive), (",\"negative\":", exponential.negative)] {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"{\"offset\":");
        out.extend_from_slice(itoa::Buffer::new().format(half.offset()).as_bytes());
        out.extend_from_slice(b",\"counts\":");
        write_all(out, half.counts(), write_integer);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Writes a list, or nothing if it has no elements. Answers whether it has.
fn write_list<T>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = T>,
    write: impl FnMut(&mut Vec<u8>, T),
) -> bool {
    let mut elements = elements.peekable();
    let has_any = elements.peek().is_some();
    if has_any {
        write_all(out, elements, write);
    }
    has_any
}

fn write_all<T>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, element);
    }
    out.push(b']');
}

fn write_integer(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_dropped(out: &mut Vec<u8>, count: u32) {
    if count > 0 {
        out.extend_from_slice(b",\"dropped_attributes_count\":");
        write_integer(out, u64::from(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::encode::{
        ExponentialBuckets, LinkHead, MetricKind, Number, Point, RecordBuilder, SpanHead, Temporality,
    };
    use crate::record::value::Scalar;
    use crate::record::view::MetricView;
    use crate::record::wire::{put_bytes, put_fixed64};
    use crate::record::{HEADER_BYTES, Header, Record, Signal, level};
    use serde_json::{Value, json};

    fn header(signal: Signal) -> Header {
        Header {
            signal,
            severity: 0,
            flags: 0,
            time_unix_nano: 5,
            observed_unix_nano: 6,
            id: [1; 16],
            trace_id: [2; 16],
            span_id: [3; 8],
            resource: 0,
            scope: 0,
            levelno: level::ALWAYS,
        }
    }

    fn parsed(write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<Value> {
        let mut out = Vec::new();
        if !write(&mut out) {
            assert_eq!(out, b"");
            return None;
        }
        Some(serde_json::from_slice(&out).expect("JSON"))
    }

    fn span(fill: impl FnOnce(&mut RecordBuilder)) -> Record {
        let mut builder = RecordBuilder::new();
        builder.start_span(1 << 20);
        builder.span_head(&SpanHead {
            name: "work",
            kind: 1,
            parent_span_id: [0; 8],
            trace_state: "",
            end_unix_nano: 9,
            flags: 0,
        });
        fill(&mut builder);
        builder.finish_span(header(Signal::Span))
    }

    /// The buckets of a metric of one point.
    fn buckets(kind: MetricKind, point: &Point<'_>) -> Option<Value> {
        let mut builder = RecordBuilder::new();
        builder.start_metric(1 << 20, "m", "", "", kind);
        assert!(builder.open_point(kind, 1, 2, 0, point));
        builder.close_child();
        let record = builder.finish_metric(header(Signal::Metric));
        let point = MetricView::new(&record).points().next().expect("a point");
        parsed(|out| write_buckets(out, &point))
    }

    #[test]
    fn events_and_links_have_times_ids_and_attributes() {
        let record = span(|builder| {
            assert!(builder.open_event(7, "retry \"2\""));
            builder.attribute("number", Scalar::Int(2));
            builder.note_dropped_attributes(1);
            builder.close_child();
            assert!(builder.open_event(8, "end"));
            builder.close_child();
            let link = LinkHead { trace_id: [0xab; 16], span_id: [0x0f; 8], trace_state: "a=1", flags: 0 };
            assert!(builder.open_link(&link));
            builder.attribute("why", Scalar::Str("batch"));
            builder.close_child();
        });
        let view = SpanView::new(&record, &[]);

        let (events, links) = (parsed(|out| write_events(out, &view)), parsed(|out| write_links(out, &view)));

        let expected = json!([
            { "time_unix_nano": 7, "name": "retry \"2\"", "attributes": { "number": 2 },
              "dropped_attributes_count": 1 },
            { "time_unix_nano": 8, "name": "end", "attributes": {} },
        ]);
        assert_eq!(events, Some(expected));
        let expected = json!([{ "trace_id": "ab".repeat(16), "span_id": "0f".repeat(8), "trace_state": "a=1",
                                "attributes": { "why": "batch" } }]);
        assert_eq!(links, Some(expected));
    }

    #[test]
    fn a_span_without_events_and_links_writes_nothing() {
        let record = span(|_| {});
        let view = SpanView::new(&record, &[]);

        assert_eq!(parsed(|out| write_events(out, &view)), None);
        assert_eq!(parsed(|out| write_links(out, &view)), None);
    }

    #[test]
    fn a_histogram_has_bounds_and_one_count_more_and_what_is_infinite_is_text() {
        let kind = MetricKind::Histogram(Temporality::Delta);
        let point = Point::Histogram {
            count: 6,
            sum: Some(1.5),
            min: None,
            max: None,
            bucket_counts: &[1, 2, 3],
            explicit_bounds: &[0.5, f64::INFINITY],
        };

        let expected = json!({ "bounds": [0.5, "Infinity"], "counts": [1, 2, 3] });
        assert_eq!(buckets(kind, &point), Some(expected));
    }

    #[test]
    fn an_exponential_histogram_has_both_halves() {
        let kind = MetricKind::ExponentialHistogram(Temporality::Cumulative);
        let point = Point::Exponential {
            count: 9,
            sum: None,
            min: None,
            max: None,
            scale: -3,
            zero_count: 2,
            zero_threshold: 0.25,
            positive: ExponentialBuckets { offset: -4, counts: &[1, 300] },
            negative: ExponentialBuckets::default(),
        };

        let expected = json!({
            "scale": -3, "zero_count": 2, "zero_threshold": 0.25,
            "positive": { "offset": -4, "counts": [1, 300] }, "negative": { "offset": 0, "counts": [] },
        });
        assert_eq!(buckets(kind, &point), Some(expected));
    }

    #[test]
    fn a_number_has_no_buckets() {
        assert_eq!(buckets(MetricKind::Gauge, &Point::Number(Number::Int(1))), None);
    }

    #[test]
    fn a_summary_has_quantiles() {
        let mut quantile = Vec::new();
        put_fixed64(&mut quantile, 0x09, 0.5_f64.to_bits());
        put_fixed64(&mut quantile, 0x11, f64::NAN.to_bits());
        let (mut point, mut summary) = (Vec::new(), Vec::new());
        put_bytes(&mut point, 0x32, &quantile);
        put_bytes(&mut summary, 0x0a, &point);
        let mut bytes = vec![0; HEADER_BYTES];
        put_bytes(&mut bytes, 0x5a, &summary);
        let body_len = (bytes.len() - HEADER_BYTES) as u32;
        header(Signal::Metric).write(body_len, &mut bytes[..HEADER_BYTES]);
        let record = Record::from_encoded(&bytes);
        let point = MetricView::new(&record).points().next().expect("a point");

        let expected = json!({ "quantiles": [{ "quantile": 0.5, "value": "NaN" }] });
        assert_eq!(parsed(|out| write_buckets(out, &point)), Some(expected));
    }
}
