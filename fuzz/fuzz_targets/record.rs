//! The bytes of a record: read as a view, as JSON, and as a line of the dead-letter file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use telesink_core::fuzzing;
use telesink_core::record::json::{write_attributes, write_value};
use telesink_core::record::wire::Fields;
use telesink_core::sinks::Entry;
use telesink_fuzz::assert_one_object;

fuzz_target!(|input: &[u8]| {
    // The first byte says how much of the rest was added by the lane.
    let Some((share, bytes)) = input.split_first() else { return };
    let (body, appended) = bytes.split_at(bytes.len() * (255 - usize::from(*share)) / 255);
    let mut entry = Entry::new(1, fuzzing::record(body, &[]));
    entry.appended = Some(Arc::from(appended));

    assert!(Fields::new(body).count() <= body.len());
    let view = entry.log();
    let mut out = Vec::new();
    write_attributes(&mut out, &view);
    out.push(b'\n');
    assert_one_object(&out);
    for (key, _) in view.attributes().take(8) {
        let mut one = Vec::new();
        write_value(&mut one, view.attribute(key).expect("it was just there"));
        serde_json::from_slice::<serde_json::Value>(&one).expect("JSON");
    }
    let line =
        fuzzing::dead_letter_line(&entry, "23514", &String::from_utf8_lossy(appended), view.severity_text);
    let letter = assert_one_object(&line);
    assert!(letter["reason"].as_str().expect("text").len() <= 500);
    assert_eq!(letter["record"]["body"], view.message().replace('\0', "\u{2400}"));
});
