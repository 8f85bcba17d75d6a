//! Doors for the fuzz targets in `fuzz/`, which are built with `--cfg fuzzing`: what has no public way in.

pub use crate::lane::dead_letter_line;
pub use crate::sinks::console::{FuzzLayout, fuzz_line};

use crate::record::{HEADER_BYTES, Header, Record, Signal};

/// A record at ERROR of a body and a tail that nobody has looked at, as a file or another version might hold them.
pub fn record(body: &[u8], tail: &[u8]) -> Record {
    let header = Header {
        signal: Signal::Log,
        severity: 17,
        flags: 0,
        time_unix_nano: 1_795_255_872_345_678_901,
        observed_unix_nano: 1_795_255_872_345_678_902,
        id: [7; 16],
        trace_id: [1; 16],
        span_id: [2; 8],
        resource: 0,
        scope: 0,
        levelno: 40,
    };
    let mut bytes = vec![0; HEADER_BYTES];
    header.write(body.len() as u32, &mut bytes);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(tail);
    Record::from_encoded(&bytes)
}
