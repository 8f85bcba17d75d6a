//! What a server is sent, and what is kept of its answer.

use crate::support::http::{Server, answer, ok};
use crate::{address, client, endpoint, post, post_to};
use telesink_core::http::{Header, Request, gzip, retry_after};

#[test]
fn a_request_is_a_post_with_length_type_and_the_name_of_telesink() {
    let server = Server::answering([]);
    let headers = [Header::new("X-Tenant", "shop", "the test").unwrap()];

    post_to(&mut client(), &endpoint(&server), &headers, b"body").unwrap();

    let received = &server.received()[0];
    assert_eq!((received.line.as_str(), &received.body[..]), ("POST /v1/logs HTTP/1.1", &b"body"[..]));
    let expected = [
        ("host", server.authority()),
        ("content-type", "application/x-protobuf".to_owned()),
        ("content-length", "4".to_owned()),
        ("accept", "application/x-protobuf".to_owned()),
        ("accept-encoding", "identity".to_owned()),
        ("user-agent", format!("telesink/{}", env!("CARGO_PKG_VERSION"))),
        ("x-tenant", "shop".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(received.header(name), Some(value.as_str()), "{name}");
    }
    assert_eq!(received.header("authorization"), None);
    assert_eq!(received.header("transfer-encoding"), None);
}

#[test]
fn a_compressed_body_says_so_and_unpacks_to_what_was_meant() {
    let server = Server::answering([]);
    let body = b"again and again and again".repeat(100);
    let mut packed = vec![1, 2, 3];
    gzip(&body, &mut packed);

    let endpoint = endpoint(&server);
    let request = Request {
        endpoint: &endpoint,
        content_type: "text/plain",
        headers: &[],
        body: Some(&packed),
        is_gzip: true,
    };
    client().send(&request).unwrap();

    let received = &server.received()[0];
    assert_eq!(received.header("content-encoding"), Some("gzip"));
    assert!(received.body.len() < body.len() / 10);
    assert_eq!(received.content(), body);
}

#[test]
fn a_request_without_a_body_is_a_get() {
    let server =
        Server::answering([answer("200 OK", &[("content-type", "Application/JSON; charset=utf-8")], b"{}")]);

    let endpoint = endpoint(&server);
    let request = Request {
        endpoint: &endpoint,
        content_type: "application/json",
        headers: &[],
        body: None,
        is_gzip: false,
    };
    let reply = client().send(&request).unwrap();

    assert_eq!(server.received()[0].line, "GET /v1/logs HTTP/1.1");
    assert_eq!(
        (reply.status, reply.content_type.as_str(), reply.text().as_str()),
        (200, "application/json", "{}")
    );
}

#[test]
fn h12_header_values_that_would_end_a_line_are_refused_without_being_shown() {
    for value in [
        "hunter2\r\nx: y",
        "hunter2\n",
        "\nhunter2",
        "hun\0ter2",
        "hunter2\u{7f}",
        "hunter2\u{e9}",
        "hun\u{b}ter2",
    ] {
        let error = Header::new("x-api-key", value, "option `headers`").expect_err("refused");
        let said = format!("{error:?}");
        assert!(!said.contains("hunter2") && !said.contains("hun"), "{said}");
        assert!(said.contains("x-api-key") && said.contains("option `headers`"), "{said}");
    }
    let long = "hunter2".repeat(2_000);
    assert!(Header::new("x", &long, "the test").is_err());
}

#[test]
fn h12_header_names_that_are_none_or_belong_to_the_client_are_refused() {
    for name in [
        "",
        " ",
        "x y",
        "x:",
        "x\r\n",
        "\u{e9}",
        "Content-Length",
        "host",
        "Transfer-Encoding",
        "Content-Encoding",
    ] {
        assert!(Header::new(name, "value", "the test").is_err(), "{name:?}");
    }
    assert_eq!(Header::new(" X-Api-Key ", "\tvalue ", "the test").unwrap().name(), "x-api-key");
}

#[test]
fn what_a_server_says_is_shown_without_credentials_and_control_characters() {
    let said = "no such key: sk-hunter2-secret\u{1b}[31m\nBasic YTpi";
    let server = Server::answering([answer("401 Unauthorized", &[], said.as_bytes())]);
    let headers = [
        Header::new("authorization", "Bearer sk-hunter2-secret", "the test").unwrap(),
        Header::new("x", "no", "the test").unwrap(),
    ];

    let reply = post_to(&mut client(), &endpoint(&server), &headers, b"").unwrap();

    assert_eq!(reply.text(), "no such key: *** [31m Basic YTpi");
    assert!(!format!("{headers:?}").contains("hunter2"));
}

#[test]
fn h6_a_redirect_is_not_followed_and_names_the_host_it_leads_to() {
    let other = Server::answering([]);
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("http://app:hunter2@{}/elsewhere?token=hunter2", other.authority());
        let server = Server::start(move |_| answer(status, &[("location", &location)], b""));
        let headers = [Header::basic("app", "hunter2")];

        let reply = post_to(&mut client(), &endpoint(&server), &headers, b"body").unwrap();

        assert_eq!(reply.redirect_host, Some(other.authority()), "{status}");
        assert_eq!(server.received().len(), 1);
    }
    assert_eq!((other.received().len(), other.connections()), (0, 0));
}

#[test]
fn h6_a_redirect_within_a_server_names_that_server() {
    let server = Server::start(|_| answer("308 Permanent Redirect", &[("location", "/other")], b""));

    let reply = post(&mut client(), &server, b"body").unwrap();

    assert_eq!(reply.redirect_host, Some(server.authority()));
}

#[test]
fn addresses_of_every_form_are_read_and_others_refused_without_being_shown() {
    let table = [
        ("http://a", "http://a:80/"),
        ("HTTPS://A.example:4318/x/", "https://a.example:4318/x"),
        ("http://[::1]:4318", "http://[::1]:4318/"),
        ("http://127.0.0.1:1/v1/logs", "http://127.0.0.1:1/v1/logs"),
    ];
    for (text, expected) in table {
        assert_eq!(address(text).to_string(), expected);
    }
    for text in [
        "",
        "a",
        "ftp://hunter2",
        "http://",
        "http://hunter2:x",
        "http://a:0",
        "http://a:65536",
        "http://[::1",
        "http://a b",
    ] {
        let error = telesink_core::http::Endpoint::parse(text, "the test").expect_err(text);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn h2_a_wait_is_read_in_seconds_and_as_a_date_and_capped_at_five_minutes() {
    // Sun, 06 Nov 1994 08:49:37 GMT
    let at = 784_111_777_u64 * 1_000_000_000;
    let table = [
        ("0", Some(0)),
        (" 7 ", Some(7)),
        ("300", Some(300)),
        ("301", Some(300)),
        ("315360000", Some(300)),
        ("99999999999999999999999999", Some(300)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ("Sat, 06 Nov 2004 08:49:37 GMT", Some(300)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("\u{0661}", None),
    ];
    for (text, expected) in table {
        assert_eq!(retry_after(text, at).map(|delay| delay.as_secs()), expected, "{text:?}");
    }
}

#[test]
fn h2_the_answer_carries_the_wait() {
    let server =
        Server::answering([answer("429 Too Many Requests", &[("Retry-After", "12")], b"slow down"), ok()]);
    let mut client = client();

    let (first, second) =
        (post(&mut client, &server, b"").unwrap(), post(&mut client, &server, b"").unwrap());

    assert_eq!(first.retry_after.map(|delay| delay.as_secs()), Some(12));
    assert_eq!(second.retry_after, None);
}
