//! Sockets to a server, and the addresses behind a name.

use crate::descriptors::Identity;
use crate::dsn::postgres::{Host, Target};
use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::mem::forget;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Between two questions of keep-alive, and how many may stay unanswered, unless the DSN says so: with the idle time
/// of 30 seconds, a server that vanished is noticed within a minute.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;

/// How long sent bytes may stay unacknowledged, unless the DSN says so. The kernel's own limit is about a quarter of an
/// hour.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Addresses of one name that are tried: each may cost a whole time limit.
const ADDRESSES_MAX: usize = 8;

/// Longest path of a socket that every system takes (`sun_path` of macOS, less the NUL).
#[cfg(unix)]
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            #[cfg(unix)]
            Address::Unix(path) => write!(f, "{}", path.to_string_lossy().replacen('\0', "@", 1)),
        }
    }
}

impl Address {
    /// Its IP address, if it has one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip()),
            #[cfg(unix)]
            Address::Unix(_) => None,
        }
    }
}

/// The addresses of a host, at least one. Only a name is given to the resolver, which runs on a thread of its own.
pub(super) async fn resolve(host: &Host, limit: Duration) -> Result<Vec<Address>, Failure> {
    if host.is_socket() {
        return socket_address(host);
    }
    if let Some(ip) = host.address.or_else(|| host.name.parse().ok()) {
        return Ok(vec![Address::Tcp(SocketAddr::new(ip, host.port))]);
    }
    let looking = tokio::net::lookup_host((host.name.as_str(), host.port));
    let Ok(answer) = tokio::time::timeout(limit, looking).await else {
        return Err(Failure::new(Phase::Resolve, Cause::Timeout(limit)));
    };
    let found = answer.map_err(|error| unresolved(host, &error))?;
    let mut addresses = Vec::new();
    for address in found.map(Address::Tcp) {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let text = format!("{} has no address", host.name);
        return Err(Failure::new(Phase::Resolve, Cause::UnknownHost(text)));
    }
    Ok(addresses)
}

/// Tells a name that does not exist from a resolver that cannot be asked now. The latter has no kind of its own, only
/// the words of the system.
fn unresolved(host: &Host, error: &io::Error) -> Failure {
    let words = error.to_string();
    let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
    let text = format!("{} ({words})", host.name);
    let may_pass = error.raw_os_error().is_some() || words.starts_with("Temporary") || words == "Try again";
    let cause = if may_pass { Cause::Lost(text) } else { Cause::UnknownHost(text) };
    Failure::new(Phase::Resolve, cause)
}

/// The file of a socket in libpq's way; a NUL in front puts it into the abstract namespace.
#[cfg(unix)]
fn socket_address(host: &Host) -> Result<Vec<Address>, Failure> {
    let directory = host.name.strip_prefix('@').map(|name| format!("\0{name}"));
    let path = format!("{}/.s.PGSQL.{}", directory.as_ref().unwrap_or(&host.name), host.port);
    if path.len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(vec![Address::Unix(PathBuf::from(path))]);
    }
    let message = format!("the path of the socket is longer than {SOCKET_PATH_BYTES_MAX} bytes");
    let hint =
        "let the server make its socket in a folder with a shorter name (unix_socket_directories)".to_owned();
    Err(Failure::new(Phase::Connect, Cause::Config { message, hint }))
}

#[cfg(not(unix))]
fn socket_address(host: &Host) -> Result<Vec<Address>, Failure> {
    let message = format!("`{}` is a unix socket, which this system does not have", host.name);
    let hint = "give the name of a host".to_owned();
    Err(Failure::new(Phase::Connect, Cause::Config { message, hint }))
}

/// Opens a socket, without a time limit of its own.
pub(super) async fn open(address: &Address, target: &Target) -> Result<Socket, Failure> {
    let opened = match address {
        Address::Tcp(address) => open_tcp(*address, target).await.map(Stream::Tcp),
        #[cfg(unix)]
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
    };
    opened
        .map(Socket::new)
        .map_err(|error| Failure::new(Phase::Connect, Cause::Lost(format!("{address}: {error}"))))
}

async fn open_tcp(address: SocketAddr, target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if let Some(keepalive) = target.keepalive {
        let options = TcpKeepalive::new()
            .with_time(keepalive.idle)
            .with_interval(keepalive.interval.unwrap_or(KEEPALIVE_INTERVAL))
            .with_retries(keepalive.count.unwrap_or(KEEPALIVE_COUNT));
        socket.set_tcp_keepalive(&options)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(target.tcp_user_timeout.unwrap_or(USER_TIMEOUT)))?;
    Ok(stream)
}

/// An open socket, as long as the program leaves it open.
#[derive(Debug)]
pub(super) struct Socket {
    /// Gone once the number was found to lead to something else.
    stream: Option<Stream>,
    identity: Option<Identity>,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with either kind.
macro_rules! with {
    ($socket:expr, $stream:ident => $work:expr) => {
        match $socket {
            Stream::Tcp($stream) => $work,
            #[cfg(unix)]
            Stream::Unix($stream) => $work,
        }
    };
}

impl Socket {
    fn new(stream: Stream) -> Self {
        let identity = with!(&stream, stream => Identity::of(stream));
        Self { stream: Some(stream), identity }
    }

    /// The socket itself, if the number still leads to it. If not, it is forgotten: somebody else closes it.
    pub(super) fn own(&mut self) -> io::Result<&mut Stream> {
        if let Some(stream) = &self.stream
            && with!(stream, stream => Identity::of(stream)) != self.identity
        {
            forget(self.stream.take());
        }
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the program has closed the socket");
        self.stream.as_mut().ok_or_else(closed)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Leaves nothing to be closed if the number is somebody else's.
        drop(self.own().map(|_| ()));
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with!(self.get_mut().own()?, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with!(self.get_mut().own()?, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(self.get_mut().own()?, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.get_mut().own()?, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.get_mut().own()?, stream => Pin::new(stream).poll_shutdown(context))
    }
}
