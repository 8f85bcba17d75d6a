//! telesink's own words: one ASCII line on standard error, never through `logging`.
//!
//! Written with a raw `write` to descriptor 2: the lock of an inherited standard error (Rust's or Python's) may be
//! held by a thread that does not exist any more.

use crate::clock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One line a topic and minute is enough for a person and cannot fill a disk.
const INTERVAL: Duration = Duration::from_mins(1);

/// Says things at most once a minute each.
#[derive(Debug, Default)]
pub struct Diagnostics {
    last: Mutex<Vec<(&'static str, Instant)>>,
}

impl Diagnostics {
    /// Nothing said yet.
    pub const fn new() -> Self {
        Self { last: Mutex::new(Vec::new()) }
    }

    /// Says `text` unless `topic` was spoken of within the last minute.
    pub fn say(&self, topic: &'static str, text: impl FnOnce() -> String) {
        let now = clock::monotonic();
        {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match last.iter_mut().find(|(known, _)| *known == topic) {
                Some((_, at)) if now.duration_since(*at) < INTERVAL => return,
                Some((_, at)) => *at = now,
                None => last.push((topic, now)),
            }
        }
        write_line(&text());
    }
}

/// Writes one line, `telesink: ` in front. Control characters are replaced, others than ASCII are escaped.
pub fn write_line(text: &str) {
    let mut line = String::from("telesink: ");
    for character in text.chars() {
        match character {
            ' '..='~' => line.push(character),
            '\n' | '\r' | '\t' => line.push(' '),
            other => line.extend(other.escape_unicode()),
        }
    }
    line.push('\n');
    write_stderr(line.as_bytes());
}

/// Longest line: what a pipe takes whole (`PIPE_BUF` on Linux), so that lines of several processes do not mix.
#[cfg(unix)]
const LINE_BYTES_MAX: usize = 4_096;

#[cfg(unix)]
fn write_stderr(bytes: &[u8]) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let descriptor = rustix::stdio::stderr();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut ready = [PollFd::new(&descriptor, PollFlags::OUT)];
    // A reader that has stopped reading must not stop the program: the line is lost then, the counters are not.
    if poll(&mut ready, Some(&at_once)) == Ok(1) && ready[0].revents().contains(PollFlags::OUT) {
        let mut line = bytes[..bytes.len().min(LINE_BYTES_MAX)].to_vec();
        if let Some(last) = line.last_mut() {
            *last = b'\n';
        }
        // Whatever the answer, there is nobody left to tell.
        let _told = rustix::io::write(descriptor, &line).is_ok();
    }
}

#[cfg(not(unix))]
fn write_stderr(bytes: &[u8]) {
    use std::io::Write;
    // There is nobody left to tell if standard error itself fails.
    drop(std::io::stderr().write_all(bytes));
}
