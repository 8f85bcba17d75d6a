//! Sends a request and reads its reply, within one limit.

use super::Transport;
use super::connection::Failed;
use super::dial::{Dialler, LookUpLater, Progress};
use super::endpoint::Endpoint;
use super::header::Header;
use super::reply::Reply;
use super::resolve::Resolver;
use crate::clock;
use crate::error::WriteError;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::{Agent, Body, http};

/// Longest time that a connection waits for the next request: below what servers and balancers allow (Node.js closes
/// after 5 s, but says so; nginx after 75 s, load balancers of clouds after 60 s).
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Most bytes of status line and header fields of a reply.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What is sent as `User-Agent`.
const USER_AGENT: &str = concat!("telesink/", env!("CARGO_PKG_VERSION"));

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// `Content-Type`, and `Accept`.
    pub content_type: &'static str,
    /// Further fields.
    pub headers: &'a [Header],
    /// The body, as it is sent; `None` makes it a `GET`.
    pub body: Option<&'a [u8]>,
    /// Whether the body is compressed (see [`gzip`]).
    pub is_gzip: bool,
}

/// Keeps the connections of one sink.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    progress: Arc<Progress>,
    total: Duration,
}

impl Client {
    /// A client without a connection. `connect` limits a connection, with all that belongs to it; `total` a request with
    /// its reply, connecting included.
    pub fn new(transport: Transport, connect: Duration, total: Duration) -> Self {
        let progress = Arc::new(Progress::default());
        let dialler =
            Dialler { transport, connect, resolver: Resolver::default(), progress: Arc::clone(&progress) };
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(total))
            .user_agent(USER_AGENT)
            .accept_encoding("identity")
            .max_response_header_size(HEAD_BYTES_MAX)
            .max_idle_connections(3)
            .max_idle_connections_per_host(1)
            .max_idle_age(IDLE_MAX)
            .build();
        Self { agent: Agent::with_parts(config, dialler, LookUpLater), progress, total }
    }

    /// Sends the request and reads the reply, whatever its status. A connection that the server has closed while it was
    /// idle is replaced once, at once, with the same bytes.
    ///
    /// # Errors
    /// There is no reply: `Retry`, unresolved if the whole request may have reached the server, or `Hold` where somebody
    /// has to act (TLS, a proxy, a server that does not speak HTTP).
    pub fn send(&mut self, request: &Request<'_>) -> Result<Reply, WriteError> {
        let answer = match self.attempt(request) {
            Err(lost) if lost.was_reused && is_end_of_connection(&lost.error) => self.attempt(request),
            answer => answer,
        };
        let response = answer.map_err(|lost| self.judge(&lost, request))?;
        Ok(Reply::read(response, request.endpoint, request.headers, clock::unix_nano()))
    }

    fn attempt(&mut self, request: &Request<'_>) -> Result<http::Response<Body>, Lost> {
        let counters = &self.progress;
        let dialled = counters.dialled.load(Ordering::Relaxed);
        let written = counters.written.load(Ordering::Relaxed);
        self.run(request).map_err(|error| Lost {
            error,
            was_reused: counters.dialled.load(Ordering::Relaxed) == dialled,
            written: counters.written.load(Ordering::Relaxed) - written,
        })
    }

    fn run(&self, request: &Request<'_>) -> Result<http::Response<Body>, ureq::Error> {
        let method = if request.body.is_some() { http::Method::POST } else { http::Method::GET };
        let mut built = http::Request::builder()
            .method(method)
            .uri(request.endpoint.uri())
            .header("accept", request.content_type);
        for header in request.headers {
            built = built.header(header.name(), header.reveal());
        }
        let Some(body) = request.body else { return self.agent.run(built.body(())?) };
        built = built.header("content-type", request.content_type);
        if request.is_gzip {
            built = built.header("content-encoding", "gzip");
        }
        self.agent.run(built.body(body)?)
    }

    fn judge(&self, lost: &Lost, request: &Request<'_>) -> WriteError {
        let target = request.endpoint;
        let error = match &lost.error {
            ureq::Error::Other(error) if error.is::<Failed>() => {
                return error
                    .downcast_ref::<Failed>()
                    .map_or_else(|| WriteError::retry(""), |own| own.0.clone());
            }
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                return WriteError::retry(format!("{target} cannot be reached in time"));
            }
            ureq::Error::Timeout(_) => {
                WriteError::retry(format!("{target} has not answered within {:?}", self.total))
            }
            ureq::Error::LargeResponseHeader(..) => WriteError::hold(
                format!("{target} answers with header fields of more than {HEAD_BYTES_MAX} bytes"),
                "check host and port",
            ),
            ureq::Error::Protocol(error) => WriteError::hold(
                format!("{target} does not answer in HTTP/1.1 ({error})"),
                "check host and port: gRPC has another one (4317) than HTTP (4318)",
            ),
            ureq::Error::Io(error) => {
                WriteError::retry(format!("{target} broke off the connection: {}", io_words(error)))
            }
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                return WriteError::hold(format!("{target} is no address to send to"), "correct the dsn");
            }
            error => WriteError::retry(format!("{target}: {error}")),
        };
        let length = request.body.map_or(0, <[u8]>::len) as u64;
        // The head alone is longer than nothing: as many bytes as the body has may be all of it.
        if lost.written > length { error.unresolved() } else { error }
    }
}

/// A request without a reply.
struct Lost {
    error: ureq::Error,
    /// Whether it went over a connection that was there before.
    was_reused: bool,
    /// Bytes of it that were handed to the system.
    written: u64,
}

/// What a server does to a connection that it no longer wants.
fn is_end_of_connection(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let ureq::Error::Io(error) = error else { return false };
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

fn io_words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "it ended before the answer".to_owned();
    }
    error.to_string()
}

/// Compresses a body into `out`, which is emptied first. The fastest level: it takes off nearly as much as the best, in
/// a fraction of the time.
pub fn gzip(body: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut encoder = GzEncoder::new(out, Compression::fast());
    // Memory takes every write.
    if encoder.write_all(body).and_then(|()| encoder.finish().map(drop)).is_err() {
        debug_assert!(false, "a vector takes every write");
    }
}
