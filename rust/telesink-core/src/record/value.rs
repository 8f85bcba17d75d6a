//! OTLP `AnyValue`: written from scalars, read back as borrowed views.

use super::wire::{Fields, Wire, begin_nested, end_nested, put_varint, varint_len};

/// Deepest nesting of lists and maps. Capture writes a marker for what lies deeper, and readers stop there: bytes that
/// come from a file may be nested as deep as they are long.
pub const DEPTH_MAX: usize = 64;

/// A value without children, ready to be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// No value: an `AnyValue` with no field set.
    Null,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A finite double; callers turn NaN and the infinities into text first.
    Double(f64),
    /// Raw bytes.
    Bytes(&'a [u8]),
}

impl Scalar<'_> {
    /// Length of the `AnyValue` message that holds this scalar.
    #[inline]
    fn encoded_len(&self) -> usize {
        match self {
            Scalar::Null => 0,
            Scalar::Str(text) => 1 + varint_len(text.len() as u64) + text.len(),
            Scalar::Bool(_) => 2,
            Scalar::Int(value) => 1 + varint_len(*value as u64),
            Scalar::Double(_) => 9,
            Scalar::Bytes(bytes) => 1 + varint_len(bytes.len() as u64) + bytes.len(),
        }
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Scalar::Null => {}
            Scalar::Str(text) => {
                out.push(0x0a);
                put_varint(out, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Scalar::Bool(value) => out.extend_from_slice(&[0x10, u8::from(*value)]),
            Scalar::Int(value) => {
                out.push(0x18);
                put_varint(out, *value as u64);
            }
            Scalar::Double(value) => {
                out.push(0x21);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Scalar::Bytes(bytes) => {
                out.push(0x3a);
                put_varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Writes `tag` and an `AnyValue` message holding `scalar`.
#[inline]
pub fn put_scalar(out: &mut Vec<u8>, tag: u8, scalar: Scalar<'_>) {
    out.push(tag);
    put_varint(out, scalar.encoded_len() as u64);
    scalar.write(out);
}

/// Writes `tag` and a `KeyValue` message with a scalar value.
#[inline]
pub fn put_pair(out: &mut Vec<u8>, tag: u8, key: &str, scalar: Scalar<'_>) {
    let value_len = scalar.encoded_len();
    let pair_len =
        1 + varint_len(key.len() as u64) + key.len() + 1 + varint_len(value_len as u64) + value_len;
    out.reserve(pair_len + 6);
    if let Scalar::Str(text) = scalar
        && pair_len < 0x80
    {
        // The usual pair is short: all lengths are one byte, and four copies write it.
        out.extend_from_slice(&[tag, pair_len as u8, 0x0a, key.len() as u8]);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&[0x12, value_len as u8, 0x0a, text.len() as u8]);
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(tag);
    put_varint(out, pair_len as u64);
    out.push(0x0a);
    put_varint(out, key.len() as u64);
    out.extend_from_slice(key.as_bytes());
    put_scalar(out, 0x12, scalar);
}

/// Where an open list or map began; closed by [`end_container`].
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Container {
    value: usize,
    inner: usize,
}

/// Opens an `AnyValue` under `tag` that holds a list: elements are written with tag `0x0a`.
pub fn begin_list(out: &mut Vec<u8>, tag: u8) -> Container {
    let value = begin_nested(out, tag);
    Container { value, inner: begin_nested(out, 0x2a) }
}

/// Opens an `AnyValue` under `tag` that holds a map: pairs are written with tag `0x0a`.
pub fn begin_map(out: &mut Vec<u8>, tag: u8) -> Container {
    let value = begin_nested(out, tag);
    Container { value, inner: begin_nested(out, 0x32) }
}

/// Closes a list or map.
pub fn end_container(out: &mut [u8], container: Container) {
    end_nested(out, container.inner);
    end_nested(out, container.value);
}

/// Opens a `KeyValue` under `tag` whose value is written next, with tag `0x12`. Close with
/// [`super::wire::end_nested`].
pub fn begin_pair(out: &mut Vec<u8>, tag: u8, key: &str) -> usize {
    let start = begin_nested(out, tag);
    super::wire::put_bytes(out, 0x0a, key.as_bytes());
    start
}

/// A value as read back; borrows the record's bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// A list; iterate with [`list`].
    List(&'a [u8]),
    /// A map; iterate with [`map`].
    Map(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue` message.
    #[inline]
    pub fn read(message: &'a [u8]) -> Self {
        match message {
            // The usual text is short, its length one byte.
            [0x0a, length, bytes @ ..] if *length < 0x80 && usize::from(*length) == bytes.len() => {
                Value::Str(text(bytes))
            }
            [0x10, value] => Value::Bool(*value != 0),
            _ => Self::read_any(message),
        }
    }

    fn read_any(message: &'a [u8]) -> Self {
        match Fields::new(message).next() {
            Some((1, Wire::Bytes(bytes))) => Value::Str(text(bytes)),
            Some((2, Wire::Varint(value))) => Value::Bool(value != 0),
            Some((3, Wire::Varint(value))) => Value::Int(value as i64),
            Some((4, Wire::Fixed64(bits))) => Value::Double(f64::from_bits(bits)),
            Some((5, Wire::Bytes(inner))) => Value::List(inner),
            Some((6, Wire::Bytes(inner))) => Value::Map(inner),
            Some((7, Wire::Bytes(bytes))) => Value::Bytes(bytes),
            _ => Value::Null,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
}

/// The elements of a [`Value::List`].
pub fn list(inner: &[u8]) -> impl Iterator<Item = Value<'_>> {
    Fields::new(inner).filter_map(|(_, wire)| match wire {
        Wire::Bytes(message) => Some(Value::read(message)),
        _ => None,
    })
}

/// The pairs of a [`Value::Map`].
pub fn map(inner: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    Fields::new(inner).filter_map(|(_, wire)| match wire {
        Wire::Bytes(message) => Some(pair(message)),
        _ => None,
    })
}

/// Reads a `KeyValue` message.
#[inline]
pub fn pair(message: &[u8]) -> (&str, Value<'_>) {
    // As `put_pair` writes it, with lengths of one byte.
    if let [0x0a, length, rest @ ..] = message
        && *length < 0x80
        && let Some((key, [0x12, length, value @ ..])) = rest.split_at_checked(usize::from(*length))
        && *length < 0x80
        && usize::from(*length) == value.len()
    {
        return (text(key), Value::read(value));
    }
    any_pair(message)
}

fn any_pair(message: &[u8]) -> (&str, Value<'_>) {
    let mut key = "";
    let mut value = Value::Null;
    for (number, wire) in Fields::new(message) {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes),
            (2, Wire::Bytes(message)) => value = Value::read(message),
            _ => {}
        }
    }
    (key, value)
}

/// The value of the first pair of that name; the values of others are not looked at.
pub fn find<'a>(inner: &'a [u8], name: &str) -> Option<Value<'a>> {
    Fields::new(inner).find_map(|(_, wire)| match wire {
        Wire::Bytes(message) if may_have_key(message, name.as_bytes()) => {
            let (key, value) = pair(message);
            (key == name).then_some(value)
        }
        _ => None,
    })
}

/// Whether the pair's key is this one; true also for a pair that [`put_pair`] would have written in another way.
#[inline]
fn may_have_key(message: &[u8], name: &[u8]) -> bool {
    match message {
        [0x0a, length, rest @ ..] if *length < 0x80 => {
            usize::from(*length) == name.len() && rest.starts_with(name)
        }
        _ => true,
    }
}

/// Shorter texts, most of them names, are left to the standard library. Chosen freely.
const LONG_BYTES_MIN: usize = 64;

/// Text was valid UTF-8 when it was written; should a bug break that, show nothing rather than panic.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    let text = if bytes.len() < LONG_BYTES_MIN {
        std::str::from_utf8(bytes).ok()
    } else {
        simdutf8::basic::from_utf8(bytes).ok()
    };
    text.unwrap_or("\u{fffd}")
}
