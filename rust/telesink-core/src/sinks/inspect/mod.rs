//! A destination looked at from outside of any pipeline, for the command line: what it is, what it allows, and whether
//! all that was numbered is there. Whatever is large is counted by the destination itself.

mod account;
mod book;

pub use account::Account;
pub use book::Book;

use super::{Limits, postgres, sqlite};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use std::sync::Arc;

/// Something known of a destination.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Not known, or not there.
    None,
    /// Words.
    Text(String),
    /// A number of something.
    Count(i64),
    /// A measure.
    Real(f64),
    /// Whether it holds.
    Is(bool),
    /// Several words.
    List(Vec<String>),
}

impl Fact {
    /// Words, or nothing.
    pub(super) fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Fact::None, |text| Fact::Text(text.into()))
    }
}

/// Facts by their names, which stay what they are: programs read them.
pub type Facts = Vec<(&'static str, Fact)>;

/// A record to be looked for: its id, and its time in nanoseconds since the Unix epoch, which tables are ordered by.
pub type Wanted = ([u8; 16], u64);

/// Ends what another thread waits for.
pub type Interrupt = Arc<dyn Fn() + Send + Sync>;

/// A destination that is open.
pub trait Inspect: Send {
    /// What is known of it. Changes nothing.
    fn facts(&mut self) -> Result<Facts, WriteError>;

    /// Has the destination count its records by instance, as one moment saw them, and enters the answers. `say` hears
    /// what it is at. Takes as long as the tables are large; see [`Inspect::interrupt`].
    fn count(&mut self, book: &mut Book, say: &dyn Fn(&'static str)) -> Result<(), WriteError>;

    /// Which of the wanted records are stored. Takes as long as the tables are large; see [`Inspect::interrupt`].
    fn stored(&mut self, wanted: &[Wanted]) -> Result<Vec<[u8; 16]>, WriteError>;

    /// The messages of the records that an instance has stored since a moment shortly ago.
    fn recent(&mut self, instance: &[u8; 16], since_unix_nano: u64) -> Result<Vec<String>, WriteError>;

    /// Deletes those records, and the instance's row of the ledger. Answers how many records.
    fn forget(&mut self, instance: &[u8; 16], since_unix_nano: u64) -> Result<u64, WriteError>;

    /// Ends [`Inspect::count`] or [`Inspect::stored`] from another thread.
    fn interrupt(&self) -> Interrupt;
}

/// Opens a destination.
type Opener = Box<dyn FnOnce(Limits) -> Result<Box<dyn Inspect>, WriteError> + Send>;

/// A destination that a DSN names, checked but not opened.
pub struct InspectPlan {
    /// The target without secrets, for messages.
    pub target: String,
    open: Opener,
}

impl InspectPlan {
    pub(super) fn new(
        target: String,
        open: impl FnOnce(Limits) -> Result<Box<dyn Inspect>, WriteError> + Send + 'static,
    ) -> Self {
        Self { target, open: Box::new(open) }
    }

    /// Opens the destination. A file that is not there yet is no error: its facts say so.
    pub fn open(self, limits: Limits) -> Result<Box<dyn Inspect>, WriteError> {
        (self.open)(limits)
    }
}

impl std::fmt::Debug for InspectPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InspectPlan").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Plans to look at what `dsn` names. Takes the sink's own options out of the DSN, as [`super::plan`] does.
///
/// # Errors
/// A scheme whose records cannot be looked at, or an option value that the sink does not take.
pub fn plan(dsn: &mut Dsn) -> Result<InspectPlan, ConfigError> {
    match dsn.scheme() {
        "sqlite" => sqlite::plan_inspect(dsn),
        "postgresql" => postgres::plan_inspect(dsn),
        scheme if super::schemes().any(|known| known == scheme) => Err(ConfigError::new(
            format!("{scheme}:// stores nothing that could be looked at"),
            "use sqlite:// or postgresql://",
        )),
        _ => Err(dsn.unknown_scheme(["sqlite", "postgresql"].into_iter())),
    }
}
