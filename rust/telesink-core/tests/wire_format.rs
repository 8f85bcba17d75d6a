//! What is inside a record: exact bytes of a known one, and every field as an independent decoder reads it.

mod support;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource as DecodedResource;
use prost::Message;
use serde_json::json;
use support::records::info;
use telesink_core::record::encode::{ATTRIBUTE_TAG, KEY_BYTES_MAX, KeptKey, Key, RecordBuilder};
use telesink_core::record::json::{write_attributes, write_hex, write_object};
use telesink_core::record::tables::{Resource, Tables};
use telesink_core::record::value::{
    Scalar, Value, begin_list, begin_map, begin_pair, end_container, find, put_pair, put_scalar,
};
use telesink_core::record::view::LogView;
use telesink_core::record::wire::end_nested;
use telesink_core::record::{Header, Record, Signal, flag};

/// 2026-11-21T10:11:12.345678901Z.
const TIME_UNIX_NANO: u64 = 1_795_255_872_345_678_901;

fn header() -> Header {
    Header {
        signal: Signal::Log,
        severity: 17,
        flags: flag::URGENT | flag::RESERVE,
        time_unix_nano: TIME_UNIX_NANO,
        observed_unix_nano: TIME_UNIX_NANO + 1_000,
        id: [0x11; 16],
        trace_id: *b"0123456789abcdef",
        span_id: *b"01234567",
        resource: 3,
        scope: 258,
        levelno: 40,
    }
}

/// A record with every kind of field and value.
fn known_record() -> Record {
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.severity(17, "ERROR");
    builder.body("paid 12 € \"now\"");
    builder.event_name("shop.paid");
    builder.attribute("text", Scalar::Str("línea\n2"));
    builder.attribute("empty", Scalar::Str(""));
    builder.attribute("yes", Scalar::Bool(true));
    builder.attribute("no", Scalar::Bool(false));
    builder.attribute("least", Scalar::Int(i64::MIN));
    builder.attribute("most", Scalar::Int(i64::MAX));
    builder.attribute("zero", Scalar::Int(0));
    builder.attribute("double", Scalar::Double(-1.5e-7));
    builder.attribute("bytes", Scalar::Bytes(&[0, 255, 128]));
    builder.attribute("nothing", Scalar::Null);
    nested(builder.buffer());
    builder.drop_attribute();
    builder.drop_attribute();
    builder.finish(header(), &[])
}

/// `nested: {list: [1, "two", [true, null]], empty: {}}`, with lengths that are padded to four bytes.
fn nested(out: &mut Vec<u8>) {
    let pair = begin_pair(out, ATTRIBUTE_TAG, "nested");
    let map = begin_map(out, 0x12);
    let list_pair = begin_pair(out, 0x0a, "list");
    let list = begin_list(out, 0x12);
    put_scalar(out, 0x0a, Scalar::Int(1));
    put_scalar(out, 0x0a, Scalar::Str("two"));
    let inner = begin_list(out, 0x0a);
    put_scalar(out, 0x0a, Scalar::Bool(true));
    put_scalar(out, 0x0a, Scalar::Null);
    end_container(out, inner);
    end_container(out, list);
    end_nested(out, list_pair);
    let empty_pair = begin_pair(out, 0x0a, "empty");
    let empty = begin_map(out, 0x12);
    end_container(out, empty);
    end_nested(out, empty_pair);
    end_container(out, map);
    end_nested(out, pair);
}

fn decode(record: &Record) -> LogRecord {
    LogRecord::decode(record.body()).expect("an OTLP log record")
}

/// A decoded value as JSON, bytes as their debug form.
fn readable(value: Option<&AnyValue>) -> serde_json::Value {
    match value.and_then(|value| value.value.as_ref()) {
        None => serde_json::Value::Null,
        Some(Decoded::StringValue(text)) => json!(text),
        Some(Decoded::BoolValue(truth)) => json!(truth),
        Some(Decoded::IntValue(number)) => json!(number),
        Some(Decoded::DoubleValue(number)) => json!(number),
        Some(Decoded::BytesValue(bytes)) => json!({ "bytes": bytes }),
        Some(Decoded::ArrayValue(list)) => list.values.iter().map(|value| readable(Some(value))).collect(),
        Some(Decoded::KvlistValue(map)) => object(&map.values),
        Some(other) => panic!("telesink writes no {other:?}"),
    }
}

fn object(pairs: &[KeyValue]) -> serde_json::Value {
    pairs.iter().map(|pair| (pair.key.clone(), readable(pair.value.as_ref()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    for line in bytes.chunks(32) {
        write_hex(&mut text, line);
        text.push(b'\n');
    }
    String::from_utf8(text).expect("digits")
}

#[test]
fn a_known_record_has_exactly_these_bytes() {
    let golden = include_str!("golden/log_record.hex");

    let written = hex(known_record().body());

    assert_eq!(written, golden, "if the change is meant, put this into the golden file:\n{written}");
}

#[test]
fn an_independent_decoder_reads_every_field() {
    let decoded = decode(&known_record());

    assert_eq!(decoded.time_unix_nano, TIME_UNIX_NANO);
    assert_eq!(decoded.observed_time_unix_nano, TIME_UNIX_NANO + 1_000);
    assert_eq!((decoded.severity_number, decoded.severity_text.as_str()), (17, "ERROR"));
    assert_eq!(readable(decoded.body.as_ref()), "paid 12 € \"now\"");
    assert_eq!(decoded.event_name, "shop.paid");
    assert_eq!(decoded.trace_id, b"0123456789abcdef");
    assert_eq!(decoded.span_id, b"01234567");
    assert_eq!(decoded.dropped_attributes_count, 2);
    let expected = json!({
        "text": "línea\n2",
        "empty": "",
        "yes": true,
        "no": false,
        "least": i64::MIN,
        "most": i64::MAX,
        "zero": 0,
        "double": -1.5e-7,
        "bytes": { "bytes": [0, 255, 128] },
        "nothing": null,
        "nested": { "list": [1, "two", [true, null]], "empty": {} },
    });
    assert_eq!(object(&decoded.attributes), expected);
}

#[test]
fn a_record_without_context_has_no_ids() {
    let decoded = decode(&info("plain"));

    assert!(decoded.trace_id.is_empty() && decoded.span_id.is_empty());
    assert_eq!((decoded.event_name.as_str(), decoded.dropped_attributes_count), ("", 0));
}

#[test]
fn the_header_is_read_as_it_was_written_and_survives_a_clone() {
    let record = known_record();
    let expected = Header { flags: flag::URGENT | flag::RESERVE | flag::TRUNCATED, ..header() };

    assert_eq!(record.header(), expected);
    assert_eq!(record.clone().header(), expected);
    assert_eq!(record.id(), [0x11; 16]);
    assert!(record.has(flag::URGENT) && !record.has(flag::EXCEPTION));
    assert!(record.cost_bytes() > record.body().len());
}

#[test]
fn own_views_and_the_decoder_agree() {
    let record = known_record();
    let view = LogView::new(&record, &[]);

    assert_eq!(view.body.as_str(), Some("paid 12 € \"now\""));
    assert_eq!((view.severity_text, view.event_name, view.dropped_attributes), ("ERROR", "shop.paid", 2));
    let decoded = decode(&record);
    let keys: Vec<&str> = view.attributes().map(|(key, _)| key).collect();
    let decoded_keys: Vec<&str> = decoded.attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, decoded_keys);
    assert_eq!(view.attribute("least"), Some(Value::Int(i64::MIN)));
    assert_eq!(view.attribute("double"), Some(Value::Double(-1.5e-7)));
    assert_eq!(view.attribute("nobody"), None);
}

#[test]
fn attributes_as_json_say_the_same_as_the_record() {
    let record = known_record();
    let mut out = Vec::new();

    write_attributes(&mut out, &LogView::new(&record, &[]));

    let mut expected = object(&decode(&record).attributes);
    // JSON has no bytes: base64 of 00 ff 80.
    expected["bytes"] = json!("AP+A");
    let written: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
    assert_eq!(written, expected);
}

#[test]
fn fields_added_on_the_lanes_thread_join_the_record_on_the_wire() {
    let record = known_record();
    let mut appended = Vec::new();
    put_pair(&mut appended, ATTRIBUTE_TAG, "exception.stacktrace", Scalar::Str("Traceback …"));

    let joined = [record.body(), &appended].concat();
    let decoded = LogRecord::decode(joined.as_slice()).expect("protobuf allows more fields at the end");

    let last = decoded.attributes.last().expect("attributes");
    assert_eq!(
        (last.key.as_str(), readable(last.value.as_ref())),
        ("exception.stacktrace", json!("Traceback …"))
    );
    let view = LogView::new(&record, &appended);
    assert_eq!(view.attribute("exception.stacktrace"), Some(Value::Str("Traceback …")));
}

#[test]
fn texts_of_every_length_around_a_longer_length_field_survive() {
    for length in (100..150).chain(16_350..16_400) {
        let text = "é".repeat(length / 2);
        let mut builder = RecordBuilder::new();
        builder.start(1 << 20);
        builder.body(&text);
        builder.attribute(&text[..100], Scalar::Str(&text));

        let decoded = decode(&builder.finish(header(), &[]));

        assert_eq!(readable(decoded.body.as_ref()), text.as_str(), "{length}");
        assert_eq!(readable(decoded.attributes[0].value.as_ref()), text.as_str(), "{length}");
    }
}

#[test]
fn a_key_that_was_looked_at_before_writes_the_same_attribute() {
    let values =
        [Scalar::Str("a\0b"), Scalar::Int(-1), Scalar::Double(0.5), Scalar::Bytes(&[0]), Scalar::Null];
    let of = |write: &dyn Fn(&mut RecordBuilder, Scalar<'_>)| {
        let mut builder = RecordBuilder::new();
        builder.start(1 << 20);
        for value in values {
            write(&mut builder, value);
        }
        builder.finish(header(), &[]).body().to_vec()
    };
    let kept = KeptKey::from(Key::new("http.route").expect("a usual key"));

    assert_eq!(
        of(&|builder, value| builder.attribute_of(kept.as_key(), value)),
        of(&|builder, value| builder.attribute("http.route", value))
    );
}

#[test]
fn a_key_that_would_be_changed_is_none() {
    assert!(Key::new(&"k".repeat(KEY_BYTES_MAX)).is_some());
    for odd in ["k".repeat(KEY_BYTES_MAX + 1), "n\0l".to_owned()] {
        assert!(Key::new(&odd).is_none());
    }
}

#[test]
fn a_pair_is_found_by_its_name_whatever_lies_before_it() {
    let long = "x".repeat(300);
    let names = ["na", "nape", &long, "name", "name", "names"];
    let mut pairs = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        put_pair(&mut pairs, 0x0a, name, Scalar::Int(number as i64));
    }
    let begun = begin_pair(&mut pairs, 0x0a, "padded");
    put_scalar(&mut pairs, 0x12, Scalar::Str(&long));
    end_nested(&mut pairs, begun);

    assert_eq!(find(&pairs, "name"), Some(Value::Int(3)), "the first one of two");
    assert_eq!(find(&pairs, &long), Some(Value::Int(2)));
    assert_eq!(find(&pairs, "padded"), Some(Value::Str(&long)));
    for absent in ["", "n", "namer"] {
        assert_eq!(find(&pairs, absent), None);
    }
}

#[test]
fn text_that_is_no_utf_8_is_shown_as_one_character_however_long_it_is() {
    for length in [0, 1, 63, 64, 65, 1_000] {
        let mut message = vec![b'x'; length];
        message.push(0xff);
        let mut pairs = Vec::new();
        put_pair(&mut pairs, 0x0a, "odd", Scalar::Bytes(&message));
        // The same bytes said to be text.
        let at = pairs.iter().position(|byte| *byte == 0x3a).expect("the tag of bytes");
        pairs[at] = 0x0a;

        assert_eq!(find(&pairs, "odd"), Some(Value::Str("\u{fffd}")), "{length}");
    }
}

#[test]
fn what_is_too_long_is_cut_at_a_character_and_marked_with_its_length() {
    let mut builder = RecordBuilder::new();
    builder.start(10_000);
    builder.body(&"€".repeat(100_000));
    builder.attribute(&"k".repeat(1_000), Scalar::Bool(true));
    builder.attribute("too much", Scalar::Str(&"v".repeat(50_000)));
    for _ in 0..5 {
        builder.attribute("no room", Scalar::Int(1));
    }

    let record = builder.finish(header(), &[]);
    let decoded = decode(&record);

    assert!(record.body().len() <= 10_000, "{}", record.body().len());
    assert!(record.has(flag::TRUNCATED));
    let body = readable(decoded.body.as_ref());
    assert!(body.as_str().expect("text").chars().all(|character| character == '€'));
    assert_eq!(decoded.attributes[0].key.len(), KEY_BYTES_MAX);
    let marks = object(&decoded.attributes);
    assert_eq!(marks["telesink.truncated_from"], 300_000);
    assert!(decoded.dropped_attributes_count > 0);
}

#[test]
fn nul_is_replaced_everywhere_and_marked() {
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.severity(9, "IN\0FO");
    builder.body("a\0b");
    builder.event_name("\0");
    builder.attribute("k\0", Scalar::Str("\0v"));

    let record = builder.finish(header(), &[]);
    let decoded = decode(&record);

    assert!(record.has(flag::SANITISED));
    assert_eq!(readable(decoded.body.as_ref()), "a\u{2400}b");
    assert_eq!((decoded.severity_text.as_str(), decoded.event_name.as_str()), ("IN\u{2400}FO", "\u{2400}"));
    let attributes = object(&decoded.attributes);
    assert_eq!(attributes["k\u{2400}"], "\u{2400}v");
    assert_eq!(attributes["telesink.sanitised"], true);
}

#[test]
fn a_resource_decodes_and_its_json_says_the_same() {
    let pairs = [("service.name", "shop"), ("odd \"key\"", "tab\there")];
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();

    let resource = Resource::new(&pairs);

    let decoded = DecodedResource::decode(resource.encoded.as_slice()).expect("an OTLP resource");
    let json: serde_json::Value = serde_json::from_str(&resource.json).expect("valid JSON");
    assert_eq!(object(&decoded.attributes), json);
    assert_eq!(resource.service_name, "shop");
    assert_eq!(Resource::new(&[]).service_name, "unknown_service");
}

#[test]
fn a_scope_decodes_to_the_name_of_its_logger() {
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    let tables = Tables::new(Resource::new(&[]));

    let index = tables.scope_index("shop.cart");

    let scopes = tables.scopes();
    let decoded = InstrumentationScope::decode(scopes[index as usize].encoded.as_slice()).expect("a scope");
    assert_eq!(decoded.name, "shop.cart");
}

#[test]
fn an_object_of_any_pairs_is_valid_json() {
    let mut out = Vec::new();
    let pairs = [("a\u{1}\"\\", Value::Double(f64::NAN)), ("b", Value::Bytes(b"")), ("c", Value::Null)];

    write_object(&mut out, pairs.into_iter());

    let read: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
    assert_eq!(read, json!({ "a\u{1}\"\\": "NaN", "b": "", "c": null }));
}
