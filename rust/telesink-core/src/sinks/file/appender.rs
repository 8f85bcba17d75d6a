//! Lines that somebody else has made, into the same files: for the metrics flusher.

use super::Options;
use super::active::Lines;
use super::files::Files;
use super::services::SERVICES_MAX;
use super::switches::index_of;
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::record::Signal;
use std::fmt;

/// What it looks after: what else lies in the folder follows the rules of whoever writes that.
const METRICS: [&str; 1] = ["metrics"];

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
        if let Some(name) = ["format", "route", "service", "services"].into_iter().find(|name| dsn.has(name))
        {
            return Err(ConfigError::new(
                format!("option `{name}` is about records, and these lines are made already"),
                "leave it out",
            ));
        }
        let options = Options::take_from(dsn)?;
        dsn.finish()?;
        Ok(Self { files: Files::new(options, &METRICS) })
    }

    /// Appends lines without their ends to `<service>/metrics.jsonl`, all of them or none. Answers false if the service or
    /// the signal is switched off.
    ///
    /// # Errors
    /// They could not be written, or there are too many services.
    pub fn append(
        &mut self,
        service: &str,
        texts: &[String],
        now_unix_nano: u64,
    ) -> Result<bool, WriteError> {
        // What there is to tell about the files of before is told by sinks.
        drop(self.files.prepare());
        if !self.files.switches.is_on(service, Signal::Metric) {
            return Ok(false);
        }
        let Some(number) = self.files.services.number(service) else {
            let message = format!("{service} is one service more than {SERVICES_MAX}, which have no folders");
            return Err(WriteError::hold(message, "name fewer services"));
        };
        // One line to whoever rotates or cuts off: they belong together.
        let mut lines = Lines::default();
        lines.text.extend_from_slice(texts.join("\n").as_bytes());
        lines.end();
        let signal = index_of(Signal::Metric);
        let (stored, error) = self.files.append(number, signal, &lines, now_unix_nano);
        match error {
            Some(error) if stored == 0 => Err(self.files.judge(number, signal, &error)),
            _ => Ok(true),
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
