//! What an `SQLite` error means: whether the record, the moment or the configuration is at fault.

use super::Options;
use crate::error::WriteError;
use rusqlite::{ErrorCode, ffi};
use std::path::Path;
use std::time::Duration;

/// A local file costs nothing to look at again: mended faults are noticed within this time.
const PROBE: Duration = Duration::from_secs(1);

/// A lock is usually held for milliseconds, and `SQLite` has waited a second already.
const LOCK_PROBE: Duration = Duration::from_millis(100);

const NO_DESCRIPTORS: &str = "no file descriptor is left; close some, or raise the limit (ulimit -n)";

/// A failed write, before it is judged.
#[derive(Debug)]
pub(super) enum Failure {
    /// `SQLite` said no.
    Sqlite {
        /// Its error.
        error: rusqlite::Error,
        /// The answer to COMMIT: the batch may be stored all the same.
        is_commit: bool,
    },
    /// This process was forked while the library was in use, and can never use it.
    UnsoundFork,
    /// The file cannot be used as it is.
    Config {
        /// What was found.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The file is fine but does not hold the tables that telesink needs.
    Tables {
        /// What was found.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The record cannot stand in its table.
    Unfit {
        /// For programs.
        code: &'static str,
        /// For people.
        text: String,
    },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite { error, is_commit: false }
    }
}

impl Failure {
    /// COMMIT failed.
    pub(super) fn at_commit(error: rusqlite::Error) -> Self {
        Failure::Sqlite { error, is_commit: true }
    }

    pub(super) fn newer_schema(version: i64) -> Self {
        Failure::Tables {
            message: format!("the tables have version {version}, this telesink knows {}", super::VERSION),
            hint: "upgrade telesink, or choose another file".to_owned(),
        }
    }

    pub(super) fn older_schema(version: i64) -> Self {
        Failure::Tables {
            message: format!(
                "the tables have version {version}, not {}, and create_schema=false",
                super::VERSION
            ),
            hint: "bring them up to date: `telesink schema --dialect sqlite | sqlite3 FILE`".to_owned(),
        }
    }

    pub(super) fn missing_schema() -> Self {
        Failure::Tables {
            message: "the telesink tables are missing and create_schema=false".to_owned(),
            hint: "create them with the documented DDL, or leave create_schema on".to_owned(),
        }
    }

    pub(super) fn no_file() -> Self {
        Failure::Config {
            message: "there is no such file".to_owned(),
            hint: "name the file that a program with telesink writes".to_owned(),
        }
    }

    pub(super) fn no_tables() -> Self {
        Failure::Tables {
            message: "the telesink tables are not there".to_owned(),
            hint: "name the file that a program with telesink writes".to_owned(),
        }
    }

    pub(super) fn no_wal(mode: &str) -> Self {
        Failure::Config {
            message: format!("the journal mode stays `{mode}`, WAL is not possible here"),
            hint: "put the file on a local file system".to_owned(),
        }
    }

    pub(super) fn everything_refused(reason: &str) -> Self {
        Failure::Tables {
            message: format!("every record is refused: {reason}"),
            hint: "compare the table with the documented one; a constraint or column was added".to_owned(),
        }
    }

    /// Whether the record at hand is at fault, and if so with what code and text.
    pub(super) fn refusal(&self) -> Option<(&'static str, String)> {
        if let Failure::Unfit { code, text } = self {
            return Some((code, text.clone()));
        }
        let Failure::Sqlite { error: rusqlite::Error::SqliteFailure(code, text), .. } = self else {
            return None;
        };
        let name = match code.code {
            ErrorCode::ConstraintViolation => "constraint",
            ErrorCode::TooBig => "too_big",
            ErrorCode::TypeMismatch => "mismatch",
            _ => return None,
        };
        Some((name, text.clone().unwrap_or_else(|| code.to_string())))
    }

    /// Whether the file was moved or deleted while `SQLite` had it open: no fault of anybody's rights.
    pub(super) fn is_moved(&self) -> bool {
        matches!(
            self,
            Failure::Sqlite { error: rusqlite::Error::SqliteFailure(code, _), .. }
                if code.extended_code == ffi::SQLITE_READONLY_DBMOVED
        )
    }

    /// Whether the connection can be used again: another writer or a full disk says nothing against it.
    pub(super) fn spares_connection(&self) -> bool {
        match self {
            Failure::Sqlite { error, .. } => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
            ),
            Failure::Config { .. } | Failure::Tables { .. } | Failure::UnsoundFork => false,
            Failure::Unfit { .. } => true,
        }
    }

    /// What the lane is to do, in words for people.
    pub(super) fn judge(self, options: &Options) -> WriteError {
        let target = &options.target;
        let (is_moved, is_short) = (self.is_moved(), descriptors_are_short(options));
        let (error, is_commit) = match self {
            Failure::Config { message, hint } => {
                return WriteError::hold(format!("{target}: {message}"), hint).after(PROBE);
            }
            Failure::Tables { message, hint } => {
                return WriteError::hold(format!("{target}: {message}"), hint)
                    .after(PROBE)
                    .about_tables(true);
            }
            Failure::UnsoundFork => {
                let text = format!(
                    "{target}: this process was forked in the middle of a write, and SQLite cannot be used in it"
                );
                let hint =
                    "start processes with the spawn method, or fork before the first record or after a flush";
                return WriteError::hold(text, hint).after(PROBE).lasting();
            }
            // Never the answer for a whole batch: the record alone is refused.
            Failure::Unfit { text, .. } => return WriteError::reject(format!("{target}: {text}")),
            Failure::Sqlite { error, is_commit } => (error, is_commit),
        };
        let text = format!("{target}: {error}");
        let hold = |hint: &str| WriteError::hold(text.clone(), hint).after(PROBE);
        let retry = |hint: &str, delay| WriteError::retry(text.clone()).with_hint(hint).after(delay);
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => retry("another process holds the lock of the file; end its transaction", LOCK_PROBE),
            Some(ErrorCode::DiskFull) => retry("the disk is full; free some space", PROBE),
            Some(ErrorCode::CannotOpen) if is_short => retry(NO_DESCRIPTORS, PROBE),
            Some(ErrorCode::SystemIoFailure) => {
                let error = retry(
                    if is_short { NO_DESCRIPTORS } else { "check the disk and the file system" },
                    PROBE,
                );
                if is_commit { error.unresolved() } else { error }
            }
            Some(ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted | ErrorCode::OperationAborted) => {
                WriteError::retry(text)
            }
            Some(ErrorCode::CannotOpen) => hold(&cannot_open_hint(options)),
            _ if is_moved => retry("the file was moved or deleted; it is opened again", LOCK_PROBE),
            Some(ErrorCode::NotADatabase) => {
                hold("the file is no SQLite database; move it away or choose another path")
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                hold("the database is damaged; move it away, telesink will create a new one")
            }
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::AuthorizationForStatementDenied,
            ) => hold("the file or its folder is not writable for this user; change its owner or mode"),
            _ => {
                let is_missing = text.contains("no such table") || text.contains("no such column");
                hold("compare the tables with the documented ones").about_tables(is_missing)
            }
        }
    }
}

/// Whether the process or the system has no descriptor left: `SQLite` does not say why it could not open something.
#[cfg(unix)]
fn descriptors_are_short(options: &Options) -> bool {
    use rustix::io::Errno;

    let tried = rustix::fs::open(folder_of(options), rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty());
    matches!(tried, Err(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn descriptors_are_short(_options: &Options) -> bool {
    false
}

fn folder_of(options: &Options) -> &Path {
    options.path.parent().unwrap_or(&options.path)
}

fn cannot_open_hint(options: &Options) -> String {
    let folder = folder_of(options);
    if options.path.is_dir() {
        "the path is a folder; name a file".to_owned()
    } else if folder.is_dir() {
        format!("make {} writable for this user", folder.display())
    } else {
        format!("create the folder {}", folder.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::WriteErrorKind;

    fn judged(extended_code: i32) -> WriteError {
        let options = Options {
            path: "/nowhere/app.db".into(),
            target: "app.db".to_owned(),
            synchronous: "normal",
            creates_schema: true,
            layout: None,
        };
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None);
        Failure::from(error).judge(&options)
    }

    #[test]
    fn a_file_that_was_moved_under_sqlite_is_no_question_of_rights() {
        let (moved, read_only) = (judged(ffi::SQLITE_READONLY_DBMOVED), judged(ffi::SQLITE_READONLY));

        assert_eq!((moved.kind, read_only.kind), (WriteErrorKind::Retry, WriteErrorKind::Hold));
        assert!(moved.hint.contains("it is opened again"), "{moved:?}");
        assert!(read_only.hint.contains("not writable for this user"), "{read_only:?}");
    }
}
