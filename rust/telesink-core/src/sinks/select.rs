//! Questions to a destination, asked over a connection of its own that can change nothing.

use super::mapped::Layout;
use super::{Limits, postgres, sqlite};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};

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
}

/// Opens a destination.
type Opener = Box<dyn FnOnce(Limits) -> Result<Box<dyn Select>, WriteError> + Send>;

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
    open: Opener,
}

impl SelectPlan {
    pub(super) fn new(
        (target, dialect, prefix): (String, &'static str, String),
        layout: Option<&Layout>,
        open: impl FnOnce(Limits) -> Result<Box<dyn Select>, WriteError> + Send + 'static,
    ) -> Result<Self, ConfigError> {
        let layout = match layout {
            None => "own",
            Some(layout) if layout.has_runs => "chronicle",
            Some(layout) if layout.rows.is_preset => "systemprompt",
            Some(_) => {
                return Err(ConfigError::new(
                    "the table of a `table_map` is not read here",
                    "read it with what you read your tables with, or remove `table_map`",
                ));
            }
        };
        Ok(Self { target, dialect, layout, prefix, open: Box::new(open) })
    }

    /// Opens the destination.
    pub fn open(self, limits: Limits) -> Result<Box<dyn Select>, WriteError> {
        (self.open)(limits)
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
