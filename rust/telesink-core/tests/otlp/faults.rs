//! What each failure of a receiver costs: nothing that could be delivered, and nothing counted twice.

use crate::support::http::{Reaction, Received, Server, answer, ok};
use crate::support::{
    LIMIT, assert_balanced, assert_dropped, batches_of, eager, flush, lane, offer_all, until,
};
use crate::{all_bodies, bodies, pipeline};
use telesink_core::clock;
use telesink_core::stats::{DropCause, State};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn status(status: &str) -> Reaction {
    answer(status, &[], b"why")
}

#[test]
fn h1_statuses_that_may_pass_are_tried_again_with_the_same_bytes() {
    let passing =
        ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"];
    let server = Server::answering(passing.map(status));
    let pipeline = pipeline(&server, "", batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    flush(&pipeline);

    let received = server.received();
    assert_eq!(received.len(), 5);
    assert!(received.iter().all(|one| one.body == received[0].body));
    assert_eq!((lane(&pipeline).delivered, lane(&pipeline).retries), (3, 4));
    assert_balanced(&pipeline.stats());
}

#[test]
fn h1_statuses_that_somebody_has_to_mend_hold_the_records_and_say_what_to_do() {
    for (line, hint) in [
        ("401 Unauthorized", "credentials"),
        ("403 Forbidden", "credentials"),
        ("404 Not Found", "path"),
        ("405 Method Not Allowed", "host and port"),
        ("410 Gone", "path"),
        ("307 Temporary Redirect", "address"),
    ] {
        let server = Server::start(move |_| status(line));
        let pipeline = pipeline(&server, "", batches_of(2));

        offer_all(&pipeline, ["a", "b"]);
        until("the lane is held", || lane(&pipeline).state == State::Held);
        let held = lane(&pipeline);
        let closing = pipeline.close(clock::monotonic() + LIMIT, true);

        assert_eq!((held.pending, held.dropped.total()), (2, 0), "{line}");
        assert!(held.last_error.contains(line) && held.last_error.contains(hint), "{}", held.last_error);
        assert!(closing.is_complete());
        assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 2);
    }
}

#[test]
fn h1_a_record_that_a_receiver_cannot_read_costs_only_itself() {
    let server = Server::start(|received| {
        if bodies(received).iter().any(|body| body == "5") { status("400 Bad Request") } else { ok() }
    });
    let pipeline = pipeline(&server, "", batches_of(16));

    offer_all(&pipeline, numbered(16));
    flush(&pipeline);

    assert_eq!(lane(&pipeline).delivered, 15);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
    assert!(lane(&pipeline).last_error.contains("400 Bad Request: why"), "{}", lane(&pipeline).last_error);
}

#[test]
fn h16_a_receiver_with_a_smaller_limit_gets_halves_and_what_is_alone_too_large_is_set_aside() {
    let server =
        Server::start(
            |received| {
                if received.body.len() > 10 << 10 { status("413 Content Too Large") } else { ok() }
            },
        );
    let pipeline = pipeline(&server, "", batches_of(64));
    let mut sent: Vec<String> = (0..63).map(|number| format!("{number} {}", "x".repeat(1_000))).collect();
    sent.insert(20, "y".repeat(20 << 10));

    offer_all(&pipeline, &sent);
    flush(&pipeline);

    sent.remove(20);
    let taken: Vec<Received> =
        server.received().into_iter().filter(|one| one.body.len() <= 10 << 10).collect();
    assert_eq!(taken.iter().flat_map(bodies).collect::<Vec<_>>(), sent);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
}

#[test]
fn h2_a_receiver_that_asks_to_be_left_alone_is_left_alone() {
    let server = Server::answering([answer("429 Too Many Requests", &[("retry-after", "1")], b"")]);
    let pipeline = pipeline(&server, "", eager());

    let begun = clock::monotonic();
    offer_all(&pipeline, ["a"]);
    until("it was delivered", || lane(&pipeline).delivered == 1);

    assert!(begun.elapsed().as_millis() >= 1_000);
}

#[test]
fn h6_a_redirect_is_not_followed_and_nothing_reaches_the_other_server() {
    let other = Server::answering([]);
    let location = format!("http://{}/v1/logs", other.authority());
    let server = Server::start(move |_| answer("308 Permanent Redirect", &[("location", &location)], b""));
    let pipeline = pipeline(&server, "&headers=authorization=hunter2", eager());

    offer_all(&pipeline, ["a"]);
    until("the lane is held", || lane(&pipeline).state == State::Held);

    assert_eq!(other.connections(), 0);
    assert!(lane(&pipeline).last_error.contains(&other.authority()), "{}", lane(&pipeline).last_error);
}

#[test]
fn h7_a_receiver_that_closes_at_random_gets_every_record_and_no_other_bytes() {
    let mut number = 0_u32;
    let server = Server::start(move |_| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if number >> 30 == 0 { Reaction::SendAndClose(Vec::new()) } else { ok() }
    });
    let pipeline = pipeline(&server, "", batches_of(10));

    offer_all(&pipeline, numbered(1_000));
    flush(&pipeline);

    assert_eq!(lane(&pipeline).delivered, 1_000);
    let mut found = all_bodies(&server);
    found.dedup();
    let mut distinct: Vec<usize> = found.iter().map(|body| body.parse().unwrap()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct, (0..1_000).collect::<Vec<_>>());
    assert_balanced(&pipeline.stats());
}

#[test]
fn h8_when_the_answer_is_lost_the_same_bytes_are_sent_again() {
    let answers = [Reaction::SendAndClose(Vec::new()), Reaction::SendAndClose(b"HTTP/1.1 2".to_vec())];
    let server = Server::answering(answers);
    let pipeline = pipeline(&server, "", batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    flush(&pipeline);

    let received = server.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| one.body == received[0].body));
    assert_eq!(lane(&pipeline).delivered, 3);
}

#[test]
fn h8_what_was_sent_without_an_answer_is_unresolved_at_the_end() {
    let server = Server::start(|_| Reaction::SendAndClose(Vec::new()));
    let pipeline = pipeline(&server, "", eager());

    offer_all(&pipeline, ["a"]);
    until("it was tried", || lane(&pipeline).retries > 0);
    pipeline.close(clock::monotonic() + LIMIT / 20, true);

    assert_dropped(&lane(&pipeline), DropCause::ExitUnresolved, 1);
}

#[test]
fn h9_a_close_does_not_outlast_its_deadline_when_the_receiver_hangs() {
    let server = Server::start(|_| Reaction::Hang);
    let pipeline = pipeline(&server, "", eager());

    offer_all(&pipeline, ["a", "b"]);
    until("it was asked", || server.connections() == 1);
    let receipt = pipeline.close(clock::monotonic() + LIMIT / 50, true);

    assert!(receipt.is_complete());
    assert_eq!(lane(&pipeline).dropped.total(), 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn h17_a_receiver_that_does_not_unpack_gets_plain_requests_from_then_on() {
    for refusal in ["415 Unsupported Media Type", "400 Bad Request"] {
        let server =
            Server::start(
                move |received| {
                    if received.header("content-encoding").is_some() { status(refusal) } else { ok() }
                },
            );
        let pipeline = pipeline(&server, "&compression=gzip", batches_of(1));

        offer_all(&pipeline, ["a", "b"]);
        flush(&pipeline);

        let packed = server.received().iter().filter(|one| one.header("content-encoding").is_some()).count();
        assert_eq!((packed, server.received().len()), (1, 3), "{refusal}");
        assert_eq!((lane(&pipeline).delivered, lane(&pipeline).dropped.total()), (2, 0));
    }
}
