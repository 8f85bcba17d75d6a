//! What a receiver says although it took the request.

use crate::pipeline;
use crate::support::http::{Reaction, Server, answer};
use crate::support::{assert_balanced, assert_dropped, batches_of, flush, lane, offer_all};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use telesink_core::stats::{DropCause, LaneStats};

const BODIES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Sends five records and answers the counters; the receiver is asked once, whatever it says.
fn after(reaction: Reaction) -> LaneStats {
    let server = Server::answering([reaction]);
    let pipeline = pipeline(&server, "", batches_of(5));

    offer_all(&pipeline, BODIES);
    flush(&pipeline);

    assert_eq!(server.received().len(), 1);
    assert_balanced(&pipeline.stats());
    lane(&pipeline)
}

fn partial(rejected_log_records: i64, error_message: &str) -> Reaction {
    let error_message = error_message.to_owned();
    let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
    let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    answer("200 OK", &[("content-type", "application/x-protobuf")], &body)
}

fn json(body: &str) -> Reaction {
    answer("200 OK", &[("content-type", "application/json")], body.as_bytes())
}

#[test]
fn h3_what_a_receiver_rejects_is_counted_by_cause_and_not_sent_again() {
    let stats = after(partial(2, "too old\u{1b}[31m"));

    assert_eq!(stats.delivered, 3);
    assert_dropped(&stats, DropCause::RejectedByServer, 2);
    assert!(stats.last_error.ends_with("rejected 2 log records: too old [31m"), "{}", stats.last_error);
}

#[test]
fn h3_a_partial_success_in_json_is_read_with_numbers_of_both_kinds() {
    for number in ["\"4\"", "4"] {
        let text = format!("{{\"partialSuccess\":{{\"rejectedLogRecords\":{number},\"new\":[]}},\"x\":1}}");
        let stats = after(json(&text));

        assert_eq!(stats.delivered, 1);
        assert_dropped(&stats, DropCause::RejectedByServer, 4);
    }
}

#[test]
fn h3_none_rejected_is_a_success_and_a_text_with_it_a_warning() {
    let quiet =
        [partial(0, ""), json("{}"), json("{\"partialSuccess\":{}}"), json("{\"partialSuccess\":null}")];
    for reaction in quiet {
        let stats = after(reaction);
        assert_eq!((stats.delivered, stats.last_error.as_str()), (5, ""));
    }
    let warned = after(partial(0, "use the new path"));
    assert_eq!(warned.delivered, 5);
    assert!(warned.last_error.ends_with("says: use the new path"), "{}", warned.last_error);
}

#[test]
fn h3_a_number_that_makes_no_sense_loses_no_count() {
    let more = after(partial(7, "all of them"));
    assert_dropped(&more, DropCause::RejectedByServer, 5);
    assert_eq!(after(partial(-3, "")).delivered, 5);
}

#[test]
fn h4_a_reply_that_cannot_be_read_delivers_and_is_kept_to_512_characters() {
    let page = format!("<html>{}</html>", "x".repeat(1_000));
    let cut = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: 5,
            error_message: "never read".to_owned(),
        }),
    };
    let cut = cut.encode_to_vec();
    let table = [
        answer("200 OK", &[("content-type", "text/html")], page.as_bytes()),
        json("{\"partialSuccess\":"),
        json("[1]"),
        answer("200 OK", &[("content-type", "application/x-protobuf")], &cut[..cut.len() - 3]),
        answer("200 OK", &[("content-type", "application/x-protobuf")], page.as_bytes()),
        Reaction::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec()),
    ];
    for reaction in table {
        let stats = after(reaction);

        assert_eq!(stats.delivered, 5, "{stats:?}");
        let (_, kept) = stats.last_error.split_once("is no reply: ").expect("kept");
        assert!((1..=512).contains(&kept.chars().count()), "{kept}");
    }
}

#[test]
fn h5_a_reply_without_end_delivers() {
    let piece = vec![b'x'; 1 << 16];
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".to_vec();

    assert_eq!(after(Reaction::Endless(head, piece)).delivered, 5);
}

#[test]
fn a_text_is_told_once_however_often_a_receiver_repeats_it() {
    let server = Server::start(|_| partial(0, "use the new path"));
    let mut sink = (crate::plan(&server, "").factory)(crate::support::eager().limits());
    let tables =
        telesink_core::record::tables::Tables::new(telesink_core::record::tables::Resource::new(&[]));
    let entries = [telesink_core::sinks::Entry::new(1, crate::support::records::info("a"))];
    let mut notices = Vec::new();

    for _ in 0..3 {
        let batch = telesink_core::sinks::Batch {
            instance: [7; 16],
            lane: 0,
            previous_seq: 0,
            route: telesink_core::sinks::Route::Logs,
            entries: &entries,
            tables: &tables,
            now_unix_nano: 0,
            spent: &telesink_core::sinks::Spent::default(),
        };
        notices.push(sink.write(&batch).expect("written").notice.is_some());
    }

    assert_eq!(notices, [true, false, false]);
}
