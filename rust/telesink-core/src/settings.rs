//! Settings: how records are kept and written, the same for all sinks. Where they go is the DSN's business.
//!
//! The defaults live in Python alone; nothing here has one, so that a forgotten field does not compile.

#[cfg(test)]
mod tests;

use crate::dsn::{self, Dsn, units};
use crate::error::ConfigError;
use crate::record::level;
use crate::sinks::Limits;
use std::path::PathBuf;
use std::time::Duration;

/// Most records a queue may be allowed to hold: 2^24. With the fixed cost of a record (about 150 bytes) that
/// is more than 2 GiB of empty messages; a larger number is a typing error.
const QUEUE_RECORDS_LIMIT: u64 = 1 << 24;

/// Most bytes a queue, a dead-letter file may be allowed to hold: 1 TiB, a limit against typing errors.
const STORE_BYTES_LIMIT: u64 = 1 << 40;

/// Largest record that may be allowed: 64 MiB. Lengths of nested messages are varints padded to 28 bits (256
/// MiB), and the frames of an exception need room beside the body.
const RECORD_BYTES_LIMIT: u64 = 64 << 20;

/// Most records in a batch that may be allowed: 2^20. A batch is one transaction or request.
const BATCH_RECORDS_LIMIT: u64 = 1 << 20;

/// Most bytes in a batch that may be allowed: 1 GiB. A batch is held in memory until it is settled.
const BATCH_BYTES_LIMIT: u64 = 1 << 30;

/// Longest duration that may be set: one year. Longer ones are typing errors (milliseconds taken for
/// seconds), and added to a clock reading this one is far from overflow.
const DURATION_LIMIT: Duration = Duration::from_hours(8760);

/// Shortest wait between two attempts: a destination that fails at once must not be asked in a busy loop.
const RETRY_MIN: Duration = Duration::from_millis(1);

/// Shortest time-out and age. Anything shorter is over before the first instruction.
const TIMEOUT_MIN: Duration = Duration::from_micros(1);

/// What to do with a record that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The new record is dropped. A tenth of the queue is kept for ERROR and above.
    DropNewest,
    /// The oldest record makes room, those at ERROR and above last.
    DropOldest,
    /// The caller waits for room, at most `block_timeout`.
    Block,
}

impl WhenFull {
    /// The names that options accept.
    pub const NAMES: [&'static str; 3] = ["drop_newest", "drop_oldest", "block"];

    /// The name that options use.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropNewest => Self::NAMES[0],
            Self::DropOldest => Self::NAMES[1],
            Self::Block => Self::NAMES[2],
        }
    }

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::DropNewest, Self::DropOldest, Self::Block]
            .into_iter()
            .find(|choice| choice.name().eq_ignore_ascii_case(text.trim()))
    }
}

/// How a lane keeps and writes records. Every field has a limit; see [`Settings::apply`] for the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Most records waiting in a lane, batches in flight included. 1 to 2^24.
    pub queue_records_max: usize,
    /// Most bytes of records waiting in a lane, batches in flight included. 1 byte to 1 TiB.
    pub queue_bytes_max: usize,
    /// Largest record in bytes; longer bodies and values are cut at a character boundary and marked. 1 byte
    /// to 64 MiB, because lengths of nested messages are written as varints of 28 bits.
    pub record_bytes_max: usize,
    /// Most records in one batch. 1 to 2^20.
    pub batch_records_max: usize,
    /// Most bytes in one batch, unless a single record is larger. 1 byte to 1 GiB.
    pub batch_bytes_max: usize,
    /// Longest time a record waits for others before its batch is written. Zero writes as soon as the worker
    /// is free; `None` leaves it to the sink. At most one year.
    pub linger: Option<Duration>,
    /// Records at or above this Python level are written without lingering.
    pub urgent_level: i32,
    /// What to do with a record that finds the queue full.
    pub when_full: WhenFull,
    /// Longest time a caller waits for room under [`WhenFull::Block`]; zero does not wait. At most one year.
    pub block_timeout: Duration,
    /// Wait after the first failed attempt. 1 ms to one year.
    pub retry_initial: Duration,
    /// Longest wait between two attempts, not below `retry_initial`. 1 ms to one year.
    pub retry_max: Duration,
    /// Age at which a record that could not be written is dropped; `None` keeps it. 1 µs to one year.
    pub max_age: Option<Duration>,
    /// Longest time one connection attempt may take. 1 µs to one year.
    pub connect_timeout: Duration,
    /// Longest time one write may take. 1 µs to one year.
    pub write_timeout: Duration,
    /// Longest time the process waits at exit for records to be written. 1 µs to one year.
    pub exit_timeout: Duration,
    /// File for records that the destination refused; `None` only counts them.
    pub dead_letter: Option<PathBuf>,
    /// Largest dead-letter file in bytes. 1 byte to 1 TiB.
    pub dead_letter_bytes_max: u64,
}

impl Settings {
    /// The names that [`Settings::apply`] knows: those of the Python settings.
    pub const NAMES: &'static [&'static str] = &[
        "queue_records_max",
        "queue_bytes_max",
        "record_bytes_max",
        "batch_records_max",
        "batch_bytes_max",
        "linger_seconds",
        "urgent_level",
        "when_full",
        "block_timeout_seconds",
        "retry_initial_seconds",
        "retry_max_seconds",
        "max_age_seconds",
        "connect_timeout_seconds",
        "write_timeout_seconds",
        "exit_timeout_seconds",
        "dead_letter",
        "dead_letter_bytes_max",
    ];

    /// Those that are applied while a record is captured, once for all lanes: none of them stands in a DSN.
    pub const PIPELINE_WIDE: &'static [&'static str] = &["record_bytes_max", "urgent_level"];

    /// How long a sink may wait.
    pub fn limits(&self) -> Limits {
        Limits { connect: self.connect_timeout, write: self.write_timeout }
    }

    /// The documented defaults: what values are checked and applied on top of. Programs get theirs from Python, whose
    /// tests compare the two.
    pub fn documented() -> Self {
        Self {
            queue_records_max: 65_536,
            queue_bytes_max: 64 << 20,
            record_bytes_max: 1 << 20,
            batch_records_max: 8_192,
            batch_bytes_max: 8 << 20,
            linger: None,
            urgent_level: level::ERROR,
            when_full: WhenFull::DropNewest,
            block_timeout: Duration::from_secs(1),
            retry_initial: Duration::from_millis(100),
            retry_max: Duration::from_secs(30),
            max_age: None,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(15),
            exit_timeout: Duration::from_secs(5),
            dead_letter: None,
            dead_letter_bytes_max: 64 << 20,
        }
    }

    /// Sets one field by its Python name and says whether there is such a setting.
    ///
    /// Sizes and durations take words (`64 MiB`, `200 ms`). Empty text or `none` means "not set" where the
    /// field may be `None`. `source` is where the value comes from, as a noun: `the environment variable X`.
    /// A relative `dead_letter` is kept as it is; whoever knows the working directory completes it.
    ///
    /// # Errors
    /// Names the setting, the value, the source and what is expected. The settings are unchanged then.
    pub fn apply(&mut self, name: &str, value: &str, source: &str) -> Result<bool, ConfigError> {
        let given = Given { name, value: value.trim(), source };
        match name {
            "queue_records_max" => self.queue_records_max = given.count(QUEUE_RECORDS_LIMIT)?,
            "queue_bytes_max" => self.queue_bytes_max = given.memory_bytes(STORE_BYTES_LIMIT)?,
            "record_bytes_max" => self.record_bytes_max = given.memory_bytes(RECORD_BYTES_LIMIT)?,
            "batch_records_max" => self.batch_records_max = given.count(BATCH_RECORDS_LIMIT)?,
            "batch_bytes_max" => self.batch_bytes_max = given.memory_bytes(BATCH_BYTES_LIMIT)?,
            "linger_seconds" => self.linger = given.optional(|given| given.duration(Duration::ZERO))?,
            "urgent_level" => self.urgent_level = given.level()?,
            "when_full" => self.when_full = given.when_full()?,
            "block_timeout_seconds" => self.block_timeout = given.duration(Duration::ZERO)?,
            "retry_initial_seconds" => self.retry_initial = given.duration(RETRY_MIN)?,
            "retry_max_seconds" => self.retry_max = given.duration(RETRY_MIN)?,
            "max_age_seconds" => self.max_age = given.optional(|given| given.duration(TIMEOUT_MIN))?,
            "connect_timeout_seconds" => self.connect_timeout = given.duration(TIMEOUT_MIN)?,
            "write_timeout_seconds" => self.write_timeout = given.duration(TIMEOUT_MIN)?,
            "exit_timeout_seconds" => self.exit_timeout = given.duration(TIMEOUT_MIN)?,
            "dead_letter" => self.dead_letter = given.optional(Given::path)?,
            "dead_letter_bytes_max" => self.dead_letter_bytes_max = given.bytes(STORE_BYTES_LIMIT)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// All settings as texts that [`Settings::apply`] takes, in the order of [`Settings::NAMES`].
    pub fn texts(&self) -> Vec<(&'static str, String)> {
        let seconds = |duration: Duration| duration.as_secs_f64().to_string();
        let optional = |duration: Option<Duration>| duration.map_or_else(|| "none".to_owned(), seconds);
        let dead_letter = self.dead_letter.as_ref().map(|path| path.display().to_string());
        let values = [
            self.queue_records_max.to_string(),
            self.queue_bytes_max.to_string(),
            self.record_bytes_max.to_string(),
            self.batch_records_max.to_string(),
            self.batch_bytes_max.to_string(),
            optional(self.linger),
            self.urgent_level.to_string(),
            self.when_full.name().to_owned(),
            seconds(self.block_timeout),
            seconds(self.retry_initial),
            seconds(self.retry_max),
            optional(self.max_age),
            seconds(self.connect_timeout),
            seconds(self.write_timeout),
            seconds(self.exit_timeout),
            dead_letter.unwrap_or_else(|| "none".to_owned()),
            self.dead_letter_bytes_max.to_string(),
        ];
        Self::NAMES.iter().copied().zip(values).collect()
    }

    /// Applies the settings that stand in the DSN or beside it, for one lane, and marks the names of all
    /// settings as known there. A relative `dead_letter` is completed with the base directory of the DSN.
    ///
    /// # Errors
    /// As [`Settings::apply`], or one of [`Settings::PIPELINE_WIDE`]. Call [`Settings::check`] when all settings are applied.
    pub fn take_from(&mut self, dsn: &mut Dsn) -> Result<(), ConfigError> {
        for name in Self::NAMES {
            let Some((value, source)) = dsn.take_raw(name) else { continue };
            if Self::PIPELINE_WIDE.contains(name) {
                return Err(ConfigError::new(
                    format!("setting `{name}` (from {}) holds for all sinks of a pipeline", source.text()),
                    format!("give it to Pipeline, install_logging or Settings: {name}=..."),
                ));
            }
            self.apply(name, &value, source.text())?;
            if *name == "dead_letter" {
                self.dead_letter = self.dead_letter.take().map(|path| dsn.base_directory().join(path));
            }
        }
        Ok(())
    }

    /// Checks what no field can know alone.
    ///
    /// # Errors
    /// - `record_bytes_max` above `queue_bytes_max`: the largest records could never be queued.
    /// - `retry_initial` above `retry_max`: the first wait would break the limit.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.record_bytes_max > self.queue_bytes_max {
            return Err(ConfigError::new(
                format!(
                    "`record_bytes_max` is {} and `queue_bytes_max` is {}: \
                     the largest records would never fit the queue",
                    self.record_bytes_max, self.queue_bytes_max
                ),
                "raise `queue_bytes_max` or lower `record_bytes_max`",
            ));
        }
        if self.retry_initial > self.retry_max {
            return Err(ConfigError::new(
                format!(
                    "`retry_initial_seconds` is {} and `retry_max_seconds` is {}: \
                     the first wait would be above the longest",
                    self.retry_initial.as_secs_f64(),
                    self.retry_max.as_secs_f64()
                ),
                "raise `retry_max_seconds` or lower `retry_initial_seconds`",
            ));
        }
        Ok(())
    }
}

/// One setting as it was written.
#[derive(Clone, Copy)]
struct Given<'a> {
    name: &'a str,
    value: &'a str,
    source: &'a str,
}

impl Given<'_> {
    /// `None` for empty text and `none`, else what `read` finds.
    fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        if self.value.is_empty() || self.value.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        read(self).map(Some)
    }

    fn count(self, limit: u64) -> Result<usize, ConfigError> {
        let found = units::parse_integer(self.value);
        self.within(found, limit, "a whole number").map(|count| count as usize)
    }

    fn bytes(self, limit: u64) -> Result<u64, ConfigError> {
        self.within(units::parse_bytes(self.value), limit, units::BYTES_EXPECTED)
    }

    /// A size of something held in memory, which must fit the address space.
    fn memory_bytes(self, limit: u64) -> Result<usize, ConfigError> {
        self.bytes(limit.min(usize::MAX as u64)).map(|bytes| bytes as usize)
    }

    fn within(self, found: Option<u64>, limit: u64, expected: &str) -> Result<u64, ConfigError> {
        match found {
            Some(number) if (1..=limit).contains(&number) => Ok(number),
            Some(number) if number > limit => Err(self.wrong(&format!("{expected} of at most {limit}"))),
            _ => Err(self.wrong(&format!("{expected} of at least 1"))),
        }
    }

    fn duration(self, min: Duration) -> Result<Duration, ConfigError> {
        let found = units::parse_duration(self.value);
        if let Some(duration) = found.filter(|duration| (min..=DURATION_LIMIT).contains(duration)) {
            return Ok(duration);
        }
        let bound = match found {
            Some(duration) if duration > DURATION_LIMIT => "at most 365 days".to_owned(),
            _ if min.is_zero() => "at least 0".to_owned(),
            _ => format!("at least {min:?}"),
        };
        Err(self.wrong(&format!("{}, {bound}", units::DURATION_EXPECTED)))
    }

    fn level(self) -> Result<i32, ConfigError> {
        level::parse(self.value).ok_or_else(|| self.wrong(&dsn::level_expected()))
    }

    fn when_full(self) -> Result<WhenFull, ConfigError> {
        WhenFull::parse(self.value)
            .ok_or_else(|| dsn::wrong_choice("setting", self.name, self.value, self.source, &WhenFull::NAMES))
    }

    fn path(self) -> Result<PathBuf, ConfigError> {
        if self.value.contains('\0') || self.value.ends_with(['/', '\\']) {
            return Err(self.wrong("the path of a file"));
        }
        Ok(PathBuf::from(self.value))
    }

    fn wrong(self, expected: &str) -> ConfigError {
        dsn::wrong_value("setting", self.name, self.value, self.source, expected)
    }
}
