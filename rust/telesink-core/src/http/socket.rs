//! A TCP socket under a deadline, which knows whether its descriptor is still its own.

use crate::clock;
use crate::descriptors::Identity;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, Read, Write};
use std::mem::forget;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Keep-alive: a server that vanished while the connection was idle is noticed within a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// An open socket. Reads and writes end at the deadline, however many of them it takes.
#[derive(Debug)]
pub(super) struct Socket {
    /// Only empty while it is dropped.
    stream: Option<TcpStream>,
    identity: Option<Identity>,
    pub(super) deadline: Instant,
    /// Bytes handed to the system, for all connections of the client.
    written: Arc<AtomicU64>,
}

impl Socket {
    /// Connects until `deadline`.
    pub(super) fn connect(
        address: SocketAddr,
        deadline: Instant,
        written: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let left = left_until(deadline)?;
        let stream = TcpStream::connect_timeout(&address, left).map_err(plain_timeout)?;
        // A request is written in few large pieces, and the last one must not wait.
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let identity = Identity::of(&stream);
        Ok(Self { stream: Some(stream), identity, deadline, written })
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        self.stream.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether the number still leads to this socket. A program that turns into a daemon closes what it finds open.
    pub(super) fn is_own(&self) -> bool {
        let found = self.stream.as_ref().and_then(Identity::of);
        found.is_some() && found == self.identity
    }

    /// What lies unread in it, without waiting: `None` if nothing does, `Some(0)` at the end of the stream.
    pub(super) fn unread(&self) -> io::Result<Option<usize>> {
        let stream = self.stream()?;
        stream.set_nonblocking(true)?;
        let found = stream.peek(&mut [0; 1]);
        stream.set_nonblocking(false)?;
        match found {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = left_until(self.deadline)?;
            let mut stream = self.stream()?;
            stream.set_read_timeout(Some(left))?;
            match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer.map_err(plain_timeout),
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let left = left_until(self.deadline)?;
            let mut stream = self.stream()?;
            stream.set_write_timeout(Some(left))?;
            match stream.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.written.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) => return Err(plain_timeout(error)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.is_own() {
            // Its number may be somebody else's: to close it would close a file of theirs.
            forget(self.stream.take());
        }
    }
}

/// What is left; at least a millisecond, because none means "for ever" to a socket.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(clock::monotonic());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
}

/// A limit that has passed has two names.
fn plain_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}
