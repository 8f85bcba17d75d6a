//! Lines that somebody else has made, into the same files: for the metrics flusher.

use super::active::Lines;
use super::files::Files;
use super::{Options, SIGNALS};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use std::fmt;

/// Appends ready-made lines to the files of services, beside sinks of this and other processes.
pub struct Appender {
    files: Files,
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("target", &self.files.options.target).finish_non_exhaustive()
    }
}

impl Appender {
    /// Reads the DSN, whose scheme is `file`. Opens nothing.
    ///
    /// # Errors
    /// Another scheme, an option whose value cannot be taken, or one that nobody knows.
    pub fn plan(dsn: &mut Dsn) -> Result<Self, ConfigError> {
        if dsn.scheme() != "file" {
            return Err(ConfigError::new(
                format!("{}:// is no folder of files", dsn.scheme()),
                "write file:///var/log/app (absolute) or file:logs/app (relative)",
            ));
        }
        let options = Options::take_from(dsn)?;
        dsn.finish()?;
        Ok(Self { files: Files::new(options) })
    }

    /// Appends lines without their ends to `<service>/<signal>.jsonl`: all of them, or as many as it answers.
    ///
    /// # Errors
    /// None of them could be written, or the signal is none of `logs`, `traces` and `metrics`.
    pub fn append(
        &mut self,
        service: &str,
        signal: &str,
        texts: &[String],
        now_unix_nano: u64,
    ) -> Result<usize, WriteError> {
        let Some(signal) = SIGNALS.iter().position(|known| *known == signal) else {
            let message = format!("no signal is called `{signal}`");
            return Err(WriteError::hold(message, "write logs, traces or metrics"));
        };
        // What there is to tell about the files of before is told by sinks.
        drop(self.files.prepare());
        let mut lines = Lines::default();
        for text in texts {
            lines.text.extend_from_slice(text.as_bytes());
            lines.end();
        }
        let number = self.files.services.number(service);
        let number = number.unwrap_or_else(|| self.files.services.number_of_default("unknown_service"));
        let (stored, error) = self.files.append(number, signal, &lines, now_unix_nano);
        match error {
            Some(error) if stored == 0 => Err(self.files.judge(number, signal, &error)),
            _ => Ok(stored),
        }
    }

    /// Makes what was written durable if that was asked for, and closes the files.
    ///
    /// # Errors
    /// It could not be made durable.
    pub fn close(&mut self) -> Result<(), WriteError> {
        self.files.close()
    }
}
