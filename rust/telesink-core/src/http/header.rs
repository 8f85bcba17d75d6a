//! Header fields, checked before anything is sent.

use crate::dsn::Secret;
use crate::error::ConfigError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// Longest name and value; servers refuse more (8 KiB a line is usual).
const NAME_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 8 << 10;

/// Fields that belong to the client: their values follow from the request.
const OWN: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

/// Shortest value that is looked for in what a server says; shorter ones stand in ordinary words.
const SECRET_BYTES_MIN: usize = 6;

/// One header field. Its value is taken for a secret and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: Secret,
}

impl Header {
    /// Checks a field. `place` says where it was given.
    ///
    /// # Errors
    /// A name that is none, one that telesink sets itself, or a value with characters that end a line. The value is not
    /// shown.
    pub fn new(name: &str, value: &str, place: &str) -> Result<Self, ConfigError> {
        let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
        if !is_name(&name) {
            return Err(ConfigError::new(
                format!(
                    "{place} holds a header whose name is empty, too long, or not made of letters, digits and `-`"
                ),
                "write it like x-api-key=...",
            ));
        }
        if OWN.contains(&name.as_str()) {
            return Err(ConfigError::new(
                format!("header `{name}` (from {place}) is set by telesink itself"),
                "remove it",
            ));
        }
        let value = value.trim_matches([' ', '\t']);
        if value.len() > VALUE_BYTES_MAX || !value.bytes().all(is_value_byte) {
            return Err(ConfigError::new(
                format!(
                    "the value of header `{name}` (from {place}) is too long, or holds a line end, another control \
                     character or something beyond ASCII"
                ),
                "look for a line end behind it; other characters can be percent-encoded where the server allows it",
            ));
        }
        Ok(Self { name, value: Secret::new(value.to_owned()) })
    }

    /// `Authorization: Basic`.
    pub fn basic(user: &str, password: &str) -> Self {
        Self { name: "authorization".to_owned(), value: Secret::new(basic_credentials(user, password)) }
    }

    /// The name in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, for the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        self.value.reveal()
    }

    /// Whether the value is a credential by its name.
    pub fn is_credential(&self) -> bool {
        crate::dsn::mask::is_secret_name(&self.name)
    }

    /// The text without this value: servers quote what they were sent.
    pub(super) fn hide_in(&self, text: String) -> String {
        let value = self.value.reveal();
        let token = value.split_once(' ').map_or(value, |(_, token)| token.trim());
        let mut text = text;
        for secret in [value, token] {
            if secret.len() >= SECRET_BYTES_MIN && text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        text
    }
}

/// The value of `Authorization` or `Proxy-Authorization`.
pub(super) fn basic_credentials(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

/// A token of RFC 9110, 5.6.2.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (b' '..=b'~').contains(&byte)
}
