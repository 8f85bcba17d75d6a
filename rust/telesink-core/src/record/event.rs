//! Events in the form of Langfuse's ingestion API: their types, their ids, and how one stands in a record.
//!
//! An event is a log record whose event name is its type and whose body is the event's own `body`, a map. Id, timestamp
//! and metadata of its envelope are attributes. So the same record can become a span, a classic event, or a row.

use sha2::{Digest, Sha256};

/// The attribute with the envelope's `id`; missing if the event had none, and the record's own id stands for it.
pub const ENVELOPE_ID: &str = "langfuse.envelope.id";

/// The attribute with the envelope's `timestamp` as it was given; missing if the event had none.
pub const ENVELOPE_TIMESTAMP: &str = "langfuse.envelope.timestamp";

/// The attribute with the envelope's `metadata`.
pub const ENVELOPE_METADATA: &str = "langfuse.envelope.metadata";

/// The name of the scope (the logger) that events belong to.
pub const SCOPE: &str = "langfuse";

/// Longest id that the server takes, in characters.
pub const ID_CHARACTERS_MAX: usize = 800;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A trace: fields that all its observations share.
    Trace,
    /// The start of an observation that has an end.
    Create,
    /// A later word on an observation.
    Update,
    /// An observation without an end.
    Event,
    /// A score.
    Score,
    /// A line of an SDK's own log.
    SdkLog,
}

/// One type of event.
#[derive(Debug, PartialEq, Eq)]
pub struct EventType {
    /// As it stands in `type`.
    pub name: &'static str,
    /// What it is about.
    pub role: Role,
    /// The kind of observation; empty if it is none, or if the body says it.
    pub observation: &'static str,
}

/// The types that the server takes, but for `dataset-run-item-create`, which is internal.
pub const EVENT_TYPES: [EventType; 17] = [
    of("span-create", Role::Create, "span"),
    of("span-update", Role::Update, "span"),
    of("generation-create", Role::Create, "generation"),
    of("generation-update", Role::Update, "generation"),
    of("trace-create", Role::Trace, ""),
    of("event-create", Role::Event, "event"),
    of("score-create", Role::Score, ""),
    of("agent-create", Role::Create, "agent"),
    of("tool-create", Role::Create, "tool"),
    of("chain-create", Role::Create, "chain"),
    of("retriever-create", Role::Create, "retriever"),
    of("evaluator-create", Role::Create, "evaluator"),
    of("embedding-create", Role::Create, "embedding"),
    of("guardrail-create", Role::Create, "guardrail"),
    of("observation-create", Role::Create, ""),
    of("observation-update", Role::Update, ""),
    of("sdk-log", Role::SdkLog, ""),
];

const fn of(name: &'static str, role: Role, observation: &'static str) -> EventType {
    EventType { name, role, observation }
}

/// The type of that name.
#[inline]
pub fn event_type(name: &str) -> Option<&'static EventType> {
    EVENT_TYPES.iter().find(|known| known.name == name)
}

/// The trace id for an id of any form: 32 lower-case hexadecimal digits as they are, others by their SHA-256, as
/// Langfuse's own SDKs map them.
#[inline]
pub fn trace_id_of(id: &str) -> [u8; 16] {
    from_hex(id).unwrap_or_else(|| digest(id.as_bytes()))
}

/// The span id for an id of any form: 16 lower-case hexadecimal digits as they are, others by their SHA-256.
#[inline]
pub fn span_id_of(id: &str) -> [u8; 8] {
    from_hex(id).unwrap_or_else(|| digest(id.as_bytes()))
}

/// Whether an id is a trace id as it is.
pub fn is_trace_id(id: &str) -> bool {
    from_hex::<16>(id).is_some()
}

/// Whether an id is a span id as it is.
pub fn is_span_id(id: &str) -> bool {
    from_hex::<8>(id).is_some()
}

/// The hexadecimal digits of an id.
pub fn hex<const N: usize>(id: [u8; N]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    id.into_iter().flat_map(digits).map(char::from).collect()
}

/// The span that stands for a trace itself, where no observation can carry the trace's fields.
pub fn root_span_of(trace_id: [u8; 16]) -> [u8; 8] {
    let mut seed = [0; 21];
    seed[..5].copy_from_slice(b"root:");
    seed[5..].copy_from_slice(&trace_id);
    digest(&seed)
}

/// Whether the server takes this as an envelope's id.
#[inline]
pub fn is_envelope_id(id: &str) -> bool {
    // Bytes are at least as many as characters, so that the usual id is not counted.
    !id.is_empty()
        && memchr::memchr(b'\r', id.as_bytes()).is_none()
        && (id.len() <= ID_CHARACTERS_MAX || id.chars().count() <= ID_CHARACTERS_MAX)
}

/// Whether a trace belongs to the sample: the lower half of its id as a fraction, as OpenTelemetry's ratio sampler has
/// it, so that all processes agree.
pub fn is_sampled(trace_id: [u8; 16], rate: f64) -> bool {
    let low = u128::from_be_bytes(trace_id) as u64;
    rate >= 1.0 || (low as f64) < rate * 18_446_744_073_709_551_616.0
}

/// The first bytes of the SHA-256 of `seed`.
fn digest<const N: usize>(seed: &[u8]) -> [u8; N] {
    let whole = Sha256::digest(seed);
    let mut out = [0; N];
    out.copy_from_slice(&whole[..N]);
    out
}

/// Lower-case hexadecimal digits of exactly the length, not all of them zero.
#[inline]
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (out != [0; N]).then_some(out)
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_right_form_stay_and_others_are_hashed() {
        assert_eq!(trace_id_of("0af7651916cd43dd8448eb211c80319c")[..2], [0x0a, 0xf7]);
        assert_eq!(span_id_of("b7ad6b7169203331"), [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
        // SHA-256 of "my-id" begins with these bytes, by an implementation of its own (`sha256sum`).
        assert_eq!(trace_id_of("my-id")[..4], span_id_of("my-id")[..4]);
        for odd in ["00000000000000000000000000000000", "0AF7651916CD43DD8448EB211C80319C", ""] {
            assert_ne!(trace_id_of(odd), [0; 16], "{odd}");
        }
    }

    #[test]
    fn the_known_digest_is_met() {
        // "abc", from FIPS 180-2.
        assert_eq!(span_id_of("abc"), [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    }

    #[test]
    fn a_sample_is_decided_by_the_id_alone() {
        let low = |low: u64| (u128::from(low)).to_be_bytes();
        assert!(is_sampled(low(0), 0.1));
        assert!(!is_sampled(low(u64::MAX), 0.9));
        assert!(is_sampled(low(u64::MAX), 1.0));
        assert!(!is_sampled(low(0), 0.0));
    }

    #[test]
    fn an_envelope_id_has_one_to_eight_hundred_characters_and_no_carriage_return() {
        assert!(is_envelope_id(&"é".repeat(800)));
        for bad in [String::new(), "a\rb".to_owned(), "x".repeat(801)] {
            assert!(!is_envelope_id(&bad));
        }
    }
}
