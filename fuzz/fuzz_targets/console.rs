//! A record on a console: its first line is the record, the others are moved in, and nothing drives the terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telesink_core::fuzzing::{self, FuzzLayout};
use telesink_core::record::view::LogView;
use telesink_fuzz::{assert_one_object, halves, is_unsafe};

/// The text without the colours of the layout: ESC `[`, at most two numbers of two digits, `m`.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut pieces = text.split('\u{1b}');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let inner = piece.strip_prefix('[').expect("a colour");
        let end = inner.find('m').expect("a colour that ends");
        assert!(end <= 5 && inner[..end].chars().all(|one| one.is_ascii_digit() || one == ';'), "{piece:?}");
        plain.push_str(&inner[end + 1..]);
    }
    plain
}

fuzz_target!(|input: &[u8]| {
    let (logger, body) = halves(input);
    let logger = String::from_utf8_lossy(logger);
    let record = fuzzing::record(body, &[]);
    let view = LogView::new(&record, &[]);
    for layout in [FuzzLayout::Pretty, FuzzLayout::Plain, FuzzLayout::Json] {
        let mut out = Vec::new();

        fuzzing::fuzz_line(&mut out, layout, &view, &logger);

        let text = String::from_utf8(out).expect("UTF-8");
        if matches!(layout, FuzzLayout::Json) {
            assert_one_object(text.as_bytes());
        }
        let text = if matches!(layout, FuzzLayout::Pretty) { without_colours(&text) } else { text };
        let mut lines = text.strip_suffix('\n').expect("a line end").split('\n');
        let first = lines.next().unwrap_or_default();
        assert!(!first.is_empty());
        assert!(lines.all(|line| line.starts_with("    ")), "{text:?}");
        assert!(!text.chars().any(|one| one != '\n' && is_unsafe(one)), "{text:?}");
    }
});
