//! A dead letter that anybody may have written: no panic, and what is taken for a record is one that sinks can hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telesink_core::fuzzing;
use telesink_core::record::json::write_attributes;
use telesink_core::record::letter::{Letter, first_place, read};
use telesink_core::record::view::LogView;
use telesink_core::sinks::Entry;
use telesink_fuzz::{assert_one_object, halves};

const INSTANCE: [u8; 16] = [3; 16];

fuzz_target!(|input: &[u8]| {
    // The time stands in the line, too: eight bytes, then the logger, then the message.
    let Some((time, rest)) = input.split_first_chunk::<8>() else { return };
    let (logger, otlp) = halves(rest);
    let logger = String::from_utf8_lossy(logger);
    let time_unix_nano = u64::from_le_bytes(*time);
    let letter = Letter { otlp, id: [7; 16], instance: INSTANCE, seq: 42, time_unix_nano };

    let Ok(record) = read(&letter, 0, &logger) else { return };

    assert!(record.body().starts_with(otlp));
    let view = LogView::new(&record, &[]);
    assert!(i64::try_from(view.header.time_unix_nano).is_ok() && view.header.severity <= 24);
    assert_eq!((view.header.time_unix_nano, view.header.id), (time_unix_nano, [7; 16]));
    for text in [view.message().as_ref(), view.level(), view.event_name] {
        assert!(!text.contains('\0'), "{text:?}");
    }
    let mut attributes = Vec::new();
    write_attributes(&mut attributes, &view);
    attributes.push(b'\n');
    assert_one_object(&attributes);
    // Refused again and replayed again, it is the same record, and says where it stood first.
    let first = first_place(&view).expect("where it stood first");
    let line = fuzzing::dead_letter_line(&Entry::new(9, record.clone()), "23514", "no", "shop");
    let again = assert_one_object(&line);
    assert_eq!(again["seq"], first.1);
    let body = record.body().to_vec();
    let second = read(&Letter { otlp: &body, seq: 9, ..letter }, 1, "shop").expect("it was read before");
    assert_eq!(first_place(&LogView::new(&second, &[])), Some(first));
});
