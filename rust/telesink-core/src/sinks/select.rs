//! Questions to a destination, asked over a connection of its own that can change nothing; and changes of single rows,
//! over one that can.

use super::mapped::Layout;
use super::{Limits, postgres, sqlite};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use std::time::Duration;

/// What a question is answered with; all values are text, as the destination writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The names of the columns.
    pub names: Vec<String>,
    /// The rows; none for NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A destination that can be asked.
pub trait Select: Send {
    /// Asks one question in SQL, in a transaction that can only read. Takes at most as long as the write limit.
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError>;

    /// Waits for what is told on a channel, but not longer than that, and answers with it; the first time it only begins to
    /// listen. Where nobody tells anything, it does not wait, and answers with one empty text if something was written
    /// since the last time.
    fn wait(&mut self, channel: &str, limit: Duration) -> Result<Vec<String>, WriteError>;
}

/// A destination whose rows can be changed.
pub trait Change: Select {
    /// Runs one statement in a transaction of its own, and answers how many rows it touched. Takes at most as long as the
    /// write limit; waits for locks no longer.
    fn change(&mut self, sql: &str) -> Result<u64, WriteError>;
}

/// Opens a destination.
type Opener = Box<dyn FnOnce(Limits, Access) -> Result<Box<dyn Change>, WriteError> + Send>;

/// What a destination is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Change,
}

/// A destination that a DSN names, checked but not opened.
pub struct SelectPlan {
    /// The target without secrets, for messages.
    pub target: String,
    /// Which dialect of SQL it speaks: `sqlite` or `postgres`.
    pub dialect: &'static str,
    /// Whose tables: `own`, `systemprompt` or `chronicle`.
    pub layout: &'static str,
    /// What stands in front of the names of tables: a schema and a dot, or nothing.
    pub prefix: String,
    /// Whether whoever writes there tells listeners: the DSN says so.
    pub notifies: bool,
    open: Opener,
}

impl SelectPlan {
    pub(super) fn new(
        (target, dialect, prefix, notifies): (String, &'static str, String, bool),
        layout: Option<&Layout>,
        open: impl FnOnce(Limits, Access) -> Result<Box<dyn Change>, WriteError> + Send + 'static,
    ) -> Result<Self, ConfigError> {
        let layout = layout.map_or("own", Layout::name);
        if layout == "table_map" {
            return Err(ConfigError::new(
                "the table of a `table_map` is not read here",
                "read it with what you read your tables with, or remove `table_map`",
            ));
        }
        Ok(Self { target, dialect, layout, prefix, notifies, open: Box::new(open) })
    }

    /// Opens the destination to be asked.
    pub fn open(self, limits: Limits) -> Result<Box<dyn Select>, WriteError> {
        Ok((self.open)(limits, Access::Read)?)
    }

    /// Opens the destination to be asked and changed.
    pub fn open_to_change(self, limits: Limits) -> Result<Box<dyn Change>, WriteError> {
        (self.open)(limits, Access::Change)
    }
}

impl std::fmt::Debug for SelectPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelectPlan").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Plans to ask what `dsn` names. Takes the sink's own options out of the DSN, as [`super::plan`] does.
///
/// # Errors
/// A scheme that cannot be asked, or an option value that the sink does not take.
pub fn plan(dsn: &mut Dsn) -> Result<SelectPlan, ConfigError> {
    match dsn.scheme() {
        "sqlite" => sqlite::plan_select(dsn),
        "postgresql" => postgres::plan_select(dsn),
        scheme if super::schemes().any(|known| known == scheme) => Err(ConfigError::new(
            format!("{scheme}:// stores nothing that could be read"),
            "use sqlite:// or postgresql://",
        )),
        _ => Err(dsn.unknown_scheme(["sqlite", "postgresql"].into_iter())),
    }
}
