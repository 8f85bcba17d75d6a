//! A real HTTP server that does with each request what a test wants.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One request, byte for byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
    /// Counts connections from 0.
    pub(crate) connection: usize,
}

impl Received {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The body, unpacked if it is compressed.
    pub(crate) fn content(&self) -> Vec<u8> {
        if self.header("content-encoding") != Some("gzip") {
            return self.body.clone();
        }
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(&self.body[..]).read_to_end(&mut content).expect("gzip");
        content
    }
}

/// What the server does with a request that it has read.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// Sends these bytes and goes on.
    Send(Vec<u8>),
    /// Sends these bytes and closes.
    SendAndClose(Vec<u8>),
    /// Sends these bytes, one each 20 ms.
    Drip(Vec<u8>),
    /// Sends the first bytes, then the second ones again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// Says nothing until the client goes away.
    Hang,
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Reaction {
    let fields: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{fields}\r\n", body.len());
    Reaction::Send([head.as_bytes(), body].concat())
}

/// Success without a word.
pub(crate) fn ok() -> Reaction {
    answer("200 OK", &[("content-type", "application/x-protobuf")], b"")
}

type Decide = Box<dyn FnMut(&Received) -> Reaction + Send>;

struct Shared {
    decide: Mutex<Decide>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    bytes_sent: AtomicUsize,
    is_over: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

/// A server on a port of its own, which ends with its value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(decide: impl FnMut(&Received) -> Reaction + Send + 'static) -> Self {
        Self::listen(None, Box::new(decide))
    }

    /// Gives these answers, then [`ok`].
    pub(crate) fn answering(answers: impl IntoIterator<Item = Reaction>) -> Self {
        let mut answers: Vec<Reaction> = answers.into_iter().collect();
        answers.reverse();
        Self::start(move |_| answers.pop().unwrap_or_else(ok))
    }

    pub(crate) fn with_tls(
        tls: ServerConfig,
        decide: impl FnMut(&Received) -> Reaction + Send + 'static,
    ) -> Self {
        Self::listen(Some(Arc::new(tls)), Box::new(decide))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, decide: Decide) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            decide: Mutex::new(decide),
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            bytes_sent: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            tls,
        });
        let for_thread = Arc::clone(&shared);
        super::spawn(move || accept(&listener, &for_thread));
        Self { address, shared }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        unpoisoned(&self.shared.received).clone()
    }

    /// How many connections were opened to it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// How many bytes of answers went out.
    pub(crate) fn bytes_sent(&self) -> usize {
        self.shared.bytes_sent.load(Ordering::Acquire)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let (number, shared) = (shared.connections.fetch_add(1, Ordering::AcqRel), Arc::clone(shared));
        super::spawn(move || serve(stream, number, &shared));
    }
}

fn serve(stream: TcpStream, number: usize, shared: &Shared) {
    // Far beyond any test, so that a thread left behind by a failed one goes away at last.
    stream.set_read_timeout(Some(super::LIMIT * 3)).expect("a limit");
    match &shared.tls {
        None => talk(stream, number, shared),
        Some(config) => {
            let connection = ServerConnection::new(Arc::clone(config)).expect("a configuration");
            talk(StreamOwned::new(connection, stream), number, shared);
        }
    }
}

fn talk(mut stream: impl Read + Write, number: usize, shared: &Shared) {
    while let Some(received) = read_request(&mut stream, number) {
        unpoisoned(&shared.received).push(received.clone());
        let reaction = (unpoisoned(&shared.decide))(&received);
        if react(&mut stream, reaction, shared).is_none() {
            return;
        }
    }
}

/// `None` ends the connection.
fn react(stream: &mut (impl Read + Write), reaction: Reaction, shared: &Shared) -> Option<()> {
    let mut send = |bytes: &[u8]| {
        stream.write_all(bytes).and_then(|()| stream.flush()).ok()?;
        shared.bytes_sent.fetch_add(bytes.len(), Ordering::AcqRel);
        Some(())
    };
    match reaction {
        Reaction::Send(bytes) => send(&bytes),
        Reaction::SendAndClose(bytes) => {
            send(&bytes)?;
            None
        }
        Reaction::Drip(bytes) => {
            for byte in bytes.chunks(1) {
                send(byte)?;
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Some(())
        }
        Reaction::Endless(head, again) => {
            send(&head)?;
            while !shared.is_over.load(Ordering::Acquire) {
                send(&again)?;
            }
            None
        }
        Reaction::Hang => {
            drop(stream.read(&mut [0; 1]));
            None
        }
    }
}

fn read_request(stream: &mut impl Read, connection: usize) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().expect("a length"))];
    stream.read_exact(&mut body).ok()?;
    Some(Received { line, headers, body, connection })
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
