//! A file that is moved away while it is open, as a rotation does.
//!
//! What was committed last may stand in its write-ahead log alone, and that stays behind under the old name: `SQLite`
//! would delete it together with the next, empty database of that name. So the log is brought into the file before its
//! connection goes, and a log whose connection is gone already gets a second name before a new file is made.

use super::Open;
use crate::clock;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};

/// Device and inode: tells whether a path still names the file that is open.
pub(super) type FileIdentity = (u64, u64);

/// Whether to wait for those who read the file in a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// As long as for any lock. Empties the log.
    Full,
    /// Not at all: there may be many files, and the process is about to end. Copies what nobody holds back.
    None,
}

impl Open {
    /// Whether the path still names the database and the write-ahead log that are open; another `SQLite` may have
    /// deleted the log.
    fn is_in_place(&self) -> bool {
        self.identity == identities(&self.path)
    }

    /// The database that is open, if the path names another one by now, or none.
    pub(super) fn moved_file(&self) -> Option<FileIdentity> {
        if self.is_in_place() { None } else { self.identity[0] }
    }

    /// Brings all rows into the file if it was moved away. To be called before the connection goes.
    pub(super) fn settle(&self, patience: Patience) {
        let found = identity(&self.path);
        if found == self.identity[0] {
            return;
        }
        // Should it fail, the log is still there: whoever makes the next file keeps it.
        let copy = match patience {
            Patience::Full => "PRAGMA wal_checkpoint(TRUNCATE)",
            Patience::None => "PRAGMA wal_checkpoint(PASSIVE)",
        };
        drop(self.connection.query_row(copy, [], |_| Ok(())));
        if found.is_some() {
            // Closing deletes the log by its name, and that is the log of the file that is there now.
            drop(self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        }
    }
}

/// Of the database and of its write-ahead log.
pub(super) fn identities(path: &Path) -> [Option<FileIdentity>; 2] {
    [identity(path), identity(&beside(path, "-wal"))]
}

/// Keeps a write-ahead log that somebody left without its database, before a new database takes its name. Linked, not
/// renamed: should another process have made the database in this moment, its log stays where it is.
pub(super) fn keep_log(path: &Path) {
    let log = beside(path, "-wal");
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
        let kept = beside(path, &format!(".left-{}-wal", clock::unix_nano()));
        // Where a file can have no second name, the log goes with the new database, as it always has.
        drop(std::fs::hard_link(log, kept));
    }
}

/// The name of a file that `SQLite` keeps beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<FileIdentity> {
    None
}
