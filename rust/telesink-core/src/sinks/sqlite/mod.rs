//! `sqlite:///path`: the embedded default. One connection, one prepared statement a table, one transaction a batch; the
//! ledger row moves in the same transaction, so a batch is never stored twice.
//!
//! Several processes may write to one file: each has its own connection, opened on its own lane's thread. A
//! connection never crosses a fork.

mod descriptors;
mod failure;
mod inspect;
mod ledger;
mod mapped;
mod moved;
mod prune;
mod schema;
mod select;
mod slot;
mod write;

pub use descriptors::{note_lost as note_lost_descriptor, set_check as set_descriptor_check};
pub use schema::{DDL, VERSION};

use super::inspect::InspectPlan;
use super::mapped::{Layout, UNFIT_CODES};
use super::prune::{AgedTable, PrunePlan};
use super::select::SelectPlan;
use super::{Batch, Outcome, Refusal, Route, Sink, SinkPlan};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::fork;
use crate::record::Record;
use failure::Failure;
use moved::{FileIdentity, Patience, identities};
use rusqlite::{Connection, OpenFlags};
use slot::Slot;
pub(crate) use slot::{close_all, settle_moved};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long `SQLite` itself waits for another writer: milliseconds between its attempts, as in its own busy handler,
/// one second in all. Short, so that a lane can be closed meanwhile; the lane's own retry does the rest.
const BUSY_PAUSES_MILLIS: [u64; 19] =
    [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100, 100, 100, 100, 100, 100, 100, 72];

/// WAL kept on disk after a checkpoint, in bytes (64 MiB): a burst must not leave its high-water mark for ever.
const JOURNAL_BYTES_MAX: i64 = 64 << 20;

/// Links that lead from one to the next on the way to a file that is not there yet.
#[cfg(unix)]
const LINKS_MAX: usize = 8;

/// Oldest `SQLite` that is used: in those from 3.7.0 to 3.51.2, two connections that write and checkpoint at the same
/// moment can destroy a database in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

const _: () =
    assert!(rusqlite::ffi::SQLITE_VERSION_NUMBER >= SQLITE_VERSION_MIN, "SQLite is too old: it corrupts");

/// Refused records in a row, with nothing stored between them, from which on the table is at fault.
const REFUSALS_IN_A_ROW_MAX: usize = 32;

/// The options of the sink.
#[derive(Debug, Clone)]
struct Options {
    path: PathBuf,
    target: String,
    synchronous: &'static str,
    creates_schema: bool,
    /// Tables that are not telesink's own, if records go there.
    layout: Option<Layout>,
}

/// The version of `SQLite` that this program runs with, and whether it is one that can be used: whoever links to the
/// system's has another one at run time than at build time.
pub fn sqlite_version() -> (&'static str, bool) {
    (rusqlite::version(), rusqlite::version_number() >= SQLITE_VERSION_MIN)
}

/// The statements that make telesink's own tables, or those of a preset.
///
/// # Errors
/// There is no such preset.
pub fn ddl(preset: Option<&str>) -> Result<String, ConfigError> {
    preset.map_or_else(|| Ok(DDL.to_owned()), |preset| Ok(mapped::table_ddl(&Layout::preset(preset)?)))
}

/// Plans the sink. Options: `synchronous` (`normal`, `full`), `create_schema` (`true`, `false`), `preset` or
/// `table_map` for tables of others.
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let target = options.target.clone();
    let stores_logs = options.layout.as_ref().is_none_or(|layout| !layout.has_runs);
    let plan = SinkPlan::new("sqlite", target, Arc::new(move |_| Box::new(SqliteSink::new(options.clone()))));
    Ok(SinkPlan { stores_logs, ..plan })
}

/// Plans to delete old records from the file.
pub(super) fn plan_prune(dsn: &mut Dsn) -> Result<PrunePlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let tables = options.layout.as_ref().map_or_else(|| Ok(AgedTable::own()), AgedTable::of)?;
    let layout = options.layout.clone();
    Ok(PrunePlan::new(options.target.clone(), layout.as_ref(), tables.clone(), move |_, retention| {
        prune::open(options, tables, &retention)
    }))
}

/// Plans to ask the file.
pub(super) fn plan_select(dsn: &mut Dsn) -> Result<SelectPlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let what = (options.target.clone(), "sqlite", String::new(), false);
    let layout = options.layout.clone();
    SelectPlan::new(what, layout.as_ref(), move |limits, access| select::open(options, limits, access))
}

/// Plans to look at the file.
pub(super) fn plan_inspect(dsn: &mut Dsn) -> Result<InspectPlan, ConfigError> {
    let options = Options::take_from(dsn)?.own_tables()?;
    Ok(InspectPlan::new(options.target.clone(), move |_| inspect::open(options)))
}

impl Options {
    fn take_from(dsn: &mut Dsn) -> Result<Self, ConfigError> {
        let synchronous = dsn.take_choice("synchronous", &["normal", "full"])?.unwrap_or("normal");
        let creates_schema = dsn.take_bool("create_schema")?.unwrap_or(true);
        if dsn.take_bool("notify")? == Some(true) {
            return Err(ConfigError::new(
                "SQLite notifies nobody",
                "remove `notify`; readers of a file look again",
            ));
        }
        let layout = Layout::take_from(dsn)?;
        Ok(Self { path: dsn.path().to_path_buf(), target: dsn.masked(), synchronous, creates_schema, layout })
    }

    /// Refuses tables of others where only telesink's own can be read.
    fn own_tables(self) -> Result<Self, ConfigError> {
        if self.layout.is_some() {
            return Err(ConfigError::new(
                "telesink's own tables can be looked at, and the dsn names others",
                "remove `preset` and `table_map`; others are looked at with what you read them with",
            ));
        }
        Ok(self)
    }
}

/// The sink of one lane.
struct SqliteSink {
    options: Options,
    slot: Slot,
    refusals_in_a_row: usize,
    scratch: write::Scratch,
}

/// An open database whose schema has been checked.
#[derive(Debug)]
struct Open {
    connection: Connection,
    path: PathBuf,
    /// Of the database and of its write-ahead log.
    identity: [Option<FileIdentity>; 2],
    /// The rows of resources, by their index in the pipeline's table.
    resources: HashMap<u32, i64>,
    /// The tables of others, if records go there.
    mapped: Option<mapped::Mapped>,
    /// Behind the connection, so that it ends after it.
    _opened: fork::Opened,
}

impl SqliteSink {
    fn new(options: Options) -> Self {
        Self { options, slot: Slot::default(), refusals_in_a_row: 0, scratch: write::Scratch::default() }
    }

    fn write_batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, Failure> {
        if fork::is_unsound() {
            return Err(Failure::UnsoundFork);
        }
        let moved = self.slot.lock().as_ref().and_then(Open::moved_file);
        if let Some(file) = moved {
            // Moved or deleted by others: rows written there would be gone with it.
            slot::leave_everywhere(file);
        }
        let mut slot = self.slot.lock();
        let (scratch, options) = (&mut self.scratch, &self.options);
        let refused_before = self.refusals_in_a_row;
        let result = opened(&mut slot, options, batch.now_unix_nano).and_then(|open| {
            open.connection.execute_batch("BEGIN IMMEDIATE")?;
            let written = match &options.layout {
                Some(layout) => mapped::store(open, batch, layout),
                None => write::store(open, batch, scratch),
            };
            let stored = written.and_then(|outcome| {
                // By the table: what telesink itself refuses says nothing against it.
                let by_table = |refusal: &Refusal| !UNFIT_CODES.contains(&refusal.code.as_str());
                let all_refused =
                    outcome.refused.len() == batch.entries.len() && outcome.refused.iter().all(by_table);
                if all_refused && refused_before + outcome.refused.len() >= REFUSALS_IN_A_ROW_MAX {
                    let reason = outcome.refused.first().map_or("", |refusal| &refusal.text);
                    return Err(Failure::everything_refused(reason));
                }
                open.connection.execute_batch("COMMIT").map_err(Failure::at_commit)?;
                Ok(outcome)
            });
            if stored.is_err() {
                open.resources.clear();
                if !open.connection.is_autocommit() {
                    // Should this fail too, the connection is thrown away below, and SQLite rolls back itself.
                    drop(open.connection.execute_batch("ROLLBACK"));
                }
            }
            stored
        });
        if let Err(failure) = &result {
            let keeps_connection = slot.as_ref().is_some_and(|open| open.connection.is_autocommit());
            if !failure.spares_connection() || !keeps_connection || descriptors::are_lost() {
                let moved = slot.as_ref().and_then(Open::moved_file);
                leave(&mut slot);
                drop(slot);
                if let Some(file) = moved {
                    slot::leave_everywhere(file);
                }
            }
        }
        result
    }
}

/// The open database; opened, checked and migrated if it is not.
fn opened<'s>(
    slot: &'s mut Option<Open>,
    options: &Options,
    now_unix_nano: u64,
) -> Result<&'s mut Open, Failure> {
    match slot {
        Some(open) => Ok(open),
        empty => {
            let counted = fork::opened();
            let connection = connect(options)?;
            let mapped = if let Some(layout) = &options.layout {
                Some(mapped::prepare(&connection, options, layout, now_unix_nano)?)
            } else {
                schema::prepare(&connection, options.creates_schema, now_unix_nano)?;
                None
            };
            let path = options.path.clone();
            let identity = identities(&path);
            let resources = HashMap::new();
            Ok(empty.insert(Open { connection, path, identity, resources, mapped, _opened: counted }))
        }
    }
}

/// Lets go of the open database; what was written to it is in its file, wherever that is now.
fn leave(slot: &mut Option<Open>) {
    if let Some(open) = slot.take() {
        open.settle(Patience::Full);
    }
}

impl Sink for SqliteSink {
    fn route(&self, record: &Record) -> Option<Route> {
        let takes = self.options.layout.as_ref().is_none_or(|layout| layout.takes(record));
        takes.then_some(Route::All)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        if batch.entries.is_empty() {
            return Ok(Outcome::default());
        }
        let _inside = fork::enter();
        if !descriptors::begin() {
            // SQLite shares what it knows of a file among connections, so all of them have to go.
            close_all();
        }
        let mut answer = self.write_batch(batch);
        if answer.as_ref().is_err_and(Failure::is_moved) {
            // Between opening it and writing to it.
            answer = self.write_batch(batch);
        }
        if answer.is_err() && descriptors::are_lost() {
            // In the middle of the batch. The ledger says what became of it.
            close_all();
            descriptors::begin();
            answer = self.write_batch(batch);
        }
        match answer {
            Ok(outcome) => {
                let all_refused = outcome.refused.len() == batch.entries.len()
                    && !outcome.refused.iter().any(|refusal| UNFIT_CODES.contains(&refusal.code.as_str()));
                self.refusals_in_a_row =
                    if all_refused { self.refusals_in_a_row + outcome.refused.len() } else { 0 };
                Ok(outcome)
            }
            Err(failure) => Err(failure.judge(&self.options)),
        }
    }

    fn close(&mut self) -> Result<(), WriteError> {
        if fork::is_unsound() {
            return Ok(());
        }
        let _inside = fork::enter();
        let open = self.slot.lock().take();
        if let Some(open) = open {
            // Statistics for the planner; of no consequence if the file is busy.
            let optimized = open.connection.execute_batch("PRAGMA optimize");
            open.settle(Patience::Full);
            let closed = open.connection.close().map_err(|(_, error)| error);
            optimized.and(closed).map_err(|error| Failure::from(error).judge(&self.options))?;
        }
        Ok(())
    }
}

impl Drop for SqliteSink {
    fn drop(&mut self) {
        // In an unsound process there is none, and locks may be held by nobody.
        if !fork::is_unsound() {
            let _inside = fork::enter();
            leave(&mut self.slot.lock());
        }
    }
}

/// Waits before the next attempt to get a lock that another connection holds; gives up at once for a fork.
fn wait_for_lock(attempts: i32) -> bool {
    if descriptors::are_lost() {
        // It is not held: the descriptor that it was asked of is gone.
        return false;
    }
    let pause = usize::try_from(attempts).ok().and_then(|index| BUSY_PAUSES_MILLIS.get(index));
    pause.is_some_and(|millis| fork::sleep_unless_wanted(Duration::from_millis(*millis)))
}

fn connect(options: &Options) -> Result<Connection, Failure> {
    create_private(&options.path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    // Where modes count, nothing but `create_private` makes the file: SQLite would let others read it.
    #[cfg(not(unix))]
    let flags = flags | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    // Before the first table, or it has no effect: lets retention give pages back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Failure::no_wal(&mode));
    }
    connection.pragma_update(None, "synchronous", options.synchronous)?;
    connection.pragma_update_and_check(None, "journal_size_limit", JOURNAL_BYTES_MAX, |_| Ok(()))?;
    Ok(connection)
}

/// Creates the file with mode 0600 if it is not there: logs are nobody else's business. `SQLite` gives the files that it
/// keeps beside it the same mode. A file that exists keeps its mode. A link is followed, as `SQLite` does, also to a
/// file that is not there yet. Errors are left to `SQLite`, which says more about them.
#[cfg(unix)]
fn create_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;

    let mut path = path.to_path_buf();
    for _ in 0..=LINKS_MAX {
        if !path.exists() {
            moved::keep_log(&path);
        }
        let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        if created.is_ok() || path.exists() {
            return;
        }
        // A link to nowhere counts as there, but is not.
        let Ok(target) = std::fs::read_link(&path) else { return };
        path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
}

#[cfg(not(unix))]
fn create_private(path: &Path) {
    if !path.exists() {
        moved::keep_log(path);
    }
}
