//! What an error of the file system means for a batch.

use crate::error::WriteError;
use rustix::io::Errno;
use std::io::{self, ErrorKind};

/// What somebody has to mend is held; what passes by itself is tried again.
pub(in crate::sinks) fn judge(target: &str, file: &str, error: &io::Error) -> WriteError {
    let message = format!("{target}: {file}: {error}");
    match error.kind() {
        ErrorKind::NotFound => WriteError::hold(
            message,
            "the folder that holds it does not exist; create it (mkdir -p), telesink makes only the last one",
        ),
        ErrorKind::PermissionDenied => {
            WriteError::hold(message, "let this user write to the folder (chown, chmod), or name another one")
        }
        ErrorKind::ReadOnlyFilesystem => {
            WriteError::hold(message, "name a folder on a disk that can be written")
        }
        // What was refused because somebody else could read or exchange it says so itself.
        ErrorKind::InvalidInput => {
            WriteError::hold(message, "put a folder there that only this user can write to")
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => WriteError::hold(
            message,
            "something else than a folder or a regular file has this name, or a symbolic link; move it away",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            WriteError::retry(message).with_hint("free some space, or keep less (option `keep`)")
        }
        _ if is_something_else(error) => WriteError::hold(
            message,
            "a symbolic link, a FIFO, a socket or a device has this name; move it away",
        ),
        _ => WriteError::retry(message),
    }
}

/// A symbolic link, a FIFO that nobody reads, a socket, or a device that is not there.
fn is_something_else(error: &io::Error) -> bool {
    let kinds = [Errno::LOOP, Errno::NXIO, Errno::NODEV];
    kinds.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
