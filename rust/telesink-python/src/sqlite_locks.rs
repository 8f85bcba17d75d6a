//! File locks of the bundled `SQLite` that the interpreter's own `SQLite` can see.
//!
//! Python's `sqlite3` is a second copy of `SQLite` in the same process, and reading one's own log file with it is the
//! most natural thing to do. POSIX locks belong to the process: to each copy the other's locks do not exist, and
//! closing a file drops them all. Measured with POSIX locks: 300 rounds of log, flush, read left 2 of 301 rows,
//! readers saw a "malformed" database, and a program that wrote its own table into the same file destroyed it. Locks
//! of an open file description belong to the descriptor, conflict with POSIX locks also within one process, and are
//! not dropped by somebody else's close.
#![allow(unsafe_code)]

/// Makes the bundled `SQLite` use locks of the open file description. Called once, before the first connection.
#[cfg(target_os = "linux")]
pub(crate) fn install() {
    use rusqlite::ffi;

    // SAFETY: the default VFS is static and lives as long as the process. Its table of system calls takes a function
    // pointer under the name `fcntl` and calls it as `fcntl(int, int, ...)`, with one further argument of pointer
    // size; on Linux's x86-64 and aarch64 that argument is passed as to a function with three fixed parameters.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        if let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) {
            let call: unsafe extern "C" fn() = std::mem::transmute(linux::fcntl as *const ());
            // Refused only for an unknown name, and this one has been in the table since 3.7.
            let answer = set(vfs, c"fcntl".as_ptr(), Some(call));
            debug_assert_eq!(answer, ffi::SQLITE_OK);
        }
    }
}

/// Elsewhere `SQLite` keeps its POSIX locks; the documentation says what that means.
#[cfg(not(target_os = "linux"))]
pub(crate) fn install() {}

#[cfg(target_os = "linux")]
mod linux {
    use crate::sqlite_calls::is_own;
    use libc::{c_int, flock};

    /// `fcntl` with each lock command exchanged for the one of open file descriptions.
    ///
    /// # Safety
    /// As for `fcntl`; for the three lock commands `argument` points to a `flock`.
    pub(super) unsafe extern "C" fn fcntl(descriptor: c_int, command: c_int, argument: *mut flock) -> c_int {
        if !is_own(descriptor) {
            return -1;
        }
        let exchanged = match command {
            libc::F_GETLK => libc::F_OFD_GETLK,
            libc::F_SETLK => libc::F_OFD_SETLK,
            libc::F_SETLKW => libc::F_OFD_SETLKW,
            // SAFETY: handed on as it came.
            _ => return unsafe { libc::fcntl(descriptor, command, argument) },
        };
        // SAFETY: a lock command comes with a valid `flock`, which the kernel wants to name no process.
        unsafe {
            (*argument).l_pid = 0;
            let answer = libc::fcntl(descriptor, exchanged, argument);
            if answer == -1 && *libc::__errno_location() == libc::EINVAL {
                // A file system without such locks: better the old ones than none.
                return libc::fcntl(descriptor, command, argument);
            }
            answer
        }
    }
}
