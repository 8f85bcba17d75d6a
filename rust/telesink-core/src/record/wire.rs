//! The protobuf wire format: as much of it as OTLP needs, written and read without a schema compiler.
//!
//! Nested messages whose length is not known beforehand get a length of [`NESTED_LENGTH_BYTES`] padded varint
//! bytes, which the format allows, so that children are written once and never moved.

/// Bytes reserved for the length of a nested message; holds lengths below 2^28.
pub const NESTED_LENGTH_BYTES: usize = 4;

/// Wire type of a field, the low three bits of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// Appends a base-128 varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`put_varint`] writes.
#[inline]
pub const fn varint_len(value: u64) -> usize {
    // 9/64 per bit rounds up exactly for every u64; the `| 1` gives zero its one byte.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Appends `tag`, a length and the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends `tag` and eight little-endian bytes.
#[inline]
pub fn put_fixed64(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `tag` and four little-endian bytes.
#[inline]
pub fn put_fixed32(out: &mut Vec<u8>, tag: u8, value: u32) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Opens a nested message; pass the answer to [`end_nested`].
#[inline]
pub fn begin_nested(out: &mut Vec<u8>, tag: u8) -> usize {
    out.push(tag);
    out.extend_from_slice(&[0x80, 0x80, 0x80, 0x00]);
    out.len()
}

/// Closes a nested message: writes its length into the reserved bytes.
#[inline]
pub fn end_nested(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    debug_assert!(length < 1 << 28);
    let at = start - NESTED_LENGTH_BYTES;
    out[at] = (length as u8 & 0x7f) | 0x80;
    out[at + 1] = ((length >> 7) as u8 & 0x7f) | 0x80;
    out[at + 2] = ((length >> 14) as u8 & 0x7f) | 0x80;
    out[at + 3] = (length >> 21) as u8 & 0x7f;
}

/// Reads the fields of one message in order. Ends at the first malformed byte: what sinks read was written by
/// telesink, so that is a bug to see in tests, not an input to report. Dead letters are looked at before, by
/// [`super::letter`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the first field of `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Whether everything was read: whoever reads what others wrote asks this at the end.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        // Tags and nearly all lengths are one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Some(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Option<u64> {
        // Lengths of texts have two bytes, those of messages in messages are written with four.
        match *self.rest {
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.rest = rest;
                return Some(u64::from(first & 0x7f) | u64::from(second) << 7);
            }
            [first, second, third, fourth, ref rest @ ..] if third >= 0x80 && fourth < 0x80 => {
                self.rest = rest;
                let low = u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7;
                return Some(low | u64::from(third & 0x7f) << 14 | u64::from(fourth) << 21);
            }
            _ => {}
        }
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }
}

/// Reads the numbers of a packed field of varints; ends where they are cut.
pub fn varints(packed: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = Fields::new(packed);
    std::iter::from_fn(move || rest.varint())
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Wire<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Most fields are texts and messages whose tag and length are one byte.
        if let [tag, length, rest @ ..] = self.rest
            && *tag < 0x80
            && *tag & 7 == 2
            && *length < 0x80
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*length))
        {
            self.rest = rest;
            return Some((u32::from(*tag >> 3), Wire::Bytes(bytes)));
        }
        self.next_any()
    }
}

impl<'a> Fields<'a> {
    fn next_any(&mut self) -> Option<(u32, Wire<'a>)> {
        if self.rest.is_empty() {
            return None;
        }
        let begin = self.rest;
        let found = self.field();
        if found.is_none() {
            // What was read of a field that is cut counts as not read: a length without its bytes is no end.
            self.rest = begin;
        }
        found
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()? as usize;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some(((tag >> 3) as u32, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_ends_within_a_field_is_not_read_to_its_end() {
        for cut in [&[0x2a, 0x6d][..], &[0x2a], &[0x08], &[0x08, 0x80], &[0x09, 1], &[0x0d, 1], &[0x0b]] {
            let mut message = Vec::new();
            put_bytes(&mut message, 0x2a, b"body");
            message.extend_from_slice(cut);
            let mut fields = Fields::new(&message);

            assert_eq!(fields.by_ref().count(), 1);
            assert!(!fields.is_at_end(), "{cut:?}");
        }
    }

    #[test]
    fn varint_len_agrees_with_what_is_written() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1_u64 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(varint_len(value), out.len(), "{value}");
            }
        }
    }

    #[test]
    fn numbers_of_every_length_read_back_also_padded() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1_u64 << bits) - 1, u64::MAX >> bits] {
                let mut out = vec![0x08];
                put_varint(&mut out, value);
                assert_eq!(Fields::new(&out).next(), Some((1, Wire::Varint(value))));
                // One byte more than it needs, as lengths that are filled in later.
                if let Some(last) = out.last_mut() {
                    *last |= 0x80;
                }
                out.push(0);
                if out.len() <= 10 {
                    assert_eq!(Fields::new(&out).next(), Some((1, Wire::Varint(value))));
                }
            }
        }
    }

    #[test]
    fn nested_messages_read_back_with_padded_lengths() {
        let mut out = Vec::new();
        let outer = begin_nested(&mut out, 0x2a);
        put_bytes(&mut out, 0x0a, &[7; 300]);
        end_nested(&mut out, outer);

        let (number, Wire::Bytes(message)) = Fields::new(&out).next().expect("one field") else {
            panic!("expected bytes");
        };
        assert_eq!(number, 5);
        assert_eq!(Fields::new(message).next(), Some((1, Wire::Bytes(&[7; 300][..]))));
    }

    #[test]
    fn a_cut_message_ends_instead_of_panicking() {
        let mut out = Vec::new();
        put_bytes(&mut out, 0x0a, b"hello");
        for end in 0..out.len() {
            assert_eq!(Fields::new(&out[..end]).count(), 0, "{end}");
        }
    }
}
