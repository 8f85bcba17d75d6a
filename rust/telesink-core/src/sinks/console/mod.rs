//! The console sink: log records, spans and metric points as lines on standard error or standard output.
//!
//! `console://` and `console://stderr` write to standard error, `console://stdout` to standard output.
//!
//! | option | values | meaning |
//! |---|---|---|
//! | `format` | `auto` `pretty` `plain` `json` | `auto`: `pretty` on a terminal or where colours are forced, else `plain` |
//! | `color` | `auto` `always` `never` | of `pretty`; `auto`: `NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`, terminal, in this order |
//!
//! A line is never lost or repeated by a retry: where an attempt stopped, even within a line, the next one goes
//! on. Nothing is made durable, and a reader that goes away does not come back, so that a closed stream is held.

mod format;
mod output;
mod signals;
mod style;
#[cfg(test)]
mod tests;
pub(in crate::sinks) mod text;
mod trace;

use super::{Batch, Outcome, Route, Sink, SinkFactory, SinkPlan};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
#[cfg(fuzzing)]
use crate::record::view::LogView;
use crate::record::{Record, Signal};
use format::Layout;
use jiff::tz::TimeZone;
use output::{Output, PIECE_BYTES_MAX};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;
use style::{Environment, Style};

/// Longest time that one write waits for a reader that takes nothing.
const STALL_MAX: Duration = Duration::from_secs(1);

/// Longest time that one write waits altogether for a slow reader; below the lane's own write timeout.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Buffers above this are given back, so that one huge record does not pin its size for ever.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;

/// Linger used when the settings leave it open: shorter than what a person notices.
const LINGER_DEFAULT: Duration = Duration::from_millis(20);

/// The layouts, for the fuzz targets.
#[cfg(fuzzing)]
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "as the options of the DSN")]
pub enum FuzzLayout {
    Pretty,
    Plain,
    Json,
}

/// A record as text; for the fuzz targets.
#[cfg(fuzzing)]
pub fn fuzz_line(out: &mut Vec<u8>, layout: FuzzLayout, view: &LogView<'_>, logger: &str) {
    let layout = match layout {
        FuzzLayout::Pretty => {
            Layout::Pretty { zone: TimeZone::UTC, style: Style { has_color: true, has_unicode: true } }
        }
        FuzzLayout::Plain => Layout::Plain,
        FuzzLayout::Json => Layout::Json,
    };
    layout.write(out, view, logger);
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stderr,
    Stdout,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stderr => "standard error",
            Stream::Stdout => "standard output",
        }
    }

    fn is_terminal(self) -> bool {
        match self {
            Stream::Stderr => io::stderr().is_terminal(),
            Stream::Stdout => io::stdout().is_terminal(),
        }
    }
}

/// Plans the sink for a `console://` DSN. The environment and the local time zone are read here, once, on the
/// thread that sets the pipeline up.
///
/// # Errors
/// A value that an option does not take, or `color=always` with a format that has no colours. (Another stream
/// than the two was refused when the DSN was parsed.)
pub fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let stream = stream_of(dsn);
    let format = dsn.take_choice("format", &["auto", "pretty", "plain", "json"])?;
    let color = dsn.take_choice("color", &["auto", "always", "never"])?;
    let environment = Environment::of_process(stream.is_terminal());
    let layout = choose_layout(format, color, &environment, TimeZone::system)?;
    let target = dsn.masked();
    let factory: SinkFactory =
        Arc::new(move |_| Box::new(ConsoleSink::new(stream, stream.name(), layout.clone())));
    let plan = SinkPlan::new("console", target, factory);
    Ok(SinkPlan { linger_default: LINGER_DEFAULT, stores_logs: false, ..plan })
}

fn stream_of(dsn: &Dsn) -> Stream {
    if dsn.host() == "stdout" { Stream::Stdout } else { Stream::Stderr }
}

fn choose_layout(
    format: Option<&str>,
    color: Option<&str>,
    environment: &Environment,
    zone: impl FnOnce() -> TimeZone,
) -> Result<Layout, ConfigError> {
    let is_pretty = match format {
        Some("json" | "plain") if color == Some("always") => {
            return Err(ConfigError::new(
                "option `color` is \"always\"; expected `format=pretty` with it, the only format with colours",
                "leave out one of the two options",
            ));
        }
        Some("json") => return Ok(Layout::Json),
        Some("plain") => false,
        Some("pretty") => true,
        // Colours that were asked for cannot be shown in `plain`.
        _ => match color {
            Some("always") => true,
            Some("never") => environment.is_terminal,
            _ => environment.is_terminal || environment.forces_color(),
        },
    };
    if !is_pretty {
        return Ok(Layout::Plain);
    }
    let has_color = match color {
        Some("always") => true,
        Some("never") => false,
        _ => environment.wants_color(),
    };
    Ok(Layout::Pretty { zone: zone(), style: Style { has_color, has_unicode: environment.is_utf8() } })
}

/// Where the next byte goes when an attempt stopped on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The pipeline that numbered the records.
    instance: [u8; 16],
    /// The first record that is not written in full.
    seq: u64,
    /// How many bytes of its text are out.
    bytes: usize,
}

/// Text on its way out: whole records, as many as fit a piece.
#[derive(Debug, Default)]
struct Chunk {
    text: Vec<u8>,
    /// Sequence number and end of each record in `text`.
    ends: Vec<(u64, usize)>,
    /// Bytes of the first record that are not in `text` because they are out already.
    skipped: usize,
}

impl Chunk {
    fn push(&mut self, seq: u64, line: &[u8], skip: usize) {
        if self.ends.is_empty() {
            self.skipped = skip;
        }
        self.text.extend_from_slice(&line[skip.min(line.len())..]);
        self.ends.push((seq, self.text.len()));
    }

    /// The record that byte `written` belongs to, and how many of that record's bytes lie before it.
    fn position(&self, instance: [u8; 16], written: usize) -> Option<Position> {
        let index = self.ends.iter().position(|&(_, end)| written < end)?;
        let bytes = match index.checked_sub(1) {
            Some(before) => written - self.ends[before].1,
            None => written + self.skipped,
        };
        Some(Position { instance, seq: self.ends[index].0, bytes })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(BUFFER_BYTES_KEPT);
        self.ends.clear();
        self.skipped = 0;
    }
}

/// Writes lines; see the module.
struct ConsoleSink<O> {
    output: O,
    name: &'static str,
    layout: Layout,
    line: Vec<u8>,
    chunk: Chunk,
    resume: Option<Position>,
}

impl<O: Output> ConsoleSink<O> {
    fn new(output: O, name: &'static str, layout: Layout) -> Self {
        Self { output, name, layout, line: Vec::new(), chunk: Chunk::default(), resume: None }
    }

    /// Writes the chunk. After an error the place reached is kept, and the chunk is empty.
    fn send(&mut self, instance: [u8; 16], wait_left: &mut Duration) -> Result<(), WriteError> {
        let mut written = 0;
        let mut result = Ok(());
        while written < self.chunk.text.len() {
            let rest = &self.chunk.text[written..];
            let granted = STALL_MAX.min(*wait_left);
            let mut stall_left = granted;
            let answer = self.output.write_some(&rest[..rest.len().min(PIECE_BYTES_MAX)], &mut stall_left);
            *wait_left = wait_left.saturating_sub(granted.saturating_sub(stall_left));
            match answer {
                Ok(0) => result = Err(write_error(self.name, &io::ErrorKind::WriteZero.into())),
                Ok(bytes) => written += bytes,
                Err(error) => result = Err(write_error(self.name, &error)),
            }
            if result.is_err() {
                self.resume = self.chunk.position(instance, written);
                break;
            }
        }
        self.chunk.clear();
        result
    }
}

impl<O: Output> Sink for ConsoleSink<O> {
    fn route(&self, _record: &Record) -> Option<Route> {
        Some(Route::All)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let scopes = batch.tables.scopes();
        let mut outcome = Outcome::default();
        let mut wait_left = WAIT_MAX;
        self.resume = self.resume.filter(|at| at.instance == batch.instance);
        for entry in batch.entries {
            let mut skip = 0;
            if let Some(at) = self.resume {
                if entry.seq < at.seq {
                    outcome.duplicates_suppressed += 1;
                    continue;
                }
                if entry.seq == at.seq {
                    skip = at.bytes;
                } else if at.bytes > 0 {
                    // The lane gave up the record that was cut off; the next one begins on a line of its own.
                    self.chunk.push(at.seq, b"\n", 0);
                    self.chunk.skipped = at.bytes;
                }
                self.resume = None;
            }
            let header = entry.record.header();
            let scope = scopes.get(header.scope as usize).map_or("", |scope| &scope.name);
            self.line.clear();
            match header.signal {
                Signal::Log => self.layout.write(&mut self.line, &entry.log(), scope),
                Signal::Span => self.layout.write_span(&mut self.line, &entry.span(), scope),
                Signal::Metric => self.layout.write_metric(&mut self.line, &entry.metric(), scope),
            }
            // A piece ends where a record ends if it can, so that no other writer's line lands in between.
            if !self.chunk.text.is_empty() && self.chunk.text.len() + self.line.len() > PIECE_BYTES_MAX {
                self.send(batch.instance, &mut wait_left)?;
            }
            self.chunk.push(entry.seq, &self.line, skip);
        }
        self.line.shrink_to(BUFFER_BYTES_KEPT);
        self.send(batch.instance, &mut wait_left)?;
        Ok(outcome)
    }
}

/// Says what a failed write means: a stream that is gone is held, everything else may pass.
fn write_error(name: &str, error: &io::Error) -> WriteError {
    if is_gone(error) {
        return WriteError::hold(
            format!("console: {name} is closed"),
            "its reader has ended or the stream was closed; start the program with it open, or leave the console out",
        );
    }
    match error.kind() {
        io::ErrorKind::TimedOut => {
            WriteError::retry(format!("console: {name} is blocked: its reader takes nothing or too little"))
                .with_hint("resume the terminal (Ctrl+Q), or see to the program that reads the stream")
        }
        _ => WriteError::retry(format!("console: could not write to {name}: {error}")),
    }
}

fn is_gone(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // A terminal that hung up answers EIO.
        let gone = [Errno::BADF, Errno::IO, Errno::NXIO];
        if gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::BrokenPipe
}
