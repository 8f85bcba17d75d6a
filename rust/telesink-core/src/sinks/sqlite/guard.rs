//! Keeps another copy of `SQLite` in the same process from deleting the write-ahead log under us.
//!
//! Python's `sqlite3` is such a copy, and reading one's own log file with it is the most natural thing to do. POSIX
//! locks belong to the process, so the other copy does not see ours: it believes that it closes the last
//! connection, deletes the log, and the rows that we write afterwards are gone (300 rounds of log, flush, read left
//! 2 of 301 rows). Locks of an open file description conflict also within one process. Two shared ones, on
//! descriptors of our own, make the other copy see that somebody is there.

#[cfg(target_os = "linux")]
pub(super) use linux::Guard;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Guard;

#[cfg(target_os = "linux")]
mod linux {
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;
    use std::fs::File;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    /// Where `SQLite` puts the shared locks of a database file: `SHARED_FIRST` and `SHARED_SIZE` of its file format.
    const SHARED_BYTES: (i64, i64) = (0x4000_0002, 510);

    /// The byte of the `-shm` file that says "somebody uses this": the "dead man switch".
    const IN_USE_BYTE: (i64, i64) = (128, 1);

    /// The locks; they end with the descriptors.
    #[derive(Debug)]
    pub(in super::super) struct Guard {
        _files: [File; 2],
    }

    impl Guard {
        /// Takes the locks. `None` if the file system has no such locks: then moved files are noticed before each
        /// batch, which leaves a small gap.
        pub(in super::super) fn take(path: &Path) -> Option<Self> {
            let database = locked(path, SHARED_BYTES)?;
            let shared_memory = locked(&super::super::beside(path, "-shm"), IN_USE_BYTE)?;
            Some(Self { _files: [database, shared_memory] })
        }
    }

    fn locked(path: &Path, (start, length): (i64, i64)) -> Option<File> {
        let file = File::options().read(true).custom_flags(libc::O_CLOEXEC).open(path).ok()?;
        let lock = libc::flock {
            l_type: libc::F_RDLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: start,
            l_len: length,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).ok()?;
        Some(file)
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::path::Path;

    /// No such locks here; moved and deleted files are noticed before each batch.
    #[derive(Debug)]
    pub(in super::super) struct Guard;

    impl Guard {
        pub(in super::super) fn take(_path: &Path) -> Option<Self> {
            None
        }
    }
}
