//! A connection as `ureq` drives it: a socket, or TLS over one.

use super::dial::Dialling;
use super::socket::Socket;
use crate::clock;
use crate::error::WriteError;
use crate::tls::words::find_tls;
use rustls::{ClientConnection, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

/// Oldest connection that is used again: a load balancer has to be able to move clients away from a server that is
/// being taken out.
const AGE_MAX: Duration = Duration::from_mins(5);

/// Buffers of the protocol. The input holds the head of a reply, whose bound is half of it.
const INPUT_BYTES: usize = 128 << 10;
const OUTPUT_BYTES: usize = 64 << 10;

/// A limit for those who set none; nothing of ours does.
const NO_LIMIT: Duration = Duration::from_hours(24);

pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

/// An open connection.
pub(super) struct Connection {
    stream: Stream,
    /// What is said when TLS fails in the middle of a request.
    dialling: Dialling,
    buffers: LazyBuffers,
    made_at: Instant,
}

impl Connection {
    pub(super) fn new(stream: Stream, dialling: Dialling) -> Self {
        let buffers = LazyBuffers::new(INPUT_BYTES, OUTPUT_BYTES);
        Self { stream, dialling, buffers, made_at: clock::monotonic() }
    }

    fn limit(&mut self, timeout: NextTimeout) {
        let socket = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        };
        let after = if timeout.after.is_not_happening() { NO_LIMIT } else { *timeout.after };
        socket.deadline = clock::monotonic() + after;
    }

    /// A server's verdict on the client's certificate may come with its first bytes.
    fn failed(&self, error: io::Error, timeout: NextTimeout) -> ureq::Error {
        if error.kind() == io::ErrorKind::TimedOut {
            return ureq::Error::Timeout(timeout.reason);
        }
        match find_tls(&error).map(|found| self.dialling.tls_error(found)) {
            Some(error) => Failed::wrap(error),
            None => ureq::Error::Io(error),
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.limit(timeout);
        let output = &self.buffers.output()[..amount];
        let written = match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(output),
            Stream::Tls(stream) => stream
                .write_all(output)
                .and_then(|()| stream.flush())
                .map_err(|error| last_words(stream, error)),
        };
        written.map_err(|error| self.failed(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.limit(timeout);
        let room = self.buffers.input_append_buf();
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(room),
            Stream::Tls(stream) => stream.read(room),
        };
        let count = read.map_err(|error| self.failed(error, timeout))?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        if clock::monotonic().duration_since(self.made_at) >= AGE_MAX {
            return false;
        }
        match &mut self.stream {
            // A server has nothing to say before it is asked: bytes are its farewell.
            Stream::Plain(socket) => socket.is_own() && matches!(socket.unread(), Ok(None)),
            Stream::Tls(stream) => stream.sock.is_own() && is_quiet(stream),
        }
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// What a server said before it closed, which explains why writing to it fails.
fn last_words(stream: &mut StreamOwned<ClientConnection, Socket>, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut {
        return error;
    }
    stream.sock.deadline = clock::monotonic() + Duration::from_millis(100);
    for _ in 0..8 {
        if !stream.conn.read_tls(&mut stream.sock).is_ok_and(|count| count > 0) {
            return error;
        }
        if let Err(said) = stream.conn.process_new_packets() {
            return io::Error::new(io::ErrorKind::InvalidData, said);
        }
    }
    error
}

/// Whether the server has sent nothing but what belongs to TLS itself (tickets, which come unasked).
fn is_quiet(stream: &mut StreamOwned<ClientConnection, Socket>) -> bool {
    stream.sock.deadline = clock::monotonic() + Duration::from_millis(100);
    for _ in 0..8 {
        match stream.sock.unread() {
            Ok(None) => return true,
            Ok(Some(0)) | Err(_) => return false,
            Ok(Some(_)) => {}
        }
        let is_read = stream.conn.read_tls(&mut stream.sock).is_ok_and(|count| count > 0);
        let Some(state) = is_read.then(|| stream.conn.process_new_packets().ok()).flatten() else {
            return false;
        };
        if state.peer_has_closed() || state.plaintext_bytes_to_read() > 0 {
            return false;
        }
    }
    false
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_tls", &self.is_tls()).finish_non_exhaustive()
    }
}

/// An error of ours on its way through `ureq`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(pub(super) WriteError);

impl Failed {
    pub(super) fn wrap(error: WriteError) -> ureq::Error {
        ureq::Error::Other(Box::new(Self(error)))
    }
}
