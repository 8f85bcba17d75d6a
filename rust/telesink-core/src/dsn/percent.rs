//! Percent escapes of a DSN (RFC 3986, section 2.1). A plus is a plus, not a space.

use crate::error::ConfigError;
use std::fmt::Write as _;

/// Decodes `text`. `place` says which part of the DSN it is; the text itself is not shown, it may be a
/// secret.
///
/// # Errors
/// An escape without two hexadecimal digits, bytes that are not UTF-8, or a NUL.
pub(crate) fn decode(text: &str, place: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, next) = match (first, behind) {
            (b'%', [high, low, next @ ..]) => (hexadecimal(*high, *low), next),
            (b'%', next) => (None, next),
            (plain, next) => (Some(*plain), next),
        };
        let Some(byte) = byte else {
            let position = text.len() - rest.len() + 1;
            return Err(ConfigError::new(
                format!(
                    "the {place} has an invalid percent escape at byte {position}; \
                     expected two hexadecimal digits"
                ),
                "write %25 where a percent sign is meant",
            ));
        };
        bytes.push(byte);
        rest = next;
    }
    match String::from_utf8(bytes) {
        Ok(decoded) if !decoded.contains('\0') => Ok(decoded),
        Ok(_) => Err(ConfigError::new(format!("the {place} holds a NUL character"), "remove it")),
        Err(_) => Err(ConfigError::new(
            format!("the {place} is not UTF-8 after its percent escapes are decoded"),
            "escape the bytes of its UTF-8 form",
        )),
    }
}

/// Decodes what can be decoded and keeps the rest: for judging names, never for values that are used.
pub(crate) fn decode_leniently(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, next @ ..]) => hexadecimal(*high, *low).map(|byte| (byte, next)),
            _ => None,
        };
        let (byte, next) = escaped.unwrap_or((*first, behind));
        bytes.push(byte);
        rest = next;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes the reserved characters, and control characters because they would spoil a line of output.
pub(crate) fn encode(text: &str, reserved: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || reserved.contains(&character) {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                // Writing to a string cannot fail; there is nobody to tell.
                write!(out, "%{byte:02X}").unwrap_or_default();
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// The byte of two hexadecimal digits.
fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_a_plus_stays_a_plus() {
        assert_eq!(Ok("a b+c/é%".to_owned()), decode("a%20b+c%2fé%25", "path"));
        assert_eq!(Ok("é".to_owned()), decode("%C3%A9", "path"));
        assert_eq!(Ok(String::new()), decode("", "path"));
    }

    #[test]
    fn invalid_escapes_are_refused_by_position_without_the_text() {
        for (text, position) in [("hunter2%", 8), ("hunter2%2", 8), ("%zz", 1), ("a%é", 2), ("%+1", 1)] {
            let error = decode(text, "path").unwrap_err();

            let expected = format!(
                "the path has an invalid percent escape at byte {position}; expected two hexadecimal digits"
            );
            assert_eq!(expected, error.message);
        }
        assert!(decode("%ff", "path").is_err());
        assert!(decode("%00", "path").is_err());
    }

    #[test]
    fn what_was_encoded_is_decoded_to_the_same_text() {
        let text = "a?b#c%d\n&é\u{85}";

        let encoded = encode(text, &['%', '?', '#', '&']);

        assert_eq!("a%3Fb%23c%25d%0A%26é%C2%85", encoded);
        assert_eq!(Ok(text.to_owned()), decode(&encoded, "path"));
    }
}
