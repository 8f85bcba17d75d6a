//! Looks at the server's first answer before the client library sees it: a server that is not who it seems to be must
//! not be told the password. Looks at the length of every later one: the client library makes room for as much as the
//! server announces, which may be 2 GiB.

use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// Kind (one byte), length and, of an authentication request, its code (four bytes each).
const HEAD_BYTES: usize = 9;

/// Longest first answer: an error in words, or a list of methods. The same limit as libpq's for errors before the
/// log-in (`MAX_ERRLEN`).
const ANSWER_BYTES_MAX: u32 = 30_000;

/// Kind and length of a message.
const FRAME_BYTES: usize = 5;

/// Longest later answer. Ours are a few rows of a few numbers, and what a server says of an error is far shorter, too.
const MESSAGE_BYTES_MAX: u32 = 16 << 20;

/// What this side can and may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Whether there is a password.
    pub(super) has_password: bool,
    /// Whether the server may be told it: nothing leaves the machine, or the server has shown who it is.
    pub(super) may_tell_password: bool,
}

/// Why the log-in is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// It wants a password and there is none.
    #[error("the server asks for a password")]
    NoPassword,
    /// It wants the password itself.
    #[error("the server asks for the password in clear text")]
    ClearText,
    /// It wants something that is not spoken here.
    #[error("the server asks for {0}")]
    Method(&'static str),
    /// It has come to the end of its means.
    #[error("the server could not start a session")]
    NoSession,
    /// It says something that Postgres does not.
    #[error("the other side does not speak the protocol of Postgres")]
    Foreign,
}

impl Refusal {
    /// What it means for the connection.
    pub(super) fn failure(self) -> Failure {
        let hint = match self {
            Refusal::NoPassword => return Failure::new(Phase::Authenticate, Cause::NoPassword),
            Refusal::NoSession | Refusal::Foreign => {
                return Failure::new(Phase::Connect, Cause::Lost(self.to_string()));
            }
            Refusal::ClearText => {
                "it is told to a server that has shown who it is: sslmode=verify-full (sslrootcert=FILE for an \
                 authority of your own); or let pg_hba.conf ask for scram-sha-256"
            }
            Refusal::Method(_) => {
                "let pg_hba.conf ask this role for scram-sha-256 or a client certificate (cert)"
            }
        };
        let cause = Cause::Config { message: self.to_string(), hint: hint.to_owned() };
        Failure::new(Phase::Authenticate, cause)
    }

    /// The refusal behind an error, if it is one.
    pub(super) fn of_io(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Where in the row of messages the stream is.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; FRAME_BYTES],
    /// Bytes of the head that have come.
    filled: usize,
    /// Bytes of the message behind its head that are still to come.
    left: usize,
}

impl Frames {
    /// Goes on by what has come.
    fn advance(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        loop {
            let body = self.left.min(bytes.len());
            self.left -= body;
            bytes = bytes.get(body..).unwrap_or_default();
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            if self.filled == FRAME_BYTES {
                let [_, length @ ..] = self.head;
                let length = u32::from_be_bytes(length);
                if length > MESSAGE_BYTES_MAX {
                    return Err(Refusal::Foreign);
                }
                // The length counts itself. What counts less is nonsense, and the client library says so.
                self.left = (length as usize).saturating_sub(4);
                self.filled = 0;
            }
        }
    }
}

/// A stream that holds back what the server says first until it has been looked at.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    frames: Frames,
    policy: Policy,
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that have come.
    filled: usize,
    /// Bytes of the head that have been passed on.
    passed: usize,
    is_seen: bool,
}

impl<S> Guarded<S> {
    /// Watches the first answer on `stream`.
    pub(super) fn new(stream: S, policy: Policy) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            policy,
            head: [0; HEAD_BYTES],
            filled: 0,
            passed: 0,
            is_seen: false,
        }
    }

    /// Whether the answer will do; `None` while too little of it is there.
    fn look(&self) -> Option<Result<(), Refusal>> {
        let (kind, rest) = self.head.get(..self.filled)?.split_first()?;
        // An authentication request, an error, a notice, or a word on the version of the protocol.
        if !matches!(kind, b'R' | b'E' | b'N' | b'v') {
            return Some(Err(Refusal::Foreign));
        }
        let (length, rest) = rest.split_first_chunk()?;
        if u32::from_be_bytes(*length) > ANSWER_BYTES_MAX {
            // Without memory or a free process, the server says so in bare text.
            return Some(Err(if *kind == b'E' { Refusal::NoSession } else { Refusal::Foreign }));
        }
        if *kind != b'R' {
            return Some(Ok(()));
        }
        let (code, _) = rest.split_first_chunk()?;
        Some(self.judge(u32::from_be_bytes(*code)))
    }

    /// Codes as in the documentation of the protocol, "Message Formats".
    fn judge(&self, code: u32) -> Result<(), Refusal> {
        match code {
            3 | 5 | 10 if !self.policy.has_password => Err(Refusal::NoPassword),
            3 if !self.policy.may_tell_password => Err(Refusal::ClearText),
            0 | 3 | 5 | 10 => Ok(()),
            2 => Err(Refusal::Method("Kerberos")),
            6 => Err(Refusal::Method("SCM credentials")),
            7 => Err(Refusal::Method("GSSAPI")),
            9 => Err(Refusal::Method("SSPI")),
            _ => Err(Refusal::Method("a kind of log-in that is not known here")),
        }
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads until the answer can be judged, or ends.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_seen {
            let mut room = ReadBuf::new(self.head.get_mut(self.filled..).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
            let read = room.filled().len();
            self.filled += read;
            match self.look() {
                Some(verdict) => {
                    verdict.map_err(io::Error::other)?;
                    self.is_seen = true;
                }
                None => self.is_seen = read == 0,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_seen {
            ready!(this.poll_head(context))?;
        }
        let before = buffer.filled().len();
        let held = this.head.get(this.passed..this.filled).unwrap_or_default();
        if held.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        } else {
            let passing = held.get(..buffer.remaining()).unwrap_or(held);
            buffer.put_slice(passing);
            this.passed += passing.len();
        }
        let new = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.frames.advance(new).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Guarded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}
