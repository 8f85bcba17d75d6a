//! Through a proxy: who sees what, and for which servers it is asked.

use crate::support::authority::Authority;
use crate::support::http::{Server, ok};
use crate::{LONG, SHORT, address, post_to};
use std::ffi::OsString;
use std::io::{Read, Write, copy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use telesink_core::dsn::variables::Variables;
use telesink_core::error::WriteErrorKind;
use telesink_core::http::{Client, Header, Proxies, Transport};

/// A proxy that opens tunnels to one server, whatever it is asked for, and records what it is told.
struct Recorder {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    through: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn start(answer: &'static str, target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a proxy");
        let address = listener.local_addr().expect("a proxy");
        let (heads, through) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
        let (for_heads, for_through) = (Arc::clone(&heads), Arc::clone(&through));
        crate::support::spawn(move || {
            for stream in listener.incoming() {
                let (heads, through) = (Arc::clone(&for_heads), Arc::clone(&for_through));
                crate::support::spawn(move || {
                    tunnel(stream.expect("a proxy"), answer, target, &heads, &through);
                });
            }
        });
        Self { address, heads, through }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("a proxy").clone()
    }

    fn through(&self) -> Vec<u8> {
        self.through.lock().expect("a proxy").clone()
    }

    fn option(&self, userinfo: &str) -> Proxies {
        Proxies::of_option(&format!("http://{userinfo}{}", self.address)).expect("a proxy")
    }
}

fn tunnel(
    mut client: TcpStream,
    answer: &str,
    target: SocketAddr,
    heads: &Mutex<Vec<String>>,
    through: &Mutex<Vec<u8>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    heads.lock().expect("a proxy").push(String::from_utf8(head).expect("a proxy"));
    client.write_all(answer.as_bytes()).expect("a proxy");
    if !answer.starts_with("HTTP/1.1 200") {
        return;
    }
    let server = TcpStream::connect(target).expect("a proxy");
    let (mut back_from, mut back_to) =
        (server.try_clone().expect("a proxy"), client.try_clone().expect("a proxy"));
    crate::support::spawn(move || drop(copy(&mut back_from, &mut back_to)));
    let mut buffer = [0; 4096];
    let mut server = server;
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        through.lock().expect("a proxy").extend_from_slice(&buffer[..count]);
        if server.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

const OPENED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn client(proxies: Proxies) -> Client {
    Client::new(Transport { proxies, ..Transport::default() }, LONG, LONG)
}

fn variables(pairs: &[(&'static str, &'static str)]) -> Variables {
    let pairs = pairs.to_vec();
    Variables::new(move |name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn h11_credentials_for_the_proxy_go_to_the_proxy_and_those_for_the_server_to_the_server() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("shop"));
    let server = Server::with_tls(authority.issue(&["collector.example"]).server(), |_| ok());
    let proxy = Recorder::start(OPENED, server.address);
    let transport = Transport {
        certificate: Some(authority.file(folder.path())),
        proxies: proxy.option("app:hunter2%40@"),
        ..Transport::default()
    };
    let headers = [Header::new("authorization", "Bearer for-the-server", "the test").unwrap()];

    let mut client = Client::new(transport, LONG, LONG);
    post_to(&mut client, &address("https://collector.example:4318/v1/logs"), &headers, b"body").unwrap();

    let expected = "CONNECT collector.example:4318 HTTP/1.1\r\nHost: collector.example:4318\r\n\
                    Proxy-Authorization: Basic YXBwOmh1bnRlcjJA\r\n\r\n";
    assert_eq!(proxy.heads(), [expected]);
    let received = &server.received()[0];
    assert_eq!(received.header("authorization"), Some("Bearer for-the-server"));
    assert!(!format!("{received:?}").contains("YXBwOmh1bnRlcjJA"), "{received:?}");
    let seen = String::from_utf8_lossy(&proxy.through()).into_owned();
    assert!(!seen.contains("for-the-server") && !seen.contains("body"), "{seen}");
}

#[test]
fn h11_plain_requests_go_through_a_tunnel_as_well() {
    let server = Server::answering([]);
    let proxy = Recorder::start(OPENED, server.address);
    let mut client = client(proxy.option(""));

    for _ in 0..2 {
        post_to(&mut client, &address("http://collector.example:4318/v1/logs"), &[], b"body").unwrap();
    }

    let expected = "CONNECT collector.example:4318 HTTP/1.1\r\nHost: collector.example:4318\r\n\r\n";
    assert_eq!(proxy.heads(), [expected]);
    assert_eq!(server.received()[1].header("host"), Some("collector.example:4318"));
}

#[test]
fn h11_a_proxy_that_refuses_holds_or_is_asked_again_as_its_status_says() {
    let table = [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", WriteErrorKind::Hold, "other credentials"),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            WriteErrorKind::Hold,
            "refuses a tunnel to collector.example:80 (403)",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", WriteErrorKind::Retry, "opens no tunnel"),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", WriteErrorKind::Hold, "does not answer as a proxy does"),
        ("HTTP/1.1 20", WriteErrorKind::Retry, "the connection ended"),
    ];
    for (answer, kind, words) in table {
        let proxy = Recorder::start(answer, "127.0.0.1:1".parse().unwrap());

        let target = address("http://collector.example");
        let error =
            post_to(&mut client(proxy.option("app:hunter2@")), &target, &[], b"body").expect_err(answer);

        assert_eq!((error.kind, error.is_unresolved), (kind, false), "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(!error.full_text().contains("hunter2"), "{}", error.full_text());
    }
}

#[test]
fn h9_a_proxy_that_never_answers_does_not_outlast_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxies = Proxies::of_option(&listener.local_addr().unwrap().to_string()).unwrap();
    let mut client = Client::new(Transport { proxies, ..Transport::default() }, SHORT, SHORT);

    let error = post_to(&mut client, &address("http://collector.example"), &[], b"body").expect_err("silent");

    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, false), "{error}");
}

#[test]
fn the_environment_names_proxies_lower_case_first_and_exceptions() {
    let found = Proxies::of_environment(&variables(&[
        ("http_proxy", "http://lower:1"),
        ("HTTP_PROXY", "http://upper:1"),
        ("HTTPS_PROXY", "tls:2"),
        ("NO_PROXY", " .internal.example ,, EXACT.example., 10.0.0.1 "),
    ]));
    let proxies = found.unwrap();
    let shown = |text: &str| proxies.for_endpoint(&address(text)).map(|proxy| format!("{proxy:?}"));

    assert!(shown("http://a.example").unwrap().contains("\"lower\""));
    assert!(shown("https://a.example").unwrap().contains("\"tls\""));
    for direct in [
        "http://internal.example",
        "http://deep.internal.example",
        "https://exact.example.",
        "http://sub.EXACT.example",
        "http://10.0.0.1",
        "http://localhost",
        "http://127.0.0.1",
        "http://[::1]",
    ] {
        assert_eq!(shown(direct), None, "{direct}");
    }
    for proxied in ["http://notinternal.example", "http://exact.example.org", "http://110.0.0.1"] {
        assert!(shown(proxied).is_some(), "{proxied}");
    }
}

#[test]
fn a_star_switches_proxies_off_and_a_cgi_script_does_not_trust_upper_case() {
    let all =
        Proxies::of_environment(&variables(&[("ALL_PROXY", "http://all:1"), ("no_proxy", "*")])).unwrap();
    assert_eq!(all.for_endpoint(&address("http://a.example")), None);

    let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1")];
    let cgi = Proxies::of_environment(&variables(&cgi)).unwrap();
    assert_eq!(cgi.for_endpoint(&address("http://a.example")), None);
}

#[test]
fn proxies_that_cannot_be_asked_are_refused_without_being_shown() {
    for text in [
        "socks5://app:hunter2@p:1",
        "https://app:hunter2@p",
        "http://app:hunter2@p/x",
        "http://app:hunter2@p:x",
    ] {
        let error = Proxies::of_option(text).expect_err(text);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let from_environment =
        Proxies::of_environment(&variables(&[("https_proxy", "socks5://p:1")])).expect_err("socks");
    assert!(from_environment.message.contains("https_proxy"), "{}", from_environment.message);
    assert!(!format!("{:?}", Proxies::of_option("http://app:hunter2@p").unwrap()).contains("hunter2"));
}
