//! A server that speaks just enough of the protocol to be connected to, and as badly as the test wants.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Longer than any limit in these tests: a client that leaves its socket open shows as a wait of this length.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it answers when it is asked for TLS.
#[derive(Clone)]
pub(super) enum TlsAnswer {
    No,
    Yes(Arc<ServerConfig>),
    Say(&'static [u8]),
    Nothing,
}

/// What it answers to the start-up message.
#[derive(Clone, Copy)]
pub(super) enum LogIn {
    Welcome,
    /// An authentication request with this code and data; then it lets everybody in.
    Ask(u32, &'static [u8]),
    /// SCRAM-SHA-256 with that number of iterations.
    Scram(&'static str),
    /// An error with this SQLSTATE.
    Refuse(&'static str),
    Say(&'static [u8]),
    Nothing,
}

/// How it behaves.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) tls: TlsAnswer,
    /// Without TLS, and with it.
    pub(super) log_in: [LogIn; 2],
    /// Whether it is a standby, and takes no writes: `t` or `f`, `on` or `off`. Without, it never answers.
    pub(super) kind: Option<[&'static str; 2]>,
}

impl Default for Script {
    fn default() -> Self {
        Self { tls: TlsAnswer::No, log_in: [LogIn::Welcome; 2], kind: Some(["f", "off"]) }
    }
}

/// What it saw of one connection.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) is_encrypted: bool,
    pub(super) parameters: HashMap<String, String>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) said_good_bye: bool,
    /// Whether the client closed the socket.
    pub(super) is_closed: bool,
}

pub(super) struct Server {
    pub(super) port: u16,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Server {
    pub(super) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = Builder::new().name("server".to_owned()).spawn(move || {
            let mut all = Vec::new();
            loop {
                let (socket, _) = listener.accept().expect("a connection");
                if ends.load(Ordering::SeqCst) {
                    return all;
                }
                all.push(serve(socket, &script));
            }
        });
        Self { port, is_over, thread: thread.expect("a thread") }
    }

    /// Ends it. Answers what it saw, connection by connection.
    pub(super) fn finish(self) -> Vec<Seen> {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)).expect("a connection"));
        self.thread.join().expect("a server")
    }
}

fn serve(mut socket: TcpStream, script: &Script) -> Seen {
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut seen = Seen::default();
    // An error is the end of the connection, which is what these tests are about.
    let ended = greet(&mut socket, script, &mut seen);
    seen.is_closed = ended.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock);
    seen
}

fn greet(socket: &mut TcpStream, script: &Script, seen: &mut Seen) -> io::Result<()> {
    let mut first = [0];
    socket.peek(&mut first)?;
    if first == [0x16] {
        return encrypted(socket, script, seen);
    }
    let message = packet(socket)?;
    if message[..4] != 80_877_103_u32.to_be_bytes() {
        return session(socket, &message, script, seen);
    }
    match &script.tls {
        TlsAnswer::No => {
            socket.write_all(b"N")?;
            let message = packet(socket)?;
            session(socket, &message, script, seen)
        }
        TlsAnswer::Yes(_) => {
            socket.write_all(b"S")?;
            encrypted(socket, script, seen)
        }
        TlsAnswer::Say(bytes) => {
            socket.write_all(bytes)?;
            wait_for_end(socket)
        }
        TlsAnswer::Nothing => wait_for_end(socket),
    }
}

fn encrypted(socket: &mut TcpStream, script: &Script, seen: &mut Seen) -> io::Result<()> {
    let TlsAnswer::Yes(config) = &script.tls else { return wait_for_end(socket) };
    let connection = ServerConnection::new(Arc::clone(config)).expect("a connection");
    let mut stream = StreamOwned::new(connection, socket);
    let message = packet(&mut stream)?;
    seen.is_encrypted = true;
    session(&mut stream, &message, script, seen)
}

/// From the start-up message to the end.
pub(super) fn session(
    stream: &mut (impl Read + Write),
    start_up: &[u8],
    script: &Script,
    seen: &mut Seen,
) -> io::Result<()> {
    let words: Vec<_> = start_up[4..].split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    seen.parameters = words.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect();
    match script.log_in[usize::from(seen.is_encrypted)] {
        LogIn::Welcome => {}
        LogIn::Ask(code, data) => {
            send(stream, b'R', &[&code.to_be_bytes(), data])?;
            let (_, password) = message(stream)?;
            seen.password = Some(password);
        }
        LogIn::Scram(iterations) => {
            send(stream, b'R', &[&10_u32.to_be_bytes(), b"SCRAM-SHA-256\0\0"])?;
            let (_, first) = message(stream)?;
            let first = String::from_utf8_lossy(&first).into_owned();
            let (_, nonce) = first.split_once("r=").expect("a nonce");
            let challenge = format!("r={nonce}theirs,s=c2FsdHNhbHQ=,i={iterations}");
            send(stream, b'R', &[&11_u32.to_be_bytes(), challenge.as_bytes()])?;
            return wait_for_end(stream);
        }
        LogIn::Refuse(code) => {
            let fields = format!("SFATAL\0VFATAL\0C{code}\0Mnot you\0\0");
            send(stream, b'E', &[fields.as_bytes()])?;
            return wait_for_end(stream);
        }
        LogIn::Say(bytes) => {
            stream.write_all(bytes)?;
            return wait_for_end(stream);
        }
        LogIn::Nothing => return wait_for_end(stream),
    }
    send(stream, b'R', &[&[0; 4]])?;
    send(stream, b'S', &[b"server_version\x0017.2 (Debian 17.2-1)\0"])?;
    send(stream, b'S', &[b"in_hot_standby\0off\0"])?;
    send(stream, b'Z', &[b"I"])?;
    loop {
        match (message(stream)?, script.kind) {
            ((b'X', _), _) => seen.said_good_bye = true,
            ((b'Q', _), Some(kind)) => answer(stream, kind)?,
            _ => {}
        }
    }
}

/// The answer to a query: one row with two texts.
fn answer(stream: &mut impl Write, values: [&str; 2]) -> io::Result<()> {
    // A name, no table, the type `text` (25), of any length, as text.
    let column = b"c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
    send(stream, b'T', &[&[0, 2], column, column])?;
    let [first, second] =
        values.map(|value| [&(value.len() as u32).to_be_bytes(), value.as_bytes()].concat());
    send(stream, b'D', &[&[0, 2], &first, &second])?;
    send(stream, b'C', &[b"SELECT 1\0"])?;
    send(stream, b'Z', &[b"I"])
}

fn send(stream: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let body = parts.concat();
    let length = (body.len() as u32 + 4).to_be_bytes();
    stream.write_all(&[&[kind], &length[..], &body].concat())?;
    stream.flush()
}

fn message(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok((kind[0], packet(stream)?))
}

/// Length and body.
pub(super) fn packet(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn wait_for_end(stream: &mut impl Read) -> io::Result<()> {
    let mut waste = [0; 1024];
    while stream.read(&mut waste)? > 0 {}
    Err(io::ErrorKind::UnexpectedEof.into())
}
