//! Sizes, durations, numbers and levels in words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telesink_core::dsn::units::{parse_bytes, parse_duration, parse_integer};
use telesink_core::record::level;

fuzz_target!(|text: &str| {
    // Counters and files are signed, and clocks have an end.
    assert!(parse_bytes(text).is_none_or(|bytes| i64::try_from(bytes).is_ok()));
    assert!(parse_duration(text).is_none_or(|time| std::time::Instant::now().checked_add(time).is_some()));
    assert!(
        parse_integer(text)
            .is_none_or(|number| text.contains(|one: char| one.is_ascii_digit()) || number == 0)
    );
    let _ = level::parse(text);
});
