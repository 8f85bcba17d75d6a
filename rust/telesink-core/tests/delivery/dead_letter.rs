//! The dead-letter file: refused records with the reason, readable, private and bounded.
#![cfg(unix)]

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Script};
use crate::support::{assert_balanced, assert_dropped, batches_of, flush, lane, offer, offer_all, pipeline};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::Value;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use telesink_core::settings::Settings;
use telesink_core::sinks::{Outcome, Refusal};
use telesink_core::stats::DropCause;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("refused.ndjson");
    (folder, path)
}

fn with_file(path: &Path, batch: usize) -> Settings {
    Settings { dead_letter: Some(path.to_path_buf()), ..batches_of(batch) }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Refuses the second record of its first batch, with these words.
fn refusing_second(text: &str) -> Script {
    let refusal = Refusal { index: 1, code: "constraint".to_owned(), text: text.to_owned() };
    Script::answering([Answer::Partly(Outcome { refused: vec![refusal], ..Outcome::default() })])
}

fn refusing_bad() -> Script {
    Script::refusing(|body| body.starts_with("bad"))
}

#[test]
fn a_refused_record_is_set_aside_with_all_that_is_known_of_it() {
    let (_folder, path) = folder();
    let script = refusing_second("CHECK failed");
    let pipeline = pipeline(script.plan(), with_file(&path, 3));
    let scope = pipeline.tables().scope_index("shop.cart");
    let odd = "bad \"quoted\" \\ \n\t\u{1} 🦀";

    offer_all(&pipeline, ["good"]);
    assert!(offer(&pipeline, &Draft::new(odd).scope(scope).level(40).attribute("user", "a\"b").build()));
    offer_all(&pipeline, ["good too"]);
    flush(&pipeline);

    let lines = lines(&path);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["sink"], "only");
    assert_eq!(line["code"], "constraint");
    assert_eq!(line["reason"], "CHECK failed");
    assert_eq!(line["seq"], 2);
    assert_eq!(line["instance"], uuid::Uuid::from_bytes(pipeline.instance()).to_string());
    assert_eq!(line["record"]["body"], odd);
    assert_eq!(line["record"]["logger"], "shop.cart");
    assert_eq!(line["record"]["level"], "ERROR");
    assert_eq!(line["record"]["severity"], 17);
    assert_eq!(line["record"]["attributes"]["user"], "a\"b");
    assert!(uuid::Uuid::parse_str(line["id"].as_str().expect("text")).is_ok());
    assert_eq!(script.bodies(), ["good", "good too"]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
}

#[test]
fn the_exact_bytes_of_a_refused_record_can_be_decoded_again() {
    let (_folder, path) = folder();
    let pipeline = pipeline(refusing_second("no").plan(), with_file(&path, 2));
    let refused = Draft::new("the one").attribute("key", "value").build();

    offer_all(&pipeline, ["good"]);
    assert!(offer(&pipeline, &refused));
    flush(&pipeline);

    let encoded = lines(&path)[0]["otlp"].as_str().expect("text").to_owned();
    let bytes = decode_base64(&encoded);
    assert_eq!(bytes, refused.body());
    assert_eq!(LogRecord::decode(bytes.as_slice()).expect("OTLP").attributes[0].key, "key");
}

#[test]
fn d16_the_file_is_private_whatever_the_umask() {
    let (_folder, path) = folder();
    let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));

    offer_all(&pipeline, ["good", "bad"]);
    flush(&pipeline);

    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_words_of_the_destination_are_cut_and_cannot_break_the_line() {
    let (_folder, path) = folder();
    let words = format!("first line\nsecond\u{1b}[31m {}", "é".repeat(2_000));
    let pipeline = pipeline(refusing_second(&words).plan(), with_file(&path, 2));

    offer_all(&pipeline, ["good", "bad"]);
    flush(&pipeline);

    let reason = lines(&path)[0]["reason"].as_str().expect("text").to_owned();
    assert!(reason.starts_with("first line second [31m"), "{reason}");
    assert!(reason.len() <= 500 && !reason.chars().any(char::is_control));
    assert_eq!(lane(&pipeline).last_error, reason);
}

#[test]
fn d15_a_full_file_grows_no_further_and_what_it_cannot_hold_is_counted() {
    let (_folder, path) = folder();
    let settings = Settings { dead_letter_bytes_max: 3_000, ..with_file(&path, 1) };
    let pipeline = pipeline(refusing_bad().plan(), settings);

    offer_all(&pipeline, (0..30).flat_map(|_| ["good", "bad"]));
    flush(&pipeline);

    let held = lines(&path).len() as u64;
    assert!(held > 0 && std::fs::metadata(&path).expect("a file").len() <= 3_000);
    assert_dropped(&lane(&pipeline), DropCause::Poison, held);
    assert_dropped(&lane(&pipeline), DropCause::DeadLetterFull, 30 - held);
    assert_balanced(&pipeline.stats());
}

#[test]
fn records_of_a_panicking_sink_are_set_aside_as_such() {
    let (_folder, path) = folder();
    let script = Script::deciding(|call| {
        if call.bodies.iter().any(|body| body == "bad") { Answer::Panic } else { Answer::Store }
    });
    let pipeline = pipeline(script.plan(), with_file(&path, 2));

    offer_all(&pipeline, ["good", "bad"]);
    flush(&pipeline);

    assert_eq!(lines(&path)[0]["code"], "sink_panic");
    assert_dropped(&lane(&pipeline), DropCause::SinkPanic, 1);
}

#[test]
fn d16_a_symbolic_link_is_not_followed() {
    let (folder, path) = folder();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "untouched").expect("written");
    symlink(&victim, &path).expect("a link");
    let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));

    offer_all(&pipeline, ["good", "bad", "good"]);
    flush(&pipeline);

    assert_eq!(std::fs::read_to_string(&victim).expect("a file"), "untouched");
    assert_dropped(&lane(&pipeline), DropCause::DeadLetterFull, 1);
    assert_eq!(lane(&pipeline).delivered, 2);
}

#[test]
fn d16_a_fifo_does_not_hang_the_lane_whether_or_not_somebody_reads_it() {
    for has_reader in [false, true] {
        let (_folder, path) = folder();
        let mode = rustix::fs::Mode::from_bits_truncate(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
        // Opened for both directions, so that the test itself does not wait for the other end.
        let open = || std::fs::File::options().read(true).write(true).open(&path);
        let reader = has_reader.then(|| open().expect("opened"));
        let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));

        offer_all(&pipeline, ["good", "bad", "good"]);
        flush(&pipeline);

        assert_dropped(&lane(&pipeline), DropCause::DeadLetterFull, 1);
        assert_eq!(lane(&pipeline).delivered, 2);
        assert!(std::fs::metadata(&path).expect("still there").file_type().is_fifo());
        drop(reader);
    }
}

#[test]
fn a_missing_folder_costs_the_refused_records_only_and_is_looked_for_again() {
    let (folder, _) = folder();
    let path = folder.path().join("later").join("refused.ndjson");
    let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));

    offer_all(&pipeline, ["good", "bad 1"]);
    flush(&pipeline);
    std::fs::create_dir(folder.path().join("later")).expect("a folder");
    offer_all(&pipeline, ["bad 2", "good"]);
    flush(&pipeline);

    assert_dropped(&lane(&pipeline), DropCause::DeadLetterFull, 1);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
    assert_eq!(lines(&path)[0]["record"]["body"], "bad 2");
}

#[test]
fn d15_a_file_that_was_deleted_or_moved_away_is_made_anew_and_nothing_is_written_to_the_old_one() {
    let (folder, path) = folder();
    let archive = folder.path().join("replayed.ndjson");
    let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));
    offer_all(&pipeline, ["good", "bad 1"]);
    flush(&pipeline);

    std::fs::rename(&path, &archive).expect("moved");
    offer_all(&pipeline, ["bad 2", "good"]);
    flush(&pipeline);
    let second = lines(&path);
    std::fs::remove_file(&path).expect("deleted");
    offer_all(&pipeline, ["bad 3", "good"]);
    flush(&pipeline);

    let held = [&lines(&archive), &second, &lines(&path)].map(|lines| lines[0]["record"]["body"].clone());
    assert_eq!(held, ["bad 1", "bad 2", "bad 3"]);
    assert_eq!((lines(&archive).len(), second.len()), (1, 1));
    assert_dropped(&lane(&pipeline), DropCause::Poison, 3);
}

#[test]
fn d15_a_line_that_a_killed_process_left_unfinished_costs_no_other_line() {
    let (_folder, path) = folder();
    let torn = "{\"id\":\"0199";
    std::fs::write(&path, torn).expect("written");
    let pipeline = pipeline(refusing_bad().plan(), with_file(&path, 1));

    offer_all(&pipeline, ["good", "bad 1"]);
    flush(&pipeline);
    // And one of another process that is killed while the file is open here.
    let mut other = std::fs::File::options().append(true).open(&path).expect("a file");
    std::io::Write::write_all(&mut other, torn.as_bytes()).expect("written");
    offer_all(&pipeline, ["good", "bad 2"]);
    flush(&pipeline);

    let text = std::fs::read_to_string(&path).expect("a file");
    let (whole, unfinished): (Vec<_>, Vec<_>) = text.lines().partition(|line| *line != torn);
    let whole: Vec<Value> = whole.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(unfinished.len(), 2);
    assert_eq!(whole.iter().map(|line| &line["record"]["body"]).collect::<Vec<_>>(), ["bad 1", "bad 2"]);
}

#[test]
fn lanes_that_share_a_file_mix_no_lines() {
    let (_folder, path) = folder();
    let pipeline = crate::support::empty_pipeline();
    for number in 0..4 {
        let spec =
            crate::support::spec(&format!("lane {number}"), refusing_bad().plan(), with_file(&path, 1));
        pipeline.add_lane(spec).expect("added");
    }

    for number in 0..100 {
        offer_all(&pipeline, [format!("bad {number}"), "good".to_owned()]);
    }
    flush(&pipeline);

    let lines = lines(&path);
    assert_eq!(lines.len(), 400);
    for number in 0..4 {
        let of_lane = lines.iter().filter(|line| line["sink"] == format!("lane {number}"));
        assert_eq!(of_lane.count(), 100);
    }
}

#[test]
fn without_a_file_refused_records_are_counted_all_the_same() {
    let pipeline = pipeline(refusing_bad().plan(), batches_of(1));

    assert!(offer(&pipeline, &info("bad")));
    flush(&pipeline);

    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
}

fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let digits = chunk.iter().map(|digit| ALPHABET.find(char::from(*digit)).expect("a digit") as u32);
        let word = digits.fold(0, |word, digit| word << 6 | digit) << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}
