//! Deleting old records of a destination, outside of any pipeline, piece by piece: whoever asks can show how far it is,
//! and stop.

use super::{Limits, postgres, sqlite};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use std::time::Duration;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Records before this moment, nanoseconds since the Unix epoch.
    pub before_unix_nano: u64,
    /// Partitions that hold no other records, the oldest first; empty where there are none.
    pub partitions: Vec<OldPartition>,
    /// Records that are deleted one by one.
    pub rows: u64,
    /// Whether the space is given back to the file system; if not, it is used for records to come.
    pub gives_back: bool,
}

/// A partition to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldPartition {
    /// Its name.
    pub name: String,
    /// How many rows it holds, as far as the server knows.
    pub rows: Option<u64>,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A partition is gone.
    Partition(String),
    /// So many records are gone.
    Rows(u64),
    /// So many bytes of free space were given back.
    Bytes(u64),
    /// Nothing yet: somebody else works on the tables.
    Wait,
}

/// A destination whose old records were looked for.
pub trait Prune: Send {
    /// What is to be deleted, as it was when it was opened.
    fn scope(&self) -> &Scope;

    /// Does the next piece; `None` when nothing is left. Waits for others for a limited time only.
    fn step(&mut self) -> Result<Option<Piece>, WriteError>;
}

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// Older than this.
    pub older_than: Duration,
    /// As seen from here, nanoseconds since the Unix epoch.
    pub now_unix_nano: u64,
}

impl Age {
    /// The moment before which records are old.
    pub(crate) fn limit_unix_nano(self) -> u64 {
        let age = u64::try_from(self.older_than.as_nanos()).unwrap_or(u64::MAX);
        self.now_unix_nano.saturating_sub(age)
    }
}

/// Opens a destination and looks for records of that age.
type Opener = Box<dyn FnOnce(Limits, Age) -> Result<Box<dyn Prune>, WriteError> + Send>;

/// A destination that a DSN names, checked but not opened.
pub struct PrunePlan {
    /// The target without secrets, for messages.
    pub target: String,
    open: Opener,
}

impl PrunePlan {
    pub(super) fn new(
        target: String,
        open: impl FnOnce(Limits, Age) -> Result<Box<dyn Prune>, WriteError> + Send + 'static,
    ) -> Self {
        Self { target, open: Box::new(open) }
    }

    /// Opens the destination and looks for what is to be deleted. Deletes nothing.
    pub fn open(self, limits: Limits, age: Age) -> Result<Box<dyn Prune>, WriteError> {
        (self.open)(limits, age)
    }
}

impl std::fmt::Debug for PrunePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrunePlan").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Plans to prune what `dsn` names. Takes the sink's own options out of the DSN, as [`super::plan`] does.
///
/// # Errors
/// A scheme whose records cannot be deleted, or an option value that the sink does not take.
pub fn plan(dsn: &mut Dsn) -> Result<PrunePlan, ConfigError> {
    match dsn.scheme() {
        "sqlite" => sqlite::plan_prune(dsn),
        "postgresql" => postgres::plan_prune(dsn),
        scheme if super::schemes().any(|known| known == scheme) => Err(ConfigError::new(
            format!("{scheme}:// stores nothing that could be deleted"),
            "use sqlite:// or postgresql://",
        )),
        _ => Err(dsn.unknown_scheme(["sqlite", "postgresql"].into_iter())),
    }
}
