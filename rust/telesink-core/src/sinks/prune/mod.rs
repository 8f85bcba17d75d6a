//! Deleting old records of a destination, outside of any pipeline, piece by piece: whoever asks can show how far it is,
//! and stop.

mod policy;
mod table;

pub use policy::{Policy, Retention};
pub(crate) use policy::{Rule, Rules};
pub(crate) use table::{AgedTable, TimeForm};

use super::mapped::Layout;
use super::{Limits, postgres, sqlite};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Of each policy, the moment before which its records go, nanoseconds since the Unix epoch; none where they stay.
    pub limits_unix_nano: Vec<Option<u64>>,
    /// Partitions that hold no other records, the oldest first; empty where there are none.
    pub partitions: Vec<OldPartition>,
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
    /// So many records are gone; none, where those that were looked at stay.
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

    /// How many records are deleted one by one, by policy. Reads all that may have to go; the database has a minute for
    /// each table and partition.
    fn count(&mut self) -> Result<Vec<u64>, WriteError>;

    /// Does the next piece; `None` when nothing is left. Waits for others for a limited time only.
    fn step(&mut self) -> Result<Option<Piece>, WriteError>;
}

/// Opens a destination and looks for records that are to go.
type Opener = Box<dyn FnOnce(Limits, Retention) -> Result<Box<dyn Prune>, WriteError> + Send>;

/// A destination that a DSN names, checked but not opened.
pub struct PrunePlan {
    /// The target without secrets, for messages.
    pub target: String,
    /// Whose tables: `own`, `systemprompt`, `chronicle` or `table_map`.
    pub layout: &'static str,
    tables: Vec<AgedTable>,
    open: Opener,
}

impl PrunePlan {
    pub(super) fn new(
        target: String,
        layout: Option<&Layout>,
        tables: Vec<AgedTable>,
        open: impl FnOnce(Limits, Retention) -> Result<Box<dyn Prune>, WriteError> + Send + 'static,
    ) -> Self {
        Self { target, layout: layout.map_or("own", Layout::name), tables, open: Box::new(open) }
    }

    /// Whether the policies are about tables and columns that there are.
    ///
    /// # Errors
    /// A policy names a table that there is not, or says something about it that no row can fulfil.
    pub fn check(&self, retention: &Retention) -> Result<(), ConfigError> {
        retention.check(&self.tables)
    }

    /// Opens the destination and looks for what is to be deleted. Deletes nothing.
    pub fn open(self, limits: Limits, retention: Retention) -> Result<Box<dyn Prune>, WriteError> {
        (self.open)(limits, retention)
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
