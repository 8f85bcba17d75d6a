//! Where requests go.

use crate::dsn::mask;
use crate::dsn::url::Url;
use crate::error::ConfigError;
use std::fmt;
use std::net::IpAddr;

/// A scheme, a host, a port and a path. Never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub is_tls: bool,
    /// A name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Begins with a slash, or is empty.
    pub path: String,
}

impl Endpoint {
    /// Reads `http://...` or `https://...`; credentials in it are answered beside it. `place` says where the text stands.
    ///
    /// # Errors
    /// Says what is wrong without showing the text, which may hold a password.
    pub fn parse(text: &str, place: &str) -> Result<(Self, Url), ConfigError> {
        let text = text.trim();
        let scheme = text.split_once("://").map(|(scheme, body)| (scheme.to_ascii_lowercase(), body));
        let (is_tls, body) = match &scheme {
            Some((scheme, body)) if scheme == "http" => (false, *body),
            Some((scheme, body)) if scheme == "https" => (true, *body),
            _ => {
                return Err(ConfigError::new(
                    format!("{place} does not begin with `http://` or `https://`"),
                    "write it like http://localhost:4318",
                ));
            }
        };
        let url = Url::parse(body, place)?;
        if url.host.is_empty() {
            let message = format!("{place} names no host");
            return Err(ConfigError::new(message, "write it like http://localhost:4318"));
        }
        let port = url.port.unwrap_or(if is_tls { 443 } else { 80 });
        let endpoint = Self { is_tls, host: url.host.clone(), port, path: url.path.clone() };
        Ok((endpoint, url))
    }

    /// The same server with `path` behind its own.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let own = self.path.trim_end_matches('/');
        Self { path: format!("{own}{path}"), ..self.clone() }
    }

    /// Whether nothing leaves this machine on the way to it.
    pub fn is_local(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        let is_name = host.eq_ignore_ascii_case("localhost");
        is_name || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Host and port as they stand in a URI.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn uri(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = if self.path.is_empty() { "/" } else { &self.path };
        format!("{scheme}://{}{path}", self.authority())
    }
}

/// As it may be shown.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::mask(&self.uri()))
    }
}
