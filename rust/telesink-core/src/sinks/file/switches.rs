//! Which signals of which services are kept, and what the settings file says about rotation: read again when it changes,
//! so that a running program follows it.

use super::rules::Rules;
use crate::record::Signal;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Largest settings file that is read.
const BYTES_MAX: u64 = 1 << 20;

const DAY: Duration = Duration::from_hours(24);

/// Logs, traces and metrics: on, off, or as somebody else says.
type Three = [Option<bool>; 3];

/// The names of the signals in the settings, as everywhere in the files.
pub(super) fn index_of(signal: Signal) -> usize {
    match signal {
        Signal::Log => 0,
        Signal::Span => 1,
        Signal::Metric => 2,
    }
}

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Switches {
    path: Option<PathBuf>,
    /// Its time, length and inode.
    seen: Option<(SystemTime, u64, u64)>,
    all: Three,
    services: HashMap<String, Three>,
    retention: [Option<u64>; 3],
}

impl Switches {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// Looks whether the file has changed, and reads it if so. Answers whether anything may be different now.
    ///
    /// # Errors
    /// It cannot be read or makes no sense; what was read before stays valid.
    pub(super) fn refresh(&mut self) -> Result<bool, String> {
        let Some(path) = &self.path else { return Ok(false) };
        let found = std::fs::metadata(path).ok();
        let state = found.and_then(|found| Some((found.modified().ok()?, found.len(), found.ino())));
        if state == self.seen {
            return Ok(false);
        }
        self.seen = state;
        if state.is_none() {
            // No file: everything is kept, by the rules of the DSN.
            *self = Self::new(self.path.take());
            return Ok(true);
        }
        let shown = path.display();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| format!("settings file {shown}: {error}; the settings before stay"))?;
        let parsed: Value = serde_json::from_str(&text)
            .map_err(|error| format!("settings file {shown}: {error}; the settings before stay"))?;
        self.all = three(&parsed);
        let services = parsed["services"].as_object();
        self.services =
            services.into_iter().flatten().map(|(name, value)| (name.clone(), three(value))).collect();
        let retention = &parsed["retention"];
        self.retention = ["max_size_mb", "max_backups", "max_age_days"]
            .map(|name| retention[name].as_u64().filter(|number| *number > 0));
        Ok(true)
    }

    /// Whether a signal of a service is kept: what the service's own entry says, else what stands for all, else yes.
    pub(super) fn is_on(&self, service: &str, signal: Signal) -> bool {
        let index = index_of(signal);
        let own = self.services.get(service).and_then(|three| three[index]);
        own.or(self.all[index]).unwrap_or(true)
    }

    /// The rules with what the settings file says instead.
    pub(super) fn rules(&self, rules: &Rules) -> Rules {
        let [size, backups, days] = self.retention;
        let mut rules = rules.clone();
        if let Some(megabytes) = size {
            rules.rotate_bytes = Some(megabytes.saturating_mul(1_000_000));
        }
        rules.keep_files = backups.or(rules.keep_files);
        rules.keep_age = days.map(|days| DAY * u32::try_from(days).unwrap_or(u32::MAX)).or(rules.keep_age);
        rules
    }
}

fn three(object: &Value) -> Three {
    ["logs", "traces", "metrics"].map(|name| object["persist"][name].as_bool())
}
