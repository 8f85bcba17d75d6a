//! What is read from the client library, which is given real bytes.

use super::*;
use crate::sinks::postgres::failure::reading::by_words;
use std::io::{Read, Write};
use std::net::TcpListener;

/// What the client library makes of a server that takes the start-up message and says `bytes`.
fn told(bytes: Vec<u8>) -> Failure {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::Builder::new()
        .spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
            stream.write_all(&bytes).unwrap();
        })
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("app").ssl_mode(tokio_postgres::config::SslMode::Disable);
    let error = runtime.block_on(async {
        let talk = async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            config.connect_raw(stream, tokio_postgres::NoTls).await.err().unwrap()
        };
        tokio::time::timeout(LIMIT, talk).await.unwrap()
    });
    server.join().unwrap();
    Failure::of(Phase::Authenticate, &error)
}

/// An `ErrorResponse` as in "Message Formats" of PostgreSQL's documentation.
fn error_response(fields: &[&str]) -> Vec<u8> {
    let body: Vec<u8> =
        fields.iter().flat_map(|field| [field.as_bytes(), b"\0"].concat()).chain([0]).collect();
    let length = u32::try_from(body.len() + 4).unwrap();
    [&b"E"[..], &length.to_be_bytes(), &body].concat()
}

#[test]
fn an_answer_is_read_with_all_that_it_names() {
    let fields = [
        "SFEHLER",
        "VERROR",
        "C23514",
        "Mno",
        "Dthe row",
        "srelation",
        "ttelesink_logs",
        "cts",
        "nshort",
        "RExec",
    ];

    let failure = told(error_response(&fields));

    let expected = Answer {
        code: "23514".to_owned(),
        message: "no".to_owned(),
        detail: "the row".to_owned(),
        constraint: "short".to_owned(),
        table: "telesink_logs".to_owned(),
        column: "ts".to_owned(),
        routine: "Exec".to_owned(),
        is_fatal: false,
    };
    assert_eq!(failure, failed(Phase::Authenticate, expected));
}

#[test]
fn the_column_of_a_copy_is_read_from_the_context() {
    let fields = |context: &'static str| error_response(&["SFATAL", "VFATAL", "C22P03", "Mno", context]);

    for (context, column) in [
        ("WCOPY telesink_logs, line 7, column ts\nSQL function f", "ts"),
        ("WCOPY telesink_logs, line 7, column ts: \"a value\"", "ts"),
        ("WCOPY telesink_logs, line 7", ""),
        ("WPL/pgSQL function f() line 3, column 1", ""),
    ] {
        let expected = Answer { column: column.to_owned(), is_fatal: true, ..answer("22P03", "no") };
        assert_eq!(told(fields(context)), failed(Phase::Authenticate, expected));
    }
}

#[test]
fn a_socket_that_breaks_is_told_in_the_words_of_the_system() {
    let reset = std::io::Error::from_raw_os_error(104);

    assert_eq!(
        by_words(Phase::Copy, "error communicating with the server", Some(&reset)),
        Failure::new(Phase::Copy, Cause::Lost(reset.to_string()))
    );
    let text = "unexpected message from server";
    let expected = Failure::new(Phase::Guard, Cause::Lost(text.to_owned()));
    assert_eq!(by_words(Phase::Guard, text, None), expected);
}

#[test]
fn a_server_that_says_nothing_or_nonsense_is_a_lost_connection() {
    let text = |bytes: &[u8]| match told(bytes.to_vec()).cause {
        Cause::Lost(text) => text,
        other => panic!("{other:?}"),
    };

    assert_eq!(text(b""), "the server closed the connection");
    assert_eq!(
        text(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "error communicating with the server: bytes remaining on stream"
    );
}
