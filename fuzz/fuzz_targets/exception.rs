//! The tail of a record: an exception, rendered within its limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telesink_core::record::exception::{SourceCache, render};

fuzz_target!(|input: &[u8]| {
    let Some((limit, tail)) = input.split_first() else { return };
    let limit = usize::from(*limit) * 64;
    let mut out = String::from("before ");

    render(tail, &mut SourceCache::new(), &mut out, limit);

    let rendered = out.strip_prefix("before ").expect("what stood there stays");
    // The words that stand for what was left out may come on top of a very small limit.
    assert!(rendered.len() <= limit.max(64), "{} of {limit}", rendered.len());
});
