//! Who stands between this program and a server.
//!
//! A proxy is asked for a tunnel (`CONNECT`), for plain HTTP too: so it never sees what is meant for the server, and the
//! server never sees what is meant for the proxy.

use super::endpoint::Endpoint;
use super::header::basic_credentials;
use super::socket::Socket;
use crate::dsn::Secret;
use crate::dsn::variables::Variables;
use crate::error::{ConfigError, WriteError};
use std::io::{self, Read, Write};

/// Longest answer of a proxy to `CONNECT`: a status and a few fields.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// A proxy and how to log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) endpoint: Endpoint,
    credentials: Option<Secret>,
}

/// Which proxy is asked for which server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    for_plain: Option<Proxy>,
    for_tls: Option<Proxy>,
    /// Hosts that are reached without one, in lower case and without leading and trailing dots; `*` is all.
    none: Vec<String>,
    /// From the environment, which means other machines.
    is_from_environment: bool,
}

impl Proxies {
    /// One proxy for every server, or `none`.
    ///
    /// # Errors
    /// No `http://` address.
    pub fn of_option(text: &str) -> Result<Self, ConfigError> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::default());
        }
        let proxy = Proxy::parse(text, "option `proxy`")?;
        Ok(Self { for_plain: Some(proxy.clone()), for_tls: Some(proxy), ..Self::default() })
    }

    /// What the variables say: the name in lower case first. `HTTP_PROXY` in upper case does not count where the
    /// program is a CGI script: a client could set it with a header.
    ///
    /// # Errors
    /// A variable that holds something else than an `http://` address.
    pub fn of_environment(variables: &Variables) -> Result<Self, ConfigError> {
        let is_cgi = variables.text("REQUEST_METHOD")?.is_some();
        let plain: &[&str] = if is_cgi { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
        Ok(Self {
            for_plain: first(variables, &[plain, &["all_proxy", "ALL_PROXY"]].concat())?,
            for_tls: first(variables, &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            none: match variables.text("no_proxy")? {
                Some(list) => exceptions(&list),
                None => variables.text("NO_PROXY")?.map_or_else(Vec::new, |list| exceptions(&list)),
            },
            is_from_environment: true,
        })
    }

    /// The proxy for a server, if there is one.
    pub fn for_endpoint(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        let host = endpoint.host.trim_end_matches('.').to_ascii_lowercase();
        let is_below = |domain: &String| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // No other machine knows what this one means by `localhost`.
        let is_excepted = self.none.iter().any(|domain| domain == "*" || is_below(domain))
            || self.is_from_environment && endpoint.is_local();
        if is_excepted {
            return None;
        }
        if endpoint.is_tls { self.for_tls.as_ref() } else { self.for_plain.as_ref() }
    }
}

fn first(variables: &Variables, names: &[&str]) -> Result<Option<Proxy>, ConfigError> {
    for name in names {
        if let Some(text) = variables.text(name)? {
            return Proxy::parse(&text, &format!("the environment variable {name}")).map(Some);
        }
    }
    Ok(None)
}

fn exceptions(list: &str) -> Vec<String> {
    let bare = |item: &str| item.trim().trim_matches('.').to_ascii_lowercase();
    list.split(',').map(bare).filter(|item| !item.is_empty()).collect()
}

impl Proxy {
    fn parse(text: &str, place: &str) -> Result<Self, ConfigError> {
        // Many write a proxy without a scheme.
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let wrong = |what: &str| {
            ConfigError::new(
                format!("{place} {what}"),
                "write http://host:port, with user:password@ in front of the host if need be, or proxy=none",
            )
        };
        let (endpoint, url) = match Endpoint::parse(&text, place) {
            Ok(parsed) => parsed,
            Err(error) if error.message.contains("does not begin") => {
                return Err(wrong("is no http:// address; other kinds of proxies are not spoken to"));
            }
            Err(error) => return Err(error),
        };
        if endpoint.is_tls {
            return Err(wrong("is an https:// address; TLS to the proxy itself is not available"));
        }
        if !endpoint.path.trim_matches('/').is_empty() {
            return Err(wrong("has a path"));
        }
        let user = url.user.as_ref().map(Secret::reveal);
        let password = url.password.as_ref().map_or("", Secret::reveal);
        let credentials = user.map(|user| Secret::new(basic_credentials(user, password)));
        Ok(Self { endpoint, credentials })
    }

    /// Asks for a tunnel to `target`; what follows on the socket is the server's.
    pub(super) fn open_tunnel(&self, socket: &mut Socket, target: &Endpoint) -> Result<(), WriteError> {
        let authority = target.authority();
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str("Proxy-Authorization: ");
            request.push_str(credentials.reveal());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let broken = |error: io::Error| {
            WriteError::retry(format!("the proxy {} opens no tunnel to {authority}: {error}", self.endpoint))
        };
        socket.write_all(request.as_bytes()).map_err(broken)?;
        let head = read_head(socket).map_err(broken)?;
        self.judge(&head, &authority)
    }

    fn judge(&self, head: &str, authority: &str) -> Result<(), WriteError> {
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let is_http = head.starts_with("HTTP/1.");
        let proxy = &self.endpoint;
        match status.filter(|_| is_http) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(WriteError::hold(
                format!("the proxy {proxy} asks for other credentials (407)"),
                "write user and password into its address: http://user:password@host:port",
            )),
            Some(status @ (429 | 500..=599)) => Err(WriteError::retry(format!(
                "the proxy {proxy} opens no tunnel to {authority} now ({status})"
            ))),
            Some(status) => Err(WriteError::hold(
                format!("the proxy {proxy} refuses a tunnel to {authority} ({status})"),
                "let the proxy allow it, or name the host in NO_PROXY",
            )),
            None => Err(WriteError::hold(
                format!("{proxy} does not answer as a proxy does"),
                "check the address of the proxy",
            )),
        }
    }
}

/// The head of the proxy's answer, byte for byte: what follows it belongs to the server.
fn read_head(socket: &mut Socket) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if socket.read(&mut byte)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
        }
        head.extend_from_slice(&byte);
        if head.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
