//! No line lost, repeated or mixed, whatever the stream does.

use super::super::format::Layout;
use super::super::output::{Output, PIECE_BYTES_MAX};
use super::super::{ConsoleSink, WAIT_MAX, write_error};
use super::record;
use crate::error::{WriteError, WriteErrorKind};
use crate::record::tables::{Resource, Tables};
use crate::sinks::{Batch, Entry, Outcome, Route, Sink, Spent};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a made-up stream does with one write.
enum Act {
    /// Takes that many bytes at most.
    Take(usize),
    /// Fails.
    Fail(io::ErrorKind),
    /// Takes the whole piece after all of the time it may wait.
    WaitAndTake,
}

/// A stream that follows a script, then takes everything; it keeps each piece that it took.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Play>>);

#[derive(Default)]
struct Play {
    acts: VecDeque<Act>,
    pieces: Vec<Vec<u8>>,
}

impl Script {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(Arc::new(Mutex::new(Play { acts: acts.into_iter().collect(), pieces: Vec::new() })))
    }

    fn pieces(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("not poisoned").pieces.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.pieces().concat()).expect("text")
    }
}

impl Output for Script {
    fn write_some(&mut self, bytes: &[u8], wait_left: &mut Duration) -> io::Result<usize> {
        let Play { acts, pieces } = &mut *self.0.lock().expect("not poisoned");
        let taken = match acts.pop_front() {
            Some(Act::Fail(kind)) => return Err(kind.into()),
            Some(Act::Take(most)) => most.min(bytes.len()),
            Some(Act::WaitAndTake) if wait_left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
            Some(Act::WaitAndTake) => {
                *wait_left = Duration::ZERO;
                bytes.len()
            }
            None => bytes.len(),
        };
        pieces.push(bytes[..taken].to_vec());
        Ok(taken)
    }
}

fn sink(script: &Script) -> ConsoleSink<Script> {
    ConsoleSink::new(script.clone(), "standard error", Layout::Plain)
}

fn entries(seqs: impl IntoIterator<Item = u64>, padding: usize, tables: &Tables) -> Vec<Entry> {
    let scope = tables.scope_index("shop");
    seqs.into_iter()
        .map(|seq| {
            let message = format!("number {seq}{}", ".".repeat(padding));
            Entry::new(seq, record(scope, 20, "INFO", &message, &[]))
        })
        .collect()
}

fn line(seq: u64) -> String {
    format!("2026-11-21T10:11:12.345Z INFO  shop number {seq}\n")
}

fn lines(seqs: impl IntoIterator<Item = u64>) -> String {
    seqs.into_iter().map(line).collect()
}

fn write(sink: &mut ConsoleSink<Script>, seqs: impl IntoIterator<Item = u64>) -> Result<Outcome, WriteError> {
    write_padded(sink, seqs, 0)
}

fn write_padded(
    sink: &mut ConsoleSink<Script>,
    seqs: impl IntoIterator<Item = u64>,
    padding: usize,
) -> Result<Outcome, WriteError> {
    let tables = Tables::new(Resource::new(&[]));
    let entries = entries(seqs, padding, &tables);
    sink.write(&Batch {
        instance: [1; 16],
        lane: 0,
        previous_seq: 0,
        route: Route::Logs,
        entries: &entries,
        tables: &tables,
        now_unix_nano: 0,
        spent: &Spent::default(),
    })
}

#[test]
fn small_records_share_a_piece_and_a_piece_ends_with_a_line() {
    let script = Script::default();

    write(&mut sink(&script), 1..=200).expect("written");

    assert_eq!(script.text(), lines(1..=200));
    let pieces = script.pieces();
    assert!(pieces.len() < 5, "{}", pieces.len());
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX && piece.ends_with(b"\n")));
}

#[test]
fn a_record_larger_than_a_piece_is_written_in_several() {
    let script = Script::default();

    write_padded(&mut sink(&script), 1..=2, 10_000).expect("written");

    let dots = ".".repeat(10_000);
    let expected = lines(1..=2).replace('\n', &format!("{dots}\n"));
    assert_eq!(script.text(), expected);
    assert!(script.pieces().iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
}

#[test]
fn a_retry_goes_on_within_the_line_wherever_the_stream_stopped() {
    for taken in 0..=line(1).len() * 3 {
        let script = Script::new([Act::Take(taken.max(1)), Act::Fail(io::ErrorKind::TimedOut)]);
        let mut sink = sink(&script);
        let first = write(&mut sink, 1..=3);
        if first.is_ok() {
            // The script ran out of text before it came to its failure.
            assert_eq!(script.text(), lines(1..=3));
            continue;
        }

        let outcome = write(&mut sink, 1..=4).expect("written");

        assert_eq!(script.text(), lines(1..=4), "stopped after {taken} bytes");
        let whole = (taken.max(1) / line(1).len()) as u64;
        assert_eq!(outcome, Outcome { duplicates_suppressed: whole, ..Outcome::default() });
    }
}

#[test]
fn a_retry_can_fail_again_without_losing_its_place() {
    let fail = || Act::Fail(io::ErrorKind::TimedOut);
    let script = Script::new([Act::Take(3), fail(), fail(), Act::Take(4), fail(), Act::Take(60), fail()]);
    let mut sink = sink(&script);

    for _ in 0..4 {
        write(&mut sink, 1..=3).expect_err("the stream stops");
    }
    write(&mut sink, 1..=3).expect("written");

    assert_eq!(script.text(), lines(1..=3));
}

#[test]
fn a_retry_in_smaller_parts_repeats_nothing() {
    let script = Script::new([Act::Take(line(1).len() * 2 + 5), Act::Fail(io::ErrorKind::TimedOut)]);
    let mut sink = sink(&script);
    write(&mut sink, 1..=4).expect_err("the stream stops");

    let first = write(&mut sink, 1..=2).expect("written before");
    write(&mut sink, 3..=4).expect("written");

    assert_eq!(first.duplicates_suppressed, 2);
    assert_eq!(script.text(), lines(1..=4));
}

#[test]
fn after_a_torn_line_that_the_lane_gave_up_the_next_record_has_its_own_line() {
    let script =
        Script::new([Act::Take(10), Act::Fail(io::ErrorKind::TimedOut), Act::Fail(io::ErrorKind::TimedOut)]);
    let mut sink = sink(&script);
    write(&mut sink, 1..=2).expect_err("the stream stops");

    write(&mut sink, 3..=4).expect_err("still stopped");
    write(&mut sink, 3..=4).expect("written");

    assert_eq!(script.text(), format!("{}\n{}", &line(1)[..10], lines(3..=4)));
}

#[test]
fn a_slow_reader_holds_one_write_no_longer_than_the_limit() {
    let script = Script::new((0..100).map(|_| Act::WaitAndTake));

    let error = write_padded(&mut sink(&script), 1..=100, 4_000).expect_err("too slow");

    assert_eq!(error.kind, WriteErrorKind::Retry);
    assert_eq!(script.pieces().len() as u64, WAIT_MAX.as_secs());
}

#[test]
fn a_stream_that_is_gone_is_held_and_others_are_tried_again() {
    let table = [
        (io::ErrorKind::BrokenPipe.into(), WriteErrorKind::Hold, "console: standard error is closed"),
        (
            io::ErrorKind::TimedOut.into(),
            WriteErrorKind::Retry,
            "console: standard error is blocked: its reader takes nothing or too little",
        ),
        (io::Error::other("odd"), WriteErrorKind::Retry, "console: could not write to standard error: odd"),
    ];
    for (error, kind, message) in table {
        let judged = write_error("standard error", &error);
        assert_eq!((judged.kind, judged.message.as_str()), (kind, message));
    }
}

#[cfg(unix)]
#[test]
fn a_closed_descriptor_and_a_terminal_that_hung_up_are_gone() {
    use rustix::io::Errno;

    for errno in [Errno::PIPE, Errno::BADF, Errno::IO, Errno::NXIO] {
        assert_eq!(write_error("standard error", &errno.into()).kind, WriteErrorKind::Hold, "{errno:?}");
    }
    assert_eq!(write_error("standard error", &Errno::NOSPC.into()).kind, WriteErrorKind::Retry);
}
