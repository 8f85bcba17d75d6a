use super::*;
use crate::record::encode::RecordBuilder;
use crate::record::value::{Value, begin_list, end_container};
use crate::record::view::LogView;
use crate::record::wire::{end_nested, put_bytes, put_fixed64};
use proptest::prelude::*;

const TIME: u64 = 1_795_341_600_000_000_000;

fn original() -> Record {
    let header = Header {
        signal: Signal::Log,
        severity: 17,
        flags: 0,
        time_unix_nano: TIME,
        observed_unix_nano: TIME + 5,
        id: [7; 16],
        trace_id: [1; 16],
        span_id: [2; 8],
        resource: 0,
        scope: 3,
        levelno: 40,
    };
    let mut builder = RecordBuilder::new();
    builder.start(4096);
    builder.severity(17, "ERROR");
    builder.body("no such item");
    builder.event_name("shop.refused");
    builder.attribute("order_id", Scalar::Int(12));
    builder.finish(header, &[])
}

fn letter(otlp: &[u8]) -> Letter<'_> {
    Letter { otlp, id: [7; 16], instance: [9; 16], seq: 42, time_unix_nano: TIME }
}

/// A message with a time, a body, and more.
fn message(more: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_fixed64(&mut out, 0x09, TIME);
    put_bytes(&mut out, 0x2a, &[0x0a, 1, b'x']);
    out.extend_from_slice(more);
    out
}

/// A body of lists, so many deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_fixed64(&mut out, 0x09, TIME);
    let lists: Vec<_> =
        (0..depth).map(|level| begin_list(&mut out, if level == 0 { 0x2a } else { 0x0a })).collect();
    for list in lists.into_iter().rev() {
        end_container(&mut out, list);
    }
    out
}

#[test]
fn a_record_comes_back_as_it_was_and_says_where_it_stood() {
    let before = original();

    let after = read(&letter(before.body()), 3, "shop").expect("a record");

    assert_eq!(after.header(), before.header());
    assert!(after.body().starts_with(before.body()));
    let view = LogView::new(&after, &[]);
    assert_eq!(
        (view.message().as_ref(), view.level(), view.event_name),
        ("no such item", "ERROR", "shop.refused")
    );
    assert_eq!(view.attribute("order_id"), Some(Value::Int(12)));
    assert_eq!(view.attribute(ORIGINAL_SEQ), Some(Value::Int(42)));
    let instance = Value::Str("09090909-0909-0909-0909-090909090909");
    assert_eq!(view.attribute(ORIGINAL_INSTANCE), Some(instance));
}

#[test]
fn where_it_stood_first_can_be_read() {
    let first = original();
    let replayed = read(&letter(first.body()), 3, "shop").expect("a record");

    assert_eq!(first_place(&LogView::new(&first, &[])), None);
    assert_eq!(first_place(&LogView::new(&replayed, &[])), Some(([9; 16], 42)));
}

#[test]
fn where_it_stood_first_is_said_whole_or_not_at_all() {
    for (key, value) in [
        (ORIGINAL_SEQ, Scalar::Int(1)),
        (ORIGINAL_SEQ, Scalar::Int(-1)),
        (ORIGINAL_SEQ, Scalar::Str("1")),
        (ORIGINAL_INSTANCE, Scalar::Str("09090909-0909-0909-0909-090909090909")),
        (ORIGINAL_INSTANCE, Scalar::Str("x")),
    ] {
        let mut more = Vec::new();
        put_pair(&mut more, ATTRIBUTE_TAG, key, value);

        assert_eq!(read(&letter(&message(&more)), 0, "shop").err(), Some(NO_FIRST_PLACE), "{key} {value:?}");
    }
}

#[test]
fn a_line_with_another_time_than_its_record_is_none() {
    let otlp = message(&[]);
    let other = Letter { time_unix_nano: TIME + 1, ..letter(&otlp) };

    assert_eq!(read(&other, 0, "shop").err(), Some("its line says another time than the record"));
}

#[test]
fn a_second_replay_keeps_where_it_stood_first() {
    let once = read(&letter(original().body()), 3, "shop").expect("a record");

    let twice =
        read(&Letter { seq: 1, instance: [8; 16], ..letter(once.body()) }, 3, "shop").expect("a record");

    assert_eq!(twice.body(), once.body());
}

#[test]
fn a_logger_without_an_index_is_kept_as_an_attribute() {
    let record = read(&letter(original().body()), 0, "shop").expect("a record");

    assert_eq!(LogView::new(&record, &[]).attribute("logger.name"), Some(Value::Str("shop")));
}

#[test]
fn what_telesink_cannot_have_written_is_refused_with_the_reason() {
    let deep_pair = {
        let mut out = Vec::new();
        let start = crate::record::value::begin_pair(&mut out, ATTRIBUTE_TAG, "a\0b");
        end_nested(&mut out, start);
        out
    };
    let table: [(Vec<u8>, &str); 12] = [
        (Vec::new(), "no time"),
        (message(&[])[..9].to_vec(), "no body"),
        (message(&[0x10, 25]), "severity"),
        (message(&[0x4a, 2, 1, 1]), "trace id"),
        (message(&[0x52, 2, 1, 1]), "span id"),
        (message(&[0x62, 1, 0xff]), "no UTF-8"),
        (message(&[0x5a, 1, 1]), "another type"),
        (message(&[0x59, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "2262"),
        (message(&[0x32, 9, 1]), "cut or malformed"),
        (message(&[0x2a, 2, 0x42, 0]), "no known kind"),
        (message(&deep_pair), "NUL"),
        (nested(DEPTH_MAX + 2), "too deep"),
    ];
    for (otlp, reason) in table {
        let error = read(&letter(&otlp), 1, "shop").expect_err("refused");
        assert!(error.contains(reason), "{error} for {otlp:?}");
    }
    assert!(read(&letter(&nested(DEPTH_MAX)), 1, "shop").is_ok());
}

#[test]
fn a_cut_letter_is_refused_at_every_byte_but_where_a_field_ends() {
    let whole = original();
    for end in 0..whole.body().len() {
        // What is left may be a shorter message; it must not be one that reads differently.
        if let Ok(record) = read(&letter(&whole.body()[..end]), 1, "shop") {
            assert_eq!(LogView::new(&record, &[]).message(), "no such item", "{end}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_it_takes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for otlp in [bytes.clone(), message(&bytes)] {
            if let Ok(record) = read(&letter(&otlp), 1, "shop") {
                let view = LogView::new(&record, &[]);
                let mut out = Vec::new();
                crate::record::json::write_attributes(&mut out, &view);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
                prop_assert!(!view.message().contains('\0'));
            }
        }
    }

    #[test]
    fn a_letter_with_some_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5)
    ) {
        let mut otlp = original().body().to_vec();
        for (index, byte) in changes {
            let at = index.index(otlp.len());
            otlp[at] = byte;
        }
        if let Ok(record) = read(&letter(&otlp), 1, "shop") {
            prop_assert_eq!(record.id(), [7; 16]);
            let _ = LogView::new(&record, &[]).message();
        }
    }
}
