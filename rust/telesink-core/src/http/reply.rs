//! What a server answered, read to a bound.

use super::endpoint::Endpoint;
use super::header::Header;
use super::retry_after::retry_after;
use std::io::Read;
use std::time::Duration;
use ureq::Body;
use ureq::http::Response;
use ureq::http::response::Parts;

/// Most bytes read of the body of a reply: what OTLP recommends to receivers of replies.
pub(super) const REPLY_BYTES_MAX: u64 = 4 << 20;

/// Most bytes read where the status says that it failed: only people read it.
pub(super) const ERROR_BYTES_MAX: u64 = 64 << 10;

/// Most characters of a server's words that are kept.
const TEXT_CHARS_MAX: usize = 512;

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status, 200 to 599.
    pub status: u16,
    /// Its usual name; empty for one that has none.
    pub reason: &'static str,
    /// Whom it came from, as it may be shown.
    pub target: String,
    /// `Content-Type` in lower case, without parameters; empty if there is none.
    pub content_type: String,
    /// How long the server asks to be left alone, five minutes at most.
    pub retry_after: Option<Duration>,
    /// The host that a redirect leads to.
    pub redirect_host: Option<String>,
    /// The body as far as it was read.
    pub body: Vec<u8>,
    /// Whether that is all of it: it was neither cut off nor longer than the bound.
    pub is_whole: bool,
    headers: Vec<Header>,
}

impl Reply {
    pub(super) fn read(
        response: Response<Body>,
        endpoint: &Endpoint,
        headers: &[Header],
        now_unix_nano: u64,
    ) -> Self {
        let (parts, mut content) = response.into_parts();
        let status = parts.status;
        let limit = if status.is_success() { REPLY_BYTES_MAX } else { ERROR_BYTES_MAX };
        let mut body = Vec::new();
        // One byte more tells a body that ends at the bound from one that goes on.
        let read = content.as_reader().take(limit + 1).read_to_end(&mut body);
        let is_whole = read.is_ok() && body.len() as u64 <= limit;
        body.truncate(limit as usize);
        let kind = field(&parts, "content-type").split(';').next().unwrap_or_default();
        Self {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
            target: endpoint.to_string(),
            content_type: kind.trim().to_ascii_lowercase(),
            retry_after: retry_after(field(&parts, "retry-after"), now_unix_nano),
            redirect_host: status.is_redirection().then(|| redirect_host(&parts, endpoint)).flatten(),
            body,
            is_whole,
            headers: headers.to_vec(),
        }
    }

    /// The server's words as they may be shown: without control characters and credentials, and cut.
    pub fn shown(&self, words: &str) -> String {
        self.shown_to(words, TEXT_CHARS_MAX)
    }

    fn shown_to(&self, words: &str, characters_max: usize) -> String {
        let mut text: String = words.trim().to_owned();
        for header in &self.headers {
            text = header.hide_in(text);
        }
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().map(printable).take(characters_max).collect()
    }

    /// The body as text, as it may be shown.
    pub fn text(&self) -> String {
        self.text_of(TEXT_CHARS_MAX)
    }

    /// The same, so many characters at most.
    pub fn text_of(&self, characters_max: usize) -> String {
        // Longer than is kept, so that a credential at the cut is seen as a whole.
        let part = &self.body[..self.body.len().min(characters_max * 16)];
        self.shown_to(&String::from_utf8_lossy(part), characters_max)
    }
}

fn field<'p>(parts: &'p Parts, name: &str) -> &'p str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Only the host: the rest of a location may hold anything.
fn redirect_host(parts: &Parts, endpoint: &Endpoint) -> Option<String> {
    let location = field(parts, "location");
    if location.is_empty() {
        return None;
    }
    let Some((_, behind)) = location.split_once("//") else { return Some(endpoint.authority()) };
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    Some(host.chars().filter(|c| is_host(*c)).take(255).collect())
}
