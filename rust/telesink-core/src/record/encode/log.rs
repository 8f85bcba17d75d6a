//! The fields of an OTLP `LogRecord`.

use super::{KEY_BYTES_MAX, RecordBuilder};
use crate::record::value::{Scalar, put_scalar};
use crate::record::wire::{put_bytes, put_fixed32, put_fixed64};
use crate::record::{Header, Record};

impl RecordBuilder {
    /// Severity number and text.
    #[inline]
    pub fn severity(&mut self, number: u8, text: &str) {
        self.bytes.extend_from_slice(&[0x10, number]);
        if !text.is_empty() {
            let text = self.fit(text, KEY_BYTES_MAX);
            put_bytes(&mut self.bytes, 0x1a, text.as_bytes());
        }
    }

    /// The message.
    #[inline]
    pub fn body(&mut self, text: &str) {
        // Three quarters at most: the rest of the record is often what explains the message.
        let text = self.fit(text, self.bytes_max / 4 * 3);
        put_scalar(&mut self.bytes, 0x2a, Scalar::Str(&text));
    }

    /// The event name (OTLP field 12): what makes a log record an event.
    pub fn event_name(&mut self, name: &str) {
        let name = self.fit(name, KEY_BYTES_MAX);
        put_bytes(&mut self.bytes, 0x62, name.as_bytes());
    }

    /// W3C trace flags (OTLP field 8).
    pub fn trace_flags(&mut self, flags: u32) {
        put_fixed32(&mut self.bytes, 0x45, flags);
    }

    /// Seals the record. `header.flags` and the builder's own marks are joined; `tail` is the encoded exception.
    pub fn finish(&mut self, header: Header, tail: &[u8]) -> Record {
        let (time, observed) = (header.time_unix_nano, header.observed_unix_nano);
        self.finish_with_times(header, time, observed, tail)
    }

    /// Seals a record whose message has other times than its header: 0 where its source gave none.
    pub fn finish_with_times(
        &mut self,
        header: Header,
        time_unix_nano: u64,
        observed_unix_nano: u64,
        tail: &[u8],
    ) -> Record {
        put_fixed64(&mut self.bytes, 0x09, time_unix_nano);
        put_fixed64(&mut self.bytes, 0x59, observed_unix_nano);
        if header.trace_id != [0; 16] {
            put_bytes(&mut self.bytes, 0x4a, &header.trace_id);
        }
        if header.span_id != [0; 8] {
            put_bytes(&mut self.bytes, 0x52, &header.span_id);
        }
        self.seal(header, tail)
    }
}
