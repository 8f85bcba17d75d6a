//! The record: one thing worth keeping, in one heap allocation.
//!
//! Layout: a fixed header of [`HEADER_BYTES`], the body as an OTLP protobuf message, and, for log
//! records with an exception, the walked frames behind it (see [`exception`]). A record is built
//! once by [`encode::RecordBuilder`], never changed, and shared by all lanes.

pub mod encode;
pub mod event;
pub mod exception;
pub mod id;
pub mod iso;
pub mod json;
pub mod letter;
pub mod level;
mod pool;
pub mod tables;
pub mod value;
pub mod view;
pub mod wire;

use std::sync::Arc;

/// Bytes of the fixed header in front of every body.
pub const HEADER_BYTES: usize = 80;

/// Where the header holds the length of the whole record; its buffer may be longer.
const LENGTH_AT: usize = HEADER_BYTES - 4;

/// Fixed memory cost of a record beside its own bytes: the two reference counts of its `Arc`, its
/// slot in a queue, and the allocator's own header. The byte budget of a lane counts it, so that a
/// million empty messages cannot hide from the bound.
pub const RECORD_OVERHEAD_BYTES: usize = 64;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Signal {
    /// A log record or an event; the body is an OTLP `LogRecord`.
    Log = 1,
    /// A finished span; the body is an OTLP `Span`.
    Span = 2,
    /// A metric with its points; the body is an OTLP `Metric`.
    Metric = 3,
}

/// Marks in the header, for counters and for the lane.
pub mod flag {
    /// At or above `urgent_level`: its batch is written without waiting for the linger.
    pub const URGENT: u8 = 1;
    /// Frames of an exception lie behind the body.
    pub const EXCEPTION: u8 = 1 << 1;
    /// Something in it could not be represented as it was and was replaced.
    pub const SANITISED: u8 = 1 << 2;
    /// Something in it was longer than allowed and was cut.
    pub const TRUNCATED: u8 = 1 << 3;
    /// Its message could not be formatted with its arguments.
    pub const FORMAT_ERROR: u8 = 1 << 4;
    /// Written by telesink itself to tell of lost records.
    pub const LOSS_MARKER: u8 = 1 << 5;
    /// Uses the reserve that `drop_newest` keeps for severe records (ERROR and above).
    pub const RESERVE: u8 = 1 << 6;
}

/// The fields of the header, by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the body is.
    pub signal: Signal,
    /// OTLP severity number, 0 to 24.
    pub severity: u8,
    /// Bits of [`flag`].
    pub flags: u8,
    /// The record's own time, nanoseconds since the Unix epoch.
    pub time_unix_nano: u64,
    /// When telesink took it, nanoseconds since the Unix epoch.
    pub observed_unix_nano: u64,
    /// `UUIDv7`, given once at capture; survives retries.
    pub id: [u8; 16],
    /// W3C trace id, all zero when there is none.
    pub trace_id: [u8; 16],
    /// W3C span id, all zero when there is none.
    pub span_id: [u8; 8],
    /// Index into the pipeline's table of resources.
    pub resource: u32,
    /// Index into the pipeline's table of scopes (logger names).
    pub scope: u32,
    /// The level as Python's `logging` knows it; lanes filter on it.
    pub levelno: i32,
}

/// One thing worth keeping. Cheap to clone: all lanes share the bytes.
#[derive(Clone)]
pub struct Record(Arc<[u8]>);

impl Record {
    /// Takes header, body and tail as already laid out by the encoder.
    pub(crate) fn from_encoded(bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() >= HEADER_BYTES);
        let mut buffer = pool::copy_of(bytes);
        if let Some(room) = Arc::get_mut(&mut buffer) {
            room[LENGTH_AT..HEADER_BYTES].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        }
        Self(buffer)
    }

    /// Lets go of the record and keeps its memory for the next one, if nobody else holds it.
    pub(crate) fn recycle(self) {
        pool::give(self.0);
    }

    /// What the record is.
    #[inline]
    pub fn signal(&self) -> Signal {
        match self.0[1] {
            2 => Signal::Span,
            3 => Signal::Metric,
            _ => Signal::Log,
        }
    }

    /// Index into the pipeline's table of resources.
    #[inline]
    pub fn resource(&self) -> u32 {
        u32::from_le_bytes(self.array(64))
    }

    /// Reads the header.
    pub fn header(&self) -> Header {
        Header {
            signal: self.signal(),
            severity: self.severity(),
            flags: self.flags(),
            time_unix_nano: u64::from_le_bytes(self.array(8)),
            observed_unix_nano: self.observed_unix_nano(),
            id: self.id(),
            trace_id: self.array(40),
            span_id: self.array(56),
            resource: self.resource(),
            scope: u32::from_le_bytes(self.array(68)),
            levelno: i32::from_le_bytes(self.array(72)),
        }
    }

    /// The body: an OTLP message of the record's signal.
    pub fn body(&self) -> &[u8] {
        &self.0[HEADER_BYTES..HEADER_BYTES + self.body_len()]
    }

    /// What lies behind the body: the encoded exception, or nothing.
    pub fn tail(&self) -> &[u8] {
        &self.0[HEADER_BYTES + self.body_len()..u32::from_le_bytes(self.array(LENGTH_AT)) as usize]
    }

    /// OTLP severity number, 0 to 24.
    pub fn severity(&self) -> u8 {
        self.0[2]
    }

    /// Bits of [`flag`].
    pub fn flags(&self) -> u8 {
        self.0[3]
    }

    /// Whether all bits of `wanted` are set.
    pub fn has(&self, wanted: u8) -> bool {
        self.flags() & wanted == wanted
    }

    /// The record's `UUIDv7`.
    pub fn id(&self) -> [u8; 16] {
        self.array(24)
    }

    /// When telesink took it, nanoseconds since the Unix epoch.
    pub fn observed_unix_nano(&self) -> u64 {
        u64::from_le_bytes(self.array(16))
    }

    /// What the byte budget of a lane charges for it.
    pub fn cost_bytes(&self) -> usize {
        self.0.len() + RECORD_OVERHEAD_BYTES
    }

    fn body_len(&self) -> usize {
        u32::from_le_bytes(self.array(4)) as usize
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[at..at + N]);
        out
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The body may hold what its author would not print; lengths are enough to debug with.
        f.debug_struct("Record")
            .field("severity", &self.severity())
            .field("body_bytes", &self.body_len())
            .field("tail_bytes", &self.tail().len())
            .finish()
    }
}

impl Header {
    /// Writes the header in front of a body of `body_len` bytes.
    pub(crate) fn write(&self, body_len: u32, out: &mut [u8]) {
        out[0] = 1; // version of this layout, should a spool ever outlive the code that wrote it
        out[1] = self.signal as u8;
        out[2] = self.severity;
        out[3] = self.flags;
        out[4..8].copy_from_slice(&body_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.time_unix_nano.to_le_bytes());
        out[16..24].copy_from_slice(&self.observed_unix_nano.to_le_bytes());
        out[24..40].copy_from_slice(&self.id);
        out[40..56].copy_from_slice(&self.trace_id);
        out[56..64].copy_from_slice(&self.span_id);
        out[64..68].copy_from_slice(&self.resource.to_le_bytes());
        out[68..72].copy_from_slice(&self.scope.to_le_bytes());
        out[72..76].copy_from_slice(&self.levelno.to_le_bytes());
        out[76..80].fill(0); // the length of the whole, known when the tail is there
    }
}
