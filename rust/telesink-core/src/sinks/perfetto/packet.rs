//! Packets of Perfetto's trace format. Numbers of fields are those of `TracePacket`, `TrackDescriptor`, `TrackEvent`,
//! `DebugAnnotation` and `InternedData` (Perfetto 59).

use crate::record::json::write_value;
use crate::record::value::Value;
use crate::record::wire::{put_bytes, put_varint};
use std::collections::HashMap;

/// Texts of one kind that are remembered by number; past that all are begun anew.
const INTERNED_MAX: usize = 8_192;

/// Longest name of a slice; what is longer is told in full by an annotation.
const NAME_BYTES_MAX: usize = 256;

/// The only sequence of a file.
const SEQUENCE: u64 = 1;

/// The clock that times are told by, and the one that Perfetto counts by unless told otherwise.
const REALTIME: u64 = 1;
const BOOTTIME: u64 = 6;

/// What an event is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Begin = 1,
    End = 2,
    Instant = 3,
}

/// Writes packets into a buffer, and remembers which texts it has numbered.
#[derive(Debug, Default)]
pub(super) struct Packets {
    pub(super) bytes: Vec<u8>,
    categories: Texts,
    names: Texts,
    keys: Texts,
    is_begun: bool,
    /// Texts that the packet at hand numbers.
    interned: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Texts(HashMap<String, u64>);

impl Texts {
    /// The number of a text, which is told in `interned` under `tag` if it is new.
    fn number(&mut self, text: &str, tag: u8, interned: &mut Vec<u8>) -> u64 {
        if let Some(number) = self.0.get(text) {
            return *number;
        }
        let number = self.0.len() as u64 + 1;
        let mut entry = Vec::with_capacity(text.len() + 8);
        varint(&mut entry, 1, number);
        put_bytes(&mut entry, 0x12, text.as_bytes());
        put_bytes(interned, tag, &entry);
        self.0.insert(text.to_owned(), number);
        number
    }
}

impl Packets {
    /// Forgets all texts: the next packet begins anew. For a new file, and where it is not known what was written.
    pub(super) fn begin_anew(&mut self) {
        self.bytes.clear();
        self.forget();
    }

    fn forget(&mut self) {
        self.is_begun = false;
        for texts in [&mut self.categories, &mut self.names, &mut self.keys] {
            texts.0.clear();
        }
    }

    /// Says how the clocks stand, and which process this is.
    pub(super) fn process(&mut self, uuid: u64, pid: u32, name: &str, now_unix_nano: u64) {
        let mut snapshot = Vec::new();
        for clock in [REALTIME, BOOTTIME] {
            let mut entry = Vec::new();
            varint(&mut entry, 1, clock);
            varint(&mut entry, 2, now_unix_nano);
            put_bytes(&mut snapshot, 0x0a, &entry);
        }
        let mut packet = Vec::new();
        message(&mut packet, 6, &snapshot);
        self.seal(&packet);
        let mut process = Vec::new();
        varint(&mut process, 1, u64::from(pid));
        message(&mut process, 6, name.as_bytes());
        let mut descriptor = Vec::new();
        varint(&mut descriptor, 1, uuid);
        put_bytes(&mut descriptor, 0x1a, &process);
        self.descriptor(&descriptor);
    }

    /// Says that there is a track of this name.
    pub(super) fn track(&mut self, uuid: u64, parent: u64, name: &str) {
        let mut descriptor = Vec::new();
        varint(&mut descriptor, 1, uuid);
        put_bytes(&mut descriptor, 0x12, name.as_bytes());
        varint(&mut descriptor, 5, parent);
        self.descriptor(&descriptor);
    }

    /// Says that a track is a thread.
    pub(super) fn thread(&mut self, uuid: u64, pid: u32, tid: u64, name: &str) {
        let mut thread = Vec::new();
        varint(&mut thread, 1, u64::from(pid));
        varint(&mut thread, 2, tid);
        message(&mut thread, 5, name.as_bytes());
        let mut descriptor = Vec::new();
        varint(&mut descriptor, 1, uuid);
        put_bytes(&mut descriptor, 0x22, &thread);
        self.descriptor(&descriptor);
    }

    fn descriptor(&mut self, descriptor: &[u8]) {
        let mut packet = Vec::new();
        message(&mut packet, 60, descriptor);
        self.seal(&packet);
    }

    /// Begins or marks something on a track.
    pub(super) fn event<'a>(
        &mut self,
        kind: Kind,
        at: u64,
        track: u64,
        (category, name): (&str, &str),
        annotations: impl Iterator<Item = (&'a str, Value<'a>)>,
    ) {
        if self.names.0.len() + self.keys.0.len() + self.categories.0.len() >= INTERNED_MAX {
            self.forget();
        }
        let mut body = std::mem::take(&mut self.body);
        let mut interned = std::mem::take(&mut self.interned);
        body.clear();
        interned.clear();
        if !category.is_empty() {
            varint(&mut body, 3, self.categories.number(category, 0x0a, &mut interned));
        }
        let short = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        varint(&mut body, 10, self.names.number(short, 0x12, &mut interned));
        if short.len() < name.len() {
            self.annotate(&mut body, &mut interned, "name", Value::Str(name));
        }
        for (key, value) in annotations {
            self.annotate(&mut body, &mut interned, key, value);
        }
        varint(&mut body, 9, kind as u64);
        varint(&mut body, 11, track);
        self.timed(at, &body, &interned);
        (self.body, self.interned) = (body, interned);
    }

    /// Ends what was begun last on a track.
    pub(super) fn end(&mut self, at: u64, track: u64) {
        let mut body = Vec::new();
        varint(&mut body, 9, Kind::End as u64);
        varint(&mut body, 11, track);
        self.timed(at, &body, &[]);
    }

    fn annotate(&mut self, body: &mut Vec<u8>, interned: &mut Vec<u8>, key: &str, value: Value<'_>) {
        let mut annotation = Vec::new();
        varint(&mut annotation, 1, self.keys.number(key, 0x1a, interned));
        match value {
            Value::Bool(is_true) => varint(&mut annotation, 2, u64::from(is_true)),
            Value::Int(number) => varint(&mut annotation, 4, number as u64),
            Value::Double(number) => {
                put_varint(&mut annotation, 5 << 3 | 1);
                annotation.extend_from_slice(&number.to_le_bytes());
            }
            Value::Str(text) => put_bytes(&mut annotation, 0x32, text.as_bytes()),
            other => {
                let mut json = Vec::new();
                write_value(&mut json, other);
                put_bytes(&mut annotation, 0x4a, &json);
            }
        }
        put_bytes(body, 0x22, &annotation);
    }

    fn timed(&mut self, at: u64, event: &[u8], interned: &[u8]) {
        let mut packet = Vec::with_capacity(event.len() + interned.len() + 32);
        varint(&mut packet, 8, at);
        varint(&mut packet, 58, REALTIME);
        if !interned.is_empty() {
            put_bytes(&mut packet, 0x62, interned);
        }
        put_bytes(&mut packet, 0x5a, event);
        self.seal(&packet);
    }

    fn seal(&mut self, packet: &[u8]) {
        let mut whole = Vec::with_capacity(packet.len() + 8);
        varint(&mut whole, 10, SEQUENCE);
        // 1: what was numbered before is forgotten; 2: this packet needs what was numbered.
        varint(&mut whole, 13, if self.is_begun { 2 } else { 3 });
        self.is_begun = true;
        whole.extend_from_slice(packet);
        put_bytes(&mut self.bytes, 0x0a, &whole);
    }
}

fn varint(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn message(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
