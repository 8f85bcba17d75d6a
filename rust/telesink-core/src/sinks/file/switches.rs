//! Which signals of which services are kept, and what the settings file says about rotation: read again when it changes,
//! so that a running program follows it.

use super::SIGNALS;
use super::rules::Rules;
use crate::record::Signal;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Largest settings file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// Retention, and the most of each.
const BOUNDS: [(&str, u64); 3] = [("max_size_mb", 1 << 20), ("max_backups", 1_024), ("max_age_days", 3_650)];

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

/// What a file says.
#[derive(Debug, Default)]
struct Said {
    all: Three,
    services: HashMap<String, Three>,
    retention: [Option<u64>; 3],
}

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Switches {
    path: Option<PathBuf>,
    /// Its time, length and inode.
    seen: Option<(SystemTime, u64, u64)>,
    said: Said,
}

impl Switches {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// Looks whether the file has changed, and reads it if so. Answers whether anything may be different now. Where there
    /// is no file everything is kept, by the rules of the DSN.
    ///
    /// # Errors
    /// It cannot be read or is wrong; what was read before stays valid.
    pub(super) fn refresh(&mut self) -> Result<bool, String> {
        let Some(path) = &self.path else { return Ok(false) };
        let told =
            |error: String| format!("settings file {}: {error}; the settings before stay", path.display());
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.said = Said::default();
                return Ok(self.seen.take().is_some());
            }
            Err(error) => return Err(told(error.to_string())),
        };
        let state = found.modified().ok().map(|at| (at, found.len(), found.ino()));
        if state.is_some() && state == self.seen {
            return Ok(false);
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| told(error.to_string()))?;
        // Read, so that a file that is wrong is told once; one that could not be read is looked at again.
        self.seen = state;
        let parsed: Value = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
        self.said = Said::of(&parsed).map_err(told)?;
        Ok(true)
    }

    /// Whether a signal of a service is kept: what the service's own entry says, else what stands for all, else yes.
    pub(super) fn is_on(&self, service: &str, signal: Signal) -> bool {
        let index = index_of(signal);
        let own = self.said.services.get(service).and_then(|three| three[index]);
        own.or(self.said.all[index]).unwrap_or(true)
    }

    /// The rules with what the settings file says instead.
    pub(super) fn rules(&self, rules: &Rules) -> Rules {
        let [size, backups, days] = self.said.retention;
        let mut rules = rules.clone();
        rules.rotate_bytes = size.map(|megabytes| megabytes * 1_000_000).or(rules.rotate_bytes);
        rules.keep_files = backups.or(rules.keep_files);
        rules.keep_age = days.map(|days| DAY * days as u32).or(rules.keep_age);
        rules
    }
}

impl Said {
    /// Reads settings; the error names the field.
    fn of(settings: &Value) -> Result<Self, String> {
        let mut said = Self { all: three(settings, "")?, ..Self::default() };
        for (name, service) in object(settings, "services", "")? {
            said.services.insert(name.clone(), three(service, &format!("services.{name}."))?);
        }
        for (name, value) in object(settings, "retention", "")? {
            let Some(place) = BOUNDS.iter().position(|(known, _)| known == name) else {
                return Err(format!("retention.{name} is unknown"));
            };
            let bound = BOUNDS[place].1;
            let number = value.as_u64().filter(|number| (1..=bound).contains(number));
            let wrong = || format!("retention.{name}: expected 1 to {bound}, found {value}");
            said.retention[place] = Some(number.ok_or_else(wrong)?);
        }
        Ok(said)
    }
}

/// The members of an object that may be missing.
fn object<'v>(
    settings: &'v Value,
    name: &str,
    prefix: &str,
) -> Result<impl Iterator<Item = (&'v String, &'v Value)> + use<'v>, String> {
    match settings.get(name) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
        Some(other) => Err(format!("{prefix}{name}: expected an object, found {other}")),
    }
}

fn three(settings: &Value, prefix: &str) -> Result<Three, String> {
    let mut three = Three::default();
    for (name, value) in object(settings, "persist", prefix)? {
        let Some(place) = SIGNALS.iter().position(|known| known == name) else {
            return Err(format!("{prefix}persist.{name} is unknown"));
        };
        three[place] = match value {
            Value::Null => None,
            Value::Bool(is_on) => Some(*is_on),
            other => return Err(format!("{prefix}persist.{name}: expected true or false, found {other}")),
        };
    }
    Ok(three)
}
